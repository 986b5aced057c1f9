"""The desk as an ASGI app; ``uvicorn --factory sopilot_assets.desk:create_app --workers 4`` runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from sopilot_assets.capture.landing import land_complete
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.guards import Guards
from sopilot_assets.desk.memory import share_heaps
from sopilot_assets.desk.pages import (
    accounts,
    marking,
    media,
    own_account,
    recordings,
    review,
    sign_in,
    tasks,
    today,
    tus,
    uploads,
)
from sopilot_assets.desk.routing import DeskRoute, unanswered
from sopilot_assets.scoring.review import document as review_document

if TYPE_CHECKING:
    from starlette.types import ASGIApp

PAGES: Final = (
    sign_in,
    today,
    recordings,
    review,
    media,
    marking,
    uploads,
    tus,
    tasks,
    own_account,
    accounts,
)
STATIC: Final = Path(__file__).parent / "static"
REVIEW: Final = Path(review_document.__file__).parent / "templates"
"""Styles and scripts that the desk has in common with review pages."""


def routes() -> tuple[DeskRoute, ...]:
    """Every address of the desk but its scripts, styles and pictures."""
    return tuple(route for page in PAGES for route in page.ROUTES)


def create_app(
    config: DeskConfig | None = None, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> ASGIApp:
    """The desk of a home. Without ``config`` it is that of the environment (see
    `DeskConfig.from_environment`).

    It keeps nothing in memory that another process would lack: any number of them can serve one home.
    """
    config = config or DeskConfig.from_environment()
    return Starlette(
        routes=[
            Mount("/static/review", StaticFiles(directory=REVIEW), name="review"),
            Mount("/static", StaticFiles(directory=STATIC), name="static"),
            *(route.route(config, clock) for route in routes()),
        ],
        middleware=[Middleware(Guards, config=config)],
        exception_handlers={HTTPException: unanswered(config, clock)},
        lifespan=lambda _: _started(config),
    )


@asynccontextmanager
async def _started(config: DeskConfig) -> AsyncIterator[None]:
    """Land what a server that was killed had received whole."""
    share_heaps()
    await run_in_threadpool(land_complete, config.home)
    yield
