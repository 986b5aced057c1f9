"""Procedures: begin a new one."""

from __future__ import annotations

from typing import Final

from sopilot_assets.desk.routing import DeskRoute

ROUTES: Final[tuple[DeskRoute, ...]] = ()
