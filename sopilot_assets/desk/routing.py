"""Routes of the desk: each says whom it is for, and nobody else is answered."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sopilot_assets.desk.accounts import Account
from sopilot_assets.desk.bodies import LONGEST_BODY, limited
from sopilot_assets.desk.call import Call, asked_for
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.roles import Role
from sopilot_assets.desk.sessions import session_of
from sopilot_assets.errors import SopilotError
from sopilot_assets.texts.languages import Text

Answer: TypeAlias = Callable[[Call], Response | Awaitable[Response]]
Clock: TypeAlias = Callable[[], datetime]

_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_FIELDS: Final = 2000
_PORT: Final = re.compile(r":([0-9]+)$")
ASKS_WHO: Final = "/sign-in"
WHY: Final = {
    400: Text("The form could not be understood.", "フォームの内容を読み取れませんでした。"),
    404: Text("There is no such page.", "このページはありません。"),
    405: Text("This page does not do that.", "このページではその操作はできません。"),
    408: Text("The connection was too slow; try again.", "通信が途切れました。もう一度お試しください。"),
    413: Text(
        f"That is more than {LONGEST_BODY >> 10} KiB, which this page does not take.",
        f"{LONGEST_BODY >> 10} KiB を超えるデータは受け付けません。",
    ),
}
"""What is said of a request that no page has answered, by HTTP status."""
_SIGNED_OUT: Final = Text(
    "You are signed out; nothing of this was saved. Sign in in another tab, then send it again.",
    "サインアウトされています。今回の入力は保存されていません。別のタブでサインインしてから、もう一度送信してください。",
)


@dataclass(frozen=True, slots=True)
class DeskRoute:
    """One address of the desk. ``roles`` may see it; None: also whoever is not signed in. What ``answer``
    does runs in a thread, unless it is a coroutine, which must not wait for a disk. Of a request no more is
    read than `LONGEST_BODY`, unless the page ``streams``: it then says itself how much it takes.
    """

    path: str
    answer: Answer
    roles: Collection[Role] | None
    methods: tuple[str, ...] = ("GET",)
    streams: bool = False

    def route(self, config: DeskConfig, clock: Clock) -> Route:
        """The route of the app."""

        async def endpoint(request: Request) -> Response:
            return await self._answered(request, config, clock)

        return Route(self.path, endpoint, methods=list(self.methods), name=self.path)

    async def _answered(self, request: Request, config: DeskConfig, clock: Clock) -> Response:
        call = Call(request, config, clock, None, FormData())
        try:
            call = await call_of(request, config, clock)
            if self.roles is not None and call.account is not None and call.account.role not in self.roles:
                why = Text("This page is not for you.", "このページを見る権限がありません。")
                return failed(call, 403, why)
            if self.roles is not None and call.account is None:
                return _asked_who(call if self.streams else await _with_form(call))
            return await self._page(call if self.streams else await _with_form(call))
        except SopilotError as error:
            return _told(call, error)
        except HTTPException as error:
            return failed(call, error.status_code, _why(error))

    async def _page(self, call: Call) -> Response:
        if inspect.iscoroutinefunction(self.answer):
            answered: Response = await self.answer(call)
            return answered
        return await run_in_threadpool(self.answer, call)  # type: ignore[arg-type]


async def call_of(request: Request, config: DeskConfig, clock: Clock) -> Call:
    """The request with who sent it; nothing of its form has been read."""
    account = await run_in_threadpool(signed_in, request, config, clock())
    return Call(request, config, clock, account, FormData())


def signed_in(request: Request, config: DeskConfig, now: datetime) -> Account | None:
    """Who sent the request, by its session; None where nobody is signed in."""
    token = request.cookies.get(session_cookie(request, config))
    return session_of(config.home, token, at=now) if token else None


def session_cookie(request: Request, config: DeskConfig) -> str:
    """The name of the cookie with the session's token; browsers take ``__Host-`` over TLS only. It has the
    port, since browsers do not tell the cookies of two desks on one host apart.
    """
    port = _PORT.search(request.headers["host"])
    name = "__Host-sopilot" if config.secure else "sopilot_desk"
    return name if port is None else f"{name}_{port[1]}"


def failed(call: Call, status: int, why: Text) -> Response:
    """The page, or for a script the JSON, that says why something was not done."""
    if "application/json" in call.request.headers.get("accept", ""):
        return JSONResponse({"error": why.ja if call.language.value == "ja" else why.en}, status)
    title = Text("That did not work", "実行できませんでした")
    return call.page("failed.html.j2", title=title, status=status, values={"why": why})


def _told(call: Call, error: SopilotError) -> Response:
    why = call.home.relative_text(str(error))
    return failed(call, 422, Text(why, getattr(error, "ja", None) or why))


def unanswered(config: DeskConfig, clock: Clock) -> Callable[[Request, Exception], Awaitable[Response]]:
    """What answers where no route does."""

    async def answer(request: Request, error: Exception) -> Response:
        try:
            call = await call_of(request, config, clock)
        except SopilotError as damage:
            return _told(Call(request, config, clock, None, FormData()), damage)
        status = error.status_code if isinstance(error, HTTPException) else 500
        response = failed(call, status, _why(error))
        response.headers.update(getattr(error, "headers", None) or {})
        return response

    return answer


def _why(error: Exception) -> Text:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return WHY.get(status, Text(f"That was not possible ({status}).", f"実行できませんでした ({status})。"))


async def _with_form(call: Call) -> Call:
    """The same with the fields of the posted form, if it is one, and with a request of limited length."""
    request = limited(call.request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "POST" or kind not in _FORMS:
        return replace(call, request=request)
    form = await request.form(max_files=0, max_fields=_FIELDS, max_part_size=LONGEST_BODY)
    return replace(call, request=request, form=form)


def _asked_who(call: Call) -> Response:
    """To the form that asks who it is; where something was sent, a page that keeps it until they are signed
    in again.
    """
    accepts = call.request.headers.get("accept", "")
    if call.request.method in ("GET", "HEAD") and "text/html" in accepts:
        return RedirectResponse(
            f"{ASKS_WHO}?then={quote(asked_for(call.request), safe='/')}", status_code=303
        )
    if "application/json" in accepts:
        return failed(call, 401, _SIGNED_OUT)
    has_passwords = call.request.url.path.startswith("/account")
    fields = [] if has_passwords else [one for one in call.form.multi_items() if isinstance(one[1], str)]
    values = {"why": _SIGNED_OUT, "fields": fields}
    return call.page("signed_out.html.j2", title=Text("Sign in", "サインイン"), status=401, values=values)
