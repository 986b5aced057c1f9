"""Sending what was noted: everything told in the journal of alerts that the journal of deliveries does not
have as delivered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from sopilot_assets.settings import AlertSettings
from sopilot_assets.store.home import Home
from sopilot_assets.store.journal import read_journal
from sopilot_assets.upkeep.alerts.alert import AlertEvent, Happening
from sopilot_assets.upkeep.alerts.email import EmailChannel
from sopilot_assets.upkeep.alerts.noting import read_events
from sopilot_assets.upkeep.alerts.webhook import WebhookChannel
from sopilot_assets.upkeep.delivery.outbox import Channel, Delivery, Outbox, Tries, Undelivered, begin
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
    """What the channels of the settings have not taken yet, for each the oldest event first.

    A channel is told of what is open when it is first named, and of all that comes from then on.
    """
    lines = read_journal(home.alerts / DELIVERIES)
    tries, begins = Tries.of(lines), _begins(lines)
    told = [event for event in read_events(home) if event.is_told]
    newest = {event.alert_id: event for event in told}
    found = list[Undelivered[AlertEvent] | None]()
    for channel in (one.name for one in channels_of(alerts, environment, "")):
        since, known = begins.get(channel), set[str]()
        for event in told:
            is_open = newest[event.alert_id] is event and event.event != Happening.RESOLVED
            is_later = since is not None and event.time >= since
            if is_open or is_later or event.alert_id in known or (event.id, channel) in tries.lines:
                known.add(event.alert_id)
                found.append(tries.undelivered(event, channel))
    return [one for one in found if one is not None]


def _begins(lines: Sequence[Mapping[str, object]]) -> dict[str, datetime]:
    """From when on each channel is told: since its first line, whatever that says."""
    return {str(line["channel"]): datetime.fromisoformat(str(line["at"])) for line in reversed(lines)}


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
    names = [channel.name for channel in outbox.channels]
    begin(outbox.journal, names, begun=lambda: _begins(read_journal(outbox.journal)), now=now)
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
