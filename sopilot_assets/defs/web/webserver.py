"""Dagster's web page on loopback, for the home's own instance: to work with, or only to look."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver

from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.web.own_pages import LOOPBACK, OwnPagesOnly
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import dagster_home

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HOST: Final = "127.0.0.1"
_STATEMENT_TIMEOUT_MS: Final = 15_000
_POOL_RECYCLE_S: Final = 3600
_POOL_MAX_OVERFLOW: Final = 20
"""As Dagster's own command has them; they matter with Postgres only."""


def serve(home: Home, *, port: int, read_only: bool, public_names: Collection[str] = ()) -> None:
    """Show the page at ``127.0.0.1:port`` until the process is ended.

    ``read_only`` refuses everything that would change something. ``public_names`` are host names under which
    a reverse proxy shows the page.
    """
    with web_app(home, read_only=read_only, public_names=public_names) as app:
        uvicorn.run(app, host=HOST, port=port, log_level="warning")


@contextmanager
def web_app(home: Home, *, read_only: bool, public_names: Collection[str] = ()) -> Iterator[ASGIApp]:
    """The page as an ASGI app, while its code server runs."""
    workspace = str(dagster_home(home) / "workspace.yaml")
    with local_instance(home) as instance:
        instance.optimize_for_webserver(_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_S, _POOL_MAX_OVERFLOW)
        with WorkspaceProcessContext(
            instance,
            version=__version__,
            read_only=read_only,
            workspace_load_target=WorkspaceFileTarget([workspace]),
        ) as context:
            page = DagsterWebserver(context, "", None).create_asgi_app()
            yield OwnPagesOnly(page, [*LOOPBACK, *public_names])
