"""`sopilot home`: the home folder made, examined, fetched."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from sopilot_assets.cli.options import AS_JSON, HOME, NEW_HOME, examples
from sopilot_assets.cli.output import say, show_rows
from sopilot_assets.errors import ConfigError
from sopilot_assets.settings import load_settings
from sopilot_assets.store.publish import local_path, sweep_unfinished
from sopilot_assets.store.shared import FETCHED, PULLED, pull, stored_at
from sopilot_assets.upkeep.doctor import doctor_row, examine_home
from sopilot_assets.upkeep.setting_up import Profile, join_store, prepare_home

app = typer.Typer()


@app.command(epilog=examples("sopilot home init", "sopilot home init --home /data/sopilot --profile scale"))
def init(
    *,
    home: NEW_HOME,
    profile: Annotated[
        Literal["local", "scale"] | None,
        typer.Option(
            help="One machine (the default), or several: PostgreSQL, Redis and `sopilot worker run`."
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Share it through an object store, e.g. s3://bucket/home.", show_default=False),
    ] = None,
) -> None:
    """Make the home folder and the settings of its Dagster instance; what is there already stays."""
    prepared = prepare_home(home, Profile(profile) if profile else None)
    made = f"{len(prepared.created)} folders and files made" if prepared.created else "all there already"
    say(f"Home: {home.root} ({made})")
    say(f"Dagster's settings: {prepared.dagster_home}")
    if store is not None:
        joined = join_store(home, store)
        say(f"Shared through {store}: {joined.stored} files stored there, {joined.fetched} fetched")
    say(
        "Next: `sopilot demo run`, or `sopilot task create TASK` and recordings into capture/TASK/gold/SITE/."
    )


@app.command(epilog=examples("sopilot home doctor", "sopilot home doctor --sweep"))
def doctor(
    *,
    home: NEW_HOME,
    sweep: Annotated[
        bool,
        typer.Option("--sweep", help="Remove temporary files that killed processes left, before looking."),
    ] = False,
    as_json: AS_JSON = False,
) -> None:
    """Look for what is wrong, and say what to do about it; exit code 1 when something must be mended."""
    now = datetime.now(UTC)
    if sweep:
        older_than_s = load_settings(home).limits.leftover_minutes * 60
        removed = sweep_unfinished(home.root, older_than_s=older_than_s, now_s=now.timestamp())
        say(f"{removed} temporary files removed")
    rows = [doctor_row(told) for told in examine_home(home, now=now, environment=os.environ)]
    show_rows(rows, columns=("check", "subject", "state", "what", "action"), as_json=as_json)
    if any(row["state"] == "problem" for row in rows):
        raise typer.Exit(1)


@app.command(epilog=examples("sopilot home fetch", "sopilot home fetch --videos"))
def fetch(
    *,
    home: HOME,
    videos: Annotated[bool, typer.Option("--videos", help="Recordings and embeddings as well.")] = False,
) -> None:
    """Fetch the review pages that other machines made into this one's home, for reading; runs fetch by
    themselves what they need.
    """
    root = local_path(home.root)
    url = stored_at(root)
    if url is None:
        raise ConfigError(f"{root}: is not shared. `sopilot home init --store s3://bucket/home` shares it.")
    count = pull(root, (*PULLED, *FETCHED) if videos else (*PULLED, "reviews"))
    say(f"{count} files fetched from {url}")
