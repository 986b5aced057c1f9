"""Steps of golds: when each begins and ends, marked on the video."""

from __future__ import annotations

from typing import Final

from sopilot_assets.desk.routing import DeskRoute

ROUTES: Final[tuple[DeskRoute, ...]] = ()
