"""`sopilot worker` and `sopilot fetch`: one machine of several that share a home."""

from __future__ import annotations

import os
import socket
from typing import Annotated

import typer

from sopilot_assets.cli.options import HOME, examples
from sopilot_assets.cli.output import say
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import HOME_VARIABLE


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog=examples("sopilot fetch", "sopilot fetch --videos"))(fetch)
    app.command(epilog=examples("sopilot worker --places 2 --name bench_a", "sopilot worker --main"))(worker)


def worker(
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
        from sopilot_assets.defs.scale.worker import serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"workers need the package {error.name}, which is not installed. "
            "Install what the profile scale needs: pip install -c constraints.txt -e '.[scale]'."
        ) from error
    from sopilot_assets.defs.instance import local_instance  # noqa: PLC0415
    from sopilot_assets.upkeep.setting_up import prepare_home  # noqa: PLC0415

    prepare_home(home)
    os.environ[HOME_VARIABLE] = str(home.root)  # the processes of the runs find their home by it
    with local_instance(home) as instance:
        serve(instance, name=name or socket.gethostname(), places=places, main=main)


def fetch(
    *,
    home: HOME,
    videos: Annotated[bool, typer.Option("--videos", help="Recordings and embeddings as well.")] = False,
) -> None:
    """Fetch the review pages that other machines made into this one's home, for reading; runs fetch by
    themselves what they need.
    """
    from sopilot_assets.store.publish import local_path  # noqa: PLC0415
    from sopilot_assets.store.shared import FETCHED, PULLED, pull, stored_at  # noqa: PLC0415

    root = local_path(home.root)
    url = stored_at(root)
    if url is None:
        raise ConfigError(f"{root}: is not shared. `sopilot init --store s3://bucket/home` shares it.")
    count = pull(root, (*PULLED, *FETCHED) if videos else (*PULLED, "reviews"))
    say(f"{count} files fetched from {url}")
