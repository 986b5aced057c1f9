"""One alert by HTTP POST, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sopilot_assets.settings import WebhookSettings
from sopilot_assets.upkeep.alerts.alert import AlertEvent
from sopilot_assets.upkeep.alerts.message import message_of
from sopilot_assets.upkeep.delivery.posting import post_to_webhook


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """The channel ``webhook``; ``installation`` is how messages call this one."""

    settings: WebhookSettings
    environment: Mapping[str, str]
    installation: str
    name: str = "webhook"

    def send(self, event: AlertEvent, now: datetime) -> str:
        """A note about what the service answered, see `post_to_webhook`."""
        told = message_of(event, self.installation)
        body = {**event.as_line(), "installation": told.installation, "text": told.text}
        return post_to_webhook(self.settings, self.environment, delivery_id=event.id, body=body, now=now)
