"""What holds for every answer and request of the desk: headers, who may reach it, and where requests may come
from.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders

from sopilot_assets.desk.accounts import has_accounts
from sopilot_assets.desk.config import DeskConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
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
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
OVER_TLS: Final = {"Strict-Transport-Security": "max-age=31536000"}
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SCRIPTED: Final = "x-sopilot"
"""A header that no form and no link of another site can make a browser send; programs that are no browser
send it in place of an origin.
"""
LONGEST_HEADERS: Final = 32 << 10
"""Bytes of all headers of a request together."""
_OF_PROXIES: Final = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
)


class Guards:
    """The app, for requests from its own pages; every answer with the headers above."""

    def __init__(self, app: ASGIApp, config: DeskConfig, refused: Callable[[str, str], Response]) -> None:
        """``refused`` gives the answer to a request for a path that is refused, and why."""
        self._app, self._config, self._refused = app, config, refused
        self._headers = {**HEADERS, **(OVER_TLS if config.secure else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault(
                    "Cache-Control", "no-cache" if scope["path"].startswith("/static/") else "no-store"
                )
            await send(message)

        headers = Headers(scope=scope)
        why = refusal(scope, headers, self._config)
        if why is None and from_elsewhere(scope, self._config):
            why = await run_in_threadpool(unready, scope, self._config)
        if why is None:
            await self._app(scope, receive, with_headers)
        else:
            await self._refused(scope["path"], f"Refused: {why}.")(scope, receive, with_headers)


def refusal(scope: Scope, headers: Headers, config: DeskConfig) -> str | None:
    """Why a request is refused whoever sends it; None for one that is not."""
    host = headers.get("host", "")
    if len(headers.getlist("host")) != 1 or _name(host) not in _own_names(config):
        return "the host name is not this desk's"
    if sum(len(name) + len(value) for name, value in headers.raw) > LONGEST_HEADERS:
        return f"its headers are longer than {LONGEST_HEADERS} bytes"
    if not config.behind_proxy and any(name in headers for name in _OF_PROXIES):
        return (
            "it came through a proxy that this desk does not know of: `sopilot desk --behind-proxy ADDRESS`"
        )
    return None if scope["method"] in SAFE else _foreign(headers, host)


def _foreign(headers: Headers, host: str) -> str | None:
    """Why a request that changes something may come from another site."""
    origin, fetched = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is None and fetched is None:
        return None if SCRIPTED in headers else "it does not say which page it comes from"
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return "the request comes from a page of another site"
    if fetched not in (None, "same-origin", "none"):
        return "the request comes from a page of another site"
    return None


def from_elsewhere(scope: Scope, config: DeskConfig) -> bool:
    """Whether a request may come from another machine."""
    return config.behind_proxy or not _is_here(_peer(scope))


def unready(scope: Scope, config: DeskConfig) -> str | None:
    """Why other machines are not answered yet; None where they are. Looks at the disk."""
    if scope["scheme"] != "https" and not (config.behind_proxy and config.secure):
        return (
            "from another machine this desk answers over TLS only / 他の端末からは TLS 接続でのみ利用できます"
        )
    if not has_accounts(config.home):
        return (
            "nobody has an account yet, so it answers this machine only: `sopilot desk user add NAME` / "
            "アカウントがまだないため、この端末以外からは利用できません"
        )
    return None


def address_of(scope: Scope, config: DeskConfig) -> str:
    """The address of whoever asks, for the log and the pace of tries; only a proxy of ours is believed, and
    of what it says the last address, which it has added itself.
    """
    told = Headers(scope=scope).getlist("x-forwarded-for") if config.behind_proxy else []
    last = told[-1].rpartition(",")[2].strip() if told else ""
    return last[:64] if _is_address(last) else _peer(scope)


def _peer(scope: Scope) -> str:
    """The address at the other end of the connection; empty for one that is no network connection."""
    client = scope.get("client")
    return client[0] if client and _is_address(client[0]) else ""


def _is_here(address: str) -> bool:
    if not address:
        return True
    known = ipaddress.ip_address(address)
    mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    return (mapped or known).is_loopback


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _own_names(config: DeskConfig) -> frozenset[str]:
    named = {"127.0.0.1", "localhost", "::1"}
    return frozenset(named | ({_name(urlsplit(config.address).netloc)} if config.address else set()))


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
