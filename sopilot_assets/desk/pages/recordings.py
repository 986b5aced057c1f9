"""Recordings: the list of all, with filters."""

from __future__ import annotations

from typing import Final

from sopilot_assets.desk.routing import DeskRoute

ROUTES: Final[tuple[DeskRoute, ...]] = ()
