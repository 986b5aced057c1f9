"""Sending by HTTP: JSON to a webhook, signed where a key is named, and what went wrong in few words.

The signature is that of Standard Webhooks 1.0 (standardwebhooks.com): the headers ``webhook-id``,
``webhook-timestamp`` and ``webhook-signature``, an HMAC-SHA256 over ``id.timestamp.body``.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import threading
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

import sopilot_assets
from sopilot_assets.errors import ConfigError
from sopilot_assets.settings import THIS_MACHINE, WebhookSettings
from sopilot_assets.upkeep.delivery.outbox import DeliveryError
from sopilot_assets.upkeep.delivery.secrets import secret

_KEY_PREFIX: Final = "whsec_"
_SHORTEST_KEY: Final = 24


def post_to_webhook(
    settings: WebhookSettings,
    environment: Mapping[str, str],
    *,
    delivery_id: str,
    body: Mapping[str, object],
    now: datetime,
) -> str:
    """A note about what the service answered. Raises ``DeliveryError`` where it did not take the body, and
    ``ConfigError`` where a variable holds nothing that can be used.

    The header ``Idempotency-Key`` is the delivery's id, the same for each try.
    """
    url = address_in(settings.url_env, environment, purpose="the webhook's address")
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": delivery_id}
    if settings.token_env:
        token = secret(settings.token_env, environment, purpose="the webhook's token")
        headers["Authorization"] = f"Bearer {token}"
    if settings.sign_env:
        key = _key_in(settings.sign_env, environment)
        headers |= signature(key, delivery_id=delivery_id, body=data, at=now)
    return f"HTTP {send(url, 'POST', data, headers, timeout_s=settings.timeout_s)}"


def signature(key: bytes, *, delivery_id: str, body: bytes, at: datetime) -> dict[str, str]:
    """The headers by which a receiver that has the key knows that the body is ours, and when it was sent."""
    stamp = str(int(at.timestamp()))
    signed = hmac.new(key, b".".join((delivery_id.encode(), stamp.encode(), body)), hashlib.sha256)
    told = base64.b64encode(signed.digest()).decode()
    return {"Webhook-Id": delivery_id, "Webhook-Timestamp": stamp, "Webhook-Signature": f"v1,{told}"}


def send(url: str, method: str, data: bytes | None, headers: Mapping[str, str], *, timeout_s: float) -> int:
    """The status that the server answered with; raises ``DeliveryError`` for one that is no success, and
    where there is no answer. Redirects are not followed: a POST would become a GET, and take the token to
    somebody else.
    """
    told = {"User-Agent": f"sopilot/{sopilot_assets.__version__}", **headers}
    request = Request(url, data, told, method=method)  # noqa: S310 - see address_in
    proxy = ProxyHandler({} if urlsplit(url).hostname in THIS_MACHINE else None)
    opener, patience = OpenerDirector(), _Patience(timeout_s)
    web = (_Http(patience), _Https(patience))
    for one in (proxy, *web, HTTPDefaultErrorHandler(), HTTPErrorProcessor()):
        opener.add_handler(one)
    try:
        with patience, opener.open(request, timeout=timeout_s) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        name = http.client.responses.get(error.code, "")
        raise DeliveryError(f"HTTP {error.code} {name}".strip(), status=error.code) from None
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise DeliveryError(why(TimeoutError() if patience.is_over else reason)) from None


class _Patience:
    """Ends a connection that is not done in time. The limit of a socket alone is one for each piece that
    arrives, so that an answer which comes drop by drop takes for ever.
    """

    def __init__(self, limit_s: float) -> None:
        self.is_over = False
        self._connections: list[http.client.HTTPConnection] = []
        self._timer = threading.Timer(limit_s, self._end)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def connection(
        self, kind: type[http.client.HTTPConnection], *given: object, **named: object
    ) -> http.client.HTTPConnection:
        """A connection that is ended when the time is over."""
        made = kind(*given, **named)  # type: ignore[arg-type]
        self._connections.append(made)
        return made

    def _end(self) -> None:
        self.is_over = True
        for one in self._connections:
            with contextlib.suppress(OSError):  # it is closed already
                if one.sock is not None:
                    one.sock.shutdown(socket.SHUT_RDWR)


class _Http(HTTPHandler):
    def __init__(self, patience: _Patience) -> None:
        super().__init__()
        self._patience = patience

    def http_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(partial(self._patience.connection, http.client.HTTPConnection), req)


class _Https(HTTPSHandler):
    def __init__(self, patience: _Patience) -> None:
        super().__init__()
        self._patience = patience

    def https_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(partial(self._patience.connection, http.client.HTTPSConnection), req)


def address_in(variable: str, environment: Mapping[str, str], *, purpose: str) -> str:
    """The address that a variable holds; raises ``ConfigError`` where it holds none."""
    url = secret(variable, environment, purpose=purpose)
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").encode("idna"), parts.port  # which refuse what can be none
        usable = parts.scheme in ("http", "https") and bool(host)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"variable {variable}: expected an address that begins with https:// or http://,"
            " found something else (not shown, since it is secret). Correct it where Dagster is started."
        )
    return url


def why(error: object) -> str:
    """What went wrong with a connection, in few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, UnicodeError):
        return "the name of the machine cannot be one"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__ if isinstance(error, BaseException) else str(error)


def _key_in(variable: str, environment: Mapping[str, str]) -> bytes:
    text = secret(variable, environment, purpose="the webhook's signing key")
    try:
        key = base64.b64decode(text.removeprefix(_KEY_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(_KEY_PREFIX) or len(key) < _SHORTEST_KEY:
        raise ConfigError(
            f"variable {variable}: expected {_KEY_PREFIX} and at least {_SHORTEST_KEY} bytes in base64, "
            "found something else (not shown, since it is secret). "
            f"`echo {_KEY_PREFIX}$(openssl rand -base64 32)` makes one."
        )
    return key
