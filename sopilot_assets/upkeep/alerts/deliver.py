"""Sending what was noted: everything told in the journal of alerts that the journal of deliveries does not
have as delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias

from sopilot_assets.settings import AlertSettings
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.alerts.alert import AlertEvent
from sopilot_assets.upkeep.alerts.email import EmailChannel
from sopilot_assets.upkeep.alerts.noting import read_events
from sopilot_assets.upkeep.alerts.webhook import WebhookChannel
from sopilot_assets.upkeep.delivery.outbox import Channel, Delivery, Outbox, Tries, Undelivered
from sopilot_assets.upkeep.delivery.secrets import Secrets

DELIVERIES: Final = "deliveries.jsonl"
AlertDelivery: TypeAlias = Delivery[AlertEvent]


def channels_of(
    alerts: AlertSettings, environment: Mapping[str, str], installation: str
) -> list[Channel[AlertEvent]]:
    """The channels that the settings name."""
    webhook, email = alerts.webhook, alerts.email
    return [
        *([WebhookChannel(webhook, environment, installation)] if webhook else []),
        *([EmailChannel(email, environment, installation)] if email else []),
    ]


def undelivered(
    home: Home, alerts: AlertSettings, environment: Mapping[str, str]
) -> list[Undelivered[AlertEvent]]:
    """What the channels of the settings have not taken yet, the oldest event first."""
    tries = Tries.read(home.alerts / DELIVERIES)
    told = [event for event in read_events(home) if event.is_told]
    channels = channels_of(alerts, environment, "")
    found = (tries.undelivered(event, channel.name) for event in told for channel in channels)
    return [one for one in found if one is not None]


def deliver(
    home: Home,
    alerts: AlertSettings,
    *,
    environment: Mapping[str, str],
    installation: str,
    now: datetime,
    everything: bool = False,
) -> AlertDelivery:
    """What was sent of all that waits, see `Outbox.empty`."""
    outbox = alert_outbox(home, alerts, environment=environment, installation=installation, now=now)
    return outbox.empty(lambda: undelivered(home, alerts, environment), everything=everything)


def alert_outbox(
    home: Home, alerts: AlertSettings, *, environment: Mapping[str, str], installation: str, now: datetime
) -> Outbox[AlertEvent]:
    """What sends alerts."""
    webhook, email = alerts.webhook, alerts.email
    secrets = Secrets(
        [
            *([webhook.token_env, webhook.sign_env] if webhook else []),
            *([email.username_env, email.password_env] if email else []),
        ],
        [webhook.url_env] if webhook else [],
        environment,
    )
    return Outbox(
        home.alerts / DELIVERIES,
        channels_of(alerts, environment, installation),
        secrets.hidden_in,
        alerts.give_up_after_hours,
        now,
    )
