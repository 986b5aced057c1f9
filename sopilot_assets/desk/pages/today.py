"""Today: what waits for the person who looks."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from sopilot_assets.desk.call import Call
from sopilot_assets.desk.roles import EVERYBODY
from sopilot_assets.desk.routing import DeskRoute
from sopilot_assets.texts.languages import Text


def today(call: Call) -> Response:
    """The first page."""
    return call.page("today.html.j2", title=Text("Today", "今日"))


ROUTES: Final = (DeskRoute("/", today, EVERYBODY),)
