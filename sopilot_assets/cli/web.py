"""`sopilot web`: Dagster's web page, guarded, also for people who only look."""

from __future__ import annotations

from typing import Annotated

import typer

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.cli.options import HOME, examples
from sopilot_assets.cli.output import say
from sopilot_assets.cli.ports import refuse_taken
from sopilot_assets.settings import load_settings
from sopilot_assets.upkeep.setting_up import prepare_home

with at_first_use():
    from sopilot_assets.defs.web import webserver

app = typer.Typer()


@app.command(
    epilog=examples(
        "sopilot web serve",
        "sopilot web serve --read-only --port 3001",
        "sopilot web serve --read-only --port 3001 --public-name sopilot.example.org",
    )
)
def serve(
    *,
    home: HOME,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where on 127.0.0.1.")] = 3000,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="For viewers: whatever would change something is refused.")
    ] = False,
    public_name: Annotated[
        list[str] | None,
        typer.Option(help="A host name under which a reverse proxy shows the page; may be given again."),
    ] = None,
) -> None:
    """Show Dagster's web page, reviews, reports and recordings on this machine only.

    What pages of other sites send to it is refused. It needs neither `make dev` nor the daemon; runs that
    are launched wait until a daemon runs.
    """
    prepare_home(home)
    refuse_taken(webserver.HOST, port)
    say(f"Open http://127.0.0.1:{port}{' (to look only)' if read_only else ''}; stop with Ctrl-C")
    say(f"Recordings: http://127.0.0.1:{port}/reviews/   Daily reports: http://127.0.0.1:{port}/reports/")
    settings = load_settings(home)
    say(f"The desk, for people on the floor: {settings.desk.address}   (`sopilot desk`)")
    address = settings.web.address
    on_this_machine = address is not None and address.startswith("http://127.0.0.1")
    if on_this_machine and not read_only and address != f"http://127.0.0.1:{port}":
        say(f"Links to pages lead to {address}; web.address in settings.yaml names another place.")
    webserver.serve(home, port=port, read_only=read_only, public_names=public_name or ())
