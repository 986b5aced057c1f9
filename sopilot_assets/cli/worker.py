"""`sopilot worker`: one machine of several that share a home."""

from __future__ import annotations

import os
import socket
from typing import Annotated

import typer

from sopilot_assets.at_first_use import at_first_use, load_now
from sopilot_assets.cli.options import HOME, examples
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import HOME_VARIABLE
from sopilot_assets.upkeep.setting_up import prepare_home

with at_first_use():
    from sopilot_assets.defs import instance
    from sopilot_assets.defs.scale import worker

app = typer.Typer()


@app.command(epilog=examples("sopilot worker run --places 2 --name bench_a", "sopilot worker run --main"))
def run(
    *,
    home: HOME,
    places: Annotated[int, typer.Option(min=1, help="How many runs at a time.")] = 1,
    name: Annotated[
        str | None,
        typer.Option(help="Its name; default: the machine's.", show_default=False),
    ] = None,
    main: Annotated[
        bool,
        typer.Option(
            "--main", help="Also runs that need the main machine: campaigns, backups, reports, dossiers."
        ),
    ] = False,
) -> None:
    """Take runs from the queue in Redis and execute them, until Ctrl-C or SIGTERM; a run at work is finished
    first. For the profile `scale`.
    """
    try:
        load_now(worker)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"workers need the package {error.name}, which is not installed. "
            "Install what the profile scale needs: pip install -c constraints.txt -e '.[scale]'."
        ) from error

    prepare_home(home)
    os.environ[HOME_VARIABLE] = str(home.root)  # the processes of the runs find their home by it
    with instance.local_instance(home) as used:
        worker.serve(used, name=name or socket.gethostname(), places=places, main=main)
