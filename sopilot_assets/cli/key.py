"""`sopilot key`: the keys that dossiers are signed with."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from sopilot_assets.cli.options import AS_JSON, HOME, NEW_HOME, examples
from sopilot_assets.cli.output import say, show_rows
from sopilot_assets.dossier.signing import list_keys, new_key

app = typer.Typer()


@app.command(epilog=examples("sopilot key create", "sopilot key create --name line2"))
def create(
    *,
    name: Annotated[str, typer.Option(help="The name of the key; partners see it.")] = "dossier",
    home: NEW_HOME,
) -> None:
    """Make an Ed25519 key pair; an existing key is never overwritten."""
    key = new_key(home.keys, name)
    say(f"Private key: {escape(str(key.private))} (only you can read it; back it up where nobody else can)")
    say(f"Public key:  {escape(key.public)}")
    say(f"Fingerprint: {escape(key.fingerprint)}")
    say("Tell your partners the fingerprint by another way than the dossier: by phone, on paper.")


@app.command("list", epilog=examples("sopilot key list"))
def list_(*, home: HOME, as_json: AS_JSON = False) -> None:
    """List the keys with their fingerprints."""
    rows = [{"key": key.name, "fingerprint": key.fingerprint} for key in list_keys(home.keys)]
    show_rows(
        rows,
        columns=("key", "fingerprint"),
        empty="no key; make one with `sopilot key create`",
        as_json=as_json,
    )
