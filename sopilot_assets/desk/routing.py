"""Routes of the desk: each says whom it is for, and nobody else is answered."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sopilot_assets.desk.accounts import Account, session_of
from sopilot_assets.desk.call import Call
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.roles import Role
from sopilot_assets.errors import SopilotError
from sopilot_assets.texts.languages import Text

Answer: TypeAlias = Callable[[Call], Response | Awaitable[Response]]

_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_FIELDS: Final = 2000
_FIELD_BYTES: Final = 1 << 20
ASKS_WHO: Final = "/sign-in"


@dataclass(frozen=True, slots=True)
class DeskRoute:
    """One address of the desk. ``roles`` may see it; None: also whoever is not signed in. What ``answer``
    does runs in a thread, unless it is a coroutine, which must not wait for a disk.
    """

    path: str
    answer: Answer
    roles: Collection[Role] | None
    methods: tuple[str, ...] = ("GET",)

    def route(self, config: DeskConfig, clock: Callable[[], datetime]) -> Route:
        """The route of the app."""

        async def endpoint(request: Request) -> Response:
            return await self._answered(request, config, clock)

        return Route(self.path, endpoint, methods=list(self.methods), name=self.path)

    async def _answered(
        self, request: Request, config: DeskConfig, clock: Callable[[], datetime]
    ) -> Response:
        account = await run_in_threadpool(signed_in, request, config, clock())
        call = Call(request, config, clock, account, await _form(request))
        if self.roles is not None and account is None:
            return _asked_who(request)
        if self.roles is not None and account is not None and account.role not in self.roles:
            return failed(call, 403, Text("This page is not for you.", "このページを見る権限がありません。"))
        try:
            if inspect.iscoroutinefunction(self.answer):
                answered: Response = await self.answer(call)
                return answered
            return await run_in_threadpool(self.answer, call)  # type: ignore[arg-type]
        except SopilotError as error:
            why = config.home.relative_text(str(error))
            return failed(call, 422, Text(why, getattr(error, "ja", None) or why))


def signed_in(request: Request, config: DeskConfig, now: datetime) -> Account | None:
    """Who sent the request, by its session; None where nobody is signed in."""
    token = request.cookies.get(session_cookie(config))
    return session_of(config.home, token, at=now) if token else None


def session_cookie(config: DeskConfig) -> str:
    """The name of the cookie with the session's token; browsers take ``__Host-`` over TLS only."""
    return "__Host-sopilot" if config.secure else "sopilot_desk"


def failed(call: Call, status: int, why: Text) -> Response:
    """The page, or for a script the JSON, that says why something was not done."""
    if "application/json" in call.request.headers.get("accept", ""):
        return JSONResponse({"error": why.ja if call.language.value == "ja" else why.en}, status)
    title = Text("That did not work", "実行できませんでした")
    return call.page("failed.html.j2", title=title, status=status, values={"why": why})


async def _form(request: Request) -> FormData:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "POST" or kind not in _FORMS:
        return FormData()
    return await request.form(max_files=0, max_fields=_FIELDS, max_part_size=_FIELD_BYTES)


def _asked_who(request: Request) -> Response:
    if request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"{ASKS_WHO}?then={request.url.path}", status_code=303)
    return HTMLResponse("Sign in first. / 先にサインインしてください。", 401)
