"""The desk as an ASGI app; ``uvicorn --factory sopilot_assets.desk:create_app --workers 4`` runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from sopilot_assets import stations
from sopilot_assets.capture.landing import land_complete
from sopilot_assets.desk.api.endpoint import BASE as API
from sopilot_assets.desk.api.endpoint import problem_response, unrouted
from sopilot_assets.desk.api.endpoints import ENDPOINTS
from sopilot_assets.desk.api.openapi import description_route
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.guards import Guards
from sopilot_assets.desk.memory import share_heaps
from sopilot_assets.desk.pages import (
    accounts,
    exchange,
    labels,
    marking,
    media,
    own_account,
    people,
    policies,
    promotions,
    recordings,
    review,
    sign_in,
    task_editing,
    task_versions,
    tasks,
    times,
    today,
    tokens,
    tus,
    uploads,
    work_instructions,
)
from sopilot_assets.desk.routing import DeskRoute, unanswered
from sopilot_assets.scoring.review import document as review_document

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

PAGES: Final = (
    sign_in,
    today,
    recordings,
    review,
    media,
    exchange,
    marking,
    labels,
    promotions,
    policies,
    uploads,
    tus,
    tasks,
    times,
    people,
    task_editing,
    task_versions,
    work_instructions,
    own_account,
    accounts,
    tokens,
)
STATIC: Final = Path(__file__).parent / "static"
REVIEW: Final = Path(review_document.__file__).parent / "templates"
INSTRUCTIONS: Final = Path(stations.__file__).parent / "templates"
"""Styles and scripts that the desk has in common with review pages, and with files of work instructions."""


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
            Mount("/static/instruction", StaticFiles(directory=INSTRUCTIONS), name="instruction"),
            Mount("/static/review", StaticFiles(directory=REVIEW), name="review"),
            Mount("/static", StaticFiles(directory=STATIC), name="static"),
            description_route(ENDPOINTS),
            *(one.route(config, clock) for one in ENDPOINTS),
            *(route.route(config, clock) for route in routes()),
        ],
        middleware=[Middleware(Guards, config=config, refused=_refused)],
        exception_handlers={HTTPException: _unanswered(config, clock)},
        lifespan=lambda _: _started(config),
    )


def _unanswered(
    config: DeskConfig, clock: Callable[[], datetime]
) -> Callable[[Request, Exception], Awaitable[Response]]:
    """What answers where nothing does; a program is told so in its own words."""
    page = unanswered(config, clock)

    async def answer(request: Request, error: Exception) -> Response:
        return await (unrouted if _is_of_program(request.url.path) else page)(request, error)

    return answer


def _refused(path: str, why: str) -> Response:
    return problem_response(403, why) if _is_of_program(path) else PlainTextResponse(why, 403)


def _is_of_program(path: str) -> bool:
    return f"{path}/".startswith(f"{API}/")


@asynccontextmanager
async def _started(config: DeskConfig) -> AsyncIterator[None]:
    """Land what a server that was killed had received whole."""
    share_heaps()
    await run_in_threadpool(land_complete, config.home)
    yield
