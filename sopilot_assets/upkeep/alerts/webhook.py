"""One alert by HTTP POST, as JSON."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    BaseHandler,
    HTTPRedirectHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

import sopilot_assets
from sopilot_assets.errors import ConfigError
from sopilot_assets.settings import THIS_MACHINE, WebhookSettings
from sopilot_assets.upkeep.alerts.alert import AlertEvent
from sopilot_assets.upkeep.alerts.message import DeliveryError, Message, why
from sopilot_assets.upkeep.alerts.secrets import secret


class _NoRedirects(HTTPRedirectHandler):
    """A redirected POST would become a GET, and take the token to somebody else."""

    def redirect_request(self, *_: object) -> None:
        return None


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """The channel ``webhook``."""

    settings: WebhookSettings
    environment: Mapping[str, str]
    name: str = "webhook"

    def send(self, event: AlertEvent, message: Message) -> str:
        """A note about what the service answered. Raises ``DeliveryError`` where it did not take the alert.

        The header ``Idempotency-Key`` is the event's id, the same for each try.
        """
        try:
            with self._opener().open(
                self._request(event, message), timeout=self.settings.timeout_s
            ) as answer:
                return f"HTTP {answer.status}"
        except HTTPError as error:
            error.close()
            raise DeliveryError(
                f"HTTP {error.code} {http.client.responses.get(error.code, '')}".strip()
            ) from None
        except URLError as error:
            raise DeliveryError(why(error.reason)) from None
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(why(error)) from None

    def _request(self, event: AlertEvent, message: Message) -> Request:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"sopilot/{sopilot_assets.__version__}",
            "Idempotency-Key": event.id,
        }
        if self.settings.token_env:
            token = secret(self.settings.token_env, self.environment, purpose="the webhook's token")
            headers["Authorization"] = f"Bearer {token}"
        body = {**event.as_line(), "installation": message.installation, "text": message.text}
        return Request(self._url(), json.dumps(body).encode(), headers, method="POST")  # noqa: S310 - checked in _url

    def _url(self) -> str:
        url = secret(self.settings.url_env, self.environment, purpose="the webhook's address")
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            usable = False
        if not usable:
            raise ConfigError(
                f"variable {self.settings.url_env}: expected an address that begins with https:// or http://,"
                " found something else (not shown, since it is secret). Correct it where Dagster is started."
            )
        return url

    def _opener(self) -> OpenerDirector:
        handlers: list[BaseHandler] = [_NoRedirects()]
        if urlsplit(self._url()).hostname in THIS_MACHINE:
            handlers.append(ProxyHandler({}))
        return build_opener(*handlers)
