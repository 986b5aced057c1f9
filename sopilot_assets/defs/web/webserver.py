"""Dagster's web page and the pages of the home on loopback: to work with, or only to look."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from sopilot_assets.defs.dagster_internals.page import dagster_page
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.web.home_pages import HomePages
from sopilot_assets.defs.web.own_pages import LOOPBACK, OwnPagesOnly
from sopilot_assets.processes.watchdog import answers, watched
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import dagster_home

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HOST: Final = "127.0.0.1"
_ASKED: Final = "/server_info"


def serve(home: Home, *, port: int, read_only: bool, public_names: Collection[str] = ()) -> None:
    """Show the page at ``127.0.0.1:port`` until the process is ended.

    ``read_only`` refuses everything that would change something. ``public_names`` are host names under which
    a reverse proxy shows the page.
    """
    with (
        web_app(home, read_only=read_only, public_names=public_names) as app,
        watched(lambda: answers(HOST, port, _ASKED)),
    ):
        uvicorn.run(app, host=HOST, port=port, log_level="warning")


@contextmanager
def web_app(home: Home, *, read_only: bool, public_names: Collection[str] = ()) -> Iterator[ASGIApp]:
    """The page as an ASGI app, with the pages of the home, while its code server runs."""
    workspace = dagster_home(home) / "workspace.yaml"
    with (
        local_instance(home) as instance,
        dagster_page(instance, workspace, read_only=read_only) as page,
    ):
        yield OwnPagesOnly(HomePages(page, home), [*LOOPBACK, *public_names])
