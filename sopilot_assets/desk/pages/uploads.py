"""Uploads from a phone, a tablet or a folder, which go on where they were interrupted."""

from __future__ import annotations

from typing import Final

from sopilot_assets.desk.routing import DeskRoute

ROUTES: Final[tuple[DeskRoute, ...]] = ()
