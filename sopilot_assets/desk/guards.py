"""What holds for every answer and request of the desk: headers, and where requests may come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

from sopilot_assets.desk.config import DeskConfig

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SCRIPTED: Final = "x-sopilot"
"""A header that no form and no link of another site can make a browser send; programs that are no browser
send it in place of an origin.
"""


class Guards:
    """The app, for requests from its own pages; every answer with the headers above."""

    def __init__(self, app: ASGIApp, config: DeskConfig) -> None:
        self._app, self._config = app, config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault(
                    "Cache-Control", "no-cache" if scope["path"].startswith("/static/") else "no-store"
                )
            await send(message)

        why = refusal(scope, Headers(scope=scope), self._config)
        if why is None:
            await self._app(scope, receive, with_headers)
        else:
            await PlainTextResponse(f"Refused: {why}.", 403)(scope, receive, with_headers)


def refusal(scope: Scope, headers: Headers, config: DeskConfig) -> str | None:
    """Why a request is refused; None for one that is not."""
    host = headers.get("host", "")
    if _name(host) not in _own_names(config):
        return "the host name is not this desk's"
    if scope["method"] in SAFE:
        return None
    origin, fetched = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is None and fetched is None:
        return None if SCRIPTED in headers else "it does not say which page it comes from"
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return "the request comes from a page of another site"
    if fetched not in (None, "same-origin", "none"):
        return "the request comes from a page of another site"
    return None


def _own_names(config: DeskConfig) -> frozenset[str]:
    named = {"127.0.0.1", "localhost", "::1"}
    return frozenset(named | ({_name(urlsplit(config.address).netloc)} if config.address else set()))


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
