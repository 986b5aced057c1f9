"""Refuses what the page of another web site makes a browser send to Dagster's web server.

Dagster answers GraphQL over GET, mutations included, over POST of any kind, and over web sockets from any
origin. On loopback, without a password, any page that is open in a browser on the same machine could
therefore launch runs or wipe assets. Only what a page of the server itself sends is let through.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_FOREIGN: Final = frozenset({"cross-site", "same-site"})
_FORBIDDEN: Final = 403
_POLICY_VIOLATION: Final = 1008


class OwnPagesOnly:
    """The app, for requests of its own pages; ``names`` are the host names it is reached by."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app, self._names = app, frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        why = refusal(scope, headers, self._names)
        if why is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": why})
        else:
            await _refuse(send, why)


def refusal(scope: Scope, headers: Mapping[str, str], names: Collection[str]) -> str | None:
    """Why a request is refused; None for one that is not. Names of headers are in lower case."""
    host = headers.get("host", "")
    if _name(f"//{host}") not in names:
        return "the host name is not one of this server's; name it with --public-name"
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return "the request comes from a page of another site"
    is_graphql = scope["path"].rstrip("/").endswith("/graphql")
    is_link = scope.get("method") == "GET" and not is_graphql
    if headers.get("sec-fetch-site") in _FOREIGN and not is_link:
        return "the request comes from a page of another site"
    if scope["type"] == "http" and is_graphql and not _is_deliberate(scope, headers):
        return "GraphQL is answered by POST of application/json only"
    return None


def _is_deliberate(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether no link, picture or form can make a browser send it, or it only shows the playground."""
    if scope["method"] == "POST":
        return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    return scope["method"] == "GET" and "text/html" in headers.get("accept", "") and not scope["query_string"]


def _name(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


async def _refuse(send: Send, why: str) -> None:
    body = json.dumps({"error": f"Refused: {why}."}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": _FORBIDDEN, "headers": headers})
    await send({"type": "http.response.body", "body": body})
