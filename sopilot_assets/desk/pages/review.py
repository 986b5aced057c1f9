"""One recording: what was found in it, what people say of that, and its video."""

from __future__ import annotations

from typing import Final

from sopilot_assets.desk.routing import DeskRoute

ROUTES: Final[tuple[DeskRoute, ...]] = ()
