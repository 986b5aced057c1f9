"""Sending what was noted: at least once on each channel, over restarts.

What has to be sent is everything told in the journal of alerts that the journal of deliveries does not have
as delivered. Each try is noted before it is made, so that a try which cannot be noted afterwards (a full
disk) still delays the next one. A receiver tells repetitions by the event's id.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sopilot_assets.errors import ConfigError
from sopilot_assets.settings import AlertSettings
from sopilot_assets.store.home import Home
from sopilot_assets.store.journal import append_journal, read_journal
from sopilot_assets.store.publish import only_writer
from sopilot_assets.texts.names import one_line
from sopilot_assets.upkeep.alerts.alert import AlertEvent
from sopilot_assets.upkeep.alerts.email import EmailChannel
from sopilot_assets.upkeep.alerts.message import Channel, DeliveryError, message_of
from sopilot_assets.upkeep.alerts.noting import read_events
from sopilot_assets.upkeep.alerts.secrets import without_secrets
from sopilot_assets.upkeep.alerts.webhook import WebhookChannel

DELIVERIES: Final = "deliveries.jsonl"
FIRST_WAIT: Final = timedelta(seconds=20)
LONGEST_WAIT: Final = timedelta(minutes=15)
FEWEST_TRIES: Final = 5
"""Nothing is given up before so many tries, however old it is: the clock may have jumped."""
BUDGET_S: Final = 25.0
"""No delivery is begun after so many seconds of one call."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """One event that one channel has not taken yet: how often it was tried, the last time (ISO 8601, None
    where never), and why that failed.
    """

    event: AlertEvent
    channel: str
    tries: int = 0
    tried_at: str | None = None
    error: str = ""

    def is_due(self, now: datetime) -> bool:
        """Whether the wait since the last try is over; it doubles with every try."""
        if self.tried_at is None:
            return True
        wait: timedelta = min(FIRST_WAIT * 2 ** min(self.tries - 1, 10), LONGEST_WAIT)
        return abs(now - datetime.fromisoformat(self.tried_at)) >= wait

    def is_hopeless(self, now: datetime, give_up_after_hours: float) -> bool:
        """Whether it is not worth another try."""
        age = now - self.event.time
        return age > timedelta(hours=give_up_after_hours) and self.tries >= FEWEST_TRIES


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one call did: how many messages were delivered, which tries failed, and how many wait."""

    delivered: int
    failed: tuple[Undelivered, ...]
    given_up: int
    waiting: int


def channels_of(alerts: AlertSettings, environment: Mapping[str, str]) -> list[Channel]:
    """The channels that the settings name."""
    webhook, email = alerts.webhook, alerts.email
    return [
        *([WebhookChannel(webhook, environment)] if webhook else []),
        *([EmailChannel(email, environment)] if email else []),
    ]


def undelivered(home: Home, alerts: AlertSettings, environment: Mapping[str, str]) -> list[Undelivered]:
    """What the channels of the settings have not taken yet, the oldest event first."""
    states = _states(read_journal(home.alerts / DELIVERIES))
    told = [event for event in read_events(home) if event.is_told]
    wanted = ((event, channel.name) for event in told for channel in channels_of(alerts, environment))
    return [
        found
        for event, name in wanted
        if (found := _undelivered(event, name, states.get((event.id, name), ()))) is not None
    ]


def deliver(
    home: Home,
    alerts: AlertSettings,
    *,
    environment: Mapping[str, str],
    installation: str,
    now: datetime,
    everything: bool = False,
) -> Delivery:
    """What was sent of all that waits; ``everything`` does not wait out the time after a failed try.

    After a failure, a channel is left alone for this call; after a success, all that waits for it is tried.
    """
    with only_writer(home.alerts / ".delivering.lock"):
        desk = _Desk(home, alerts, environment, installation, now, time.monotonic() + BUDGET_S)
        waiting = undelivered(home, alerts, environment)
        hopeless = [one for one in waiting if one.is_hopeless(now, alerts.give_up_after_hours)]
        for one in hopeless:
            desk.note(one.event, one.channel, "given_up", one.error)
        hopeful = [one for one in waiting if one not in hopeless]
        delivered, failed = 0, list[Undelivered]()
        for channel in channels_of(alerts, environment):
            mine = [one for one in hopeful if one.channel == channel.name]
            count, failure = desk.empty(channel, mine, everything=everything)
            delivered += count
            failed += failure
        return Delivery(delivered, tuple(failed), len(hopeless), len(hopeful) - delivered)


def try_channel(
    channel: Channel,
    event: AlertEvent,
    installation: str,
    alerts: AlertSettings,
    environment: Mapping[str, str],
) -> tuple[bool, str]:
    """Whether the channel took the event, and what it said; no secret is in it."""
    try:
        return True, channel.send(event, message_of(event, installation))
    except (DeliveryError, ConfigError) as error:
        return False, one_line(without_secrets(str(error), alerts, environment), 400)


@dataclass(slots=True)
class _Desk:
    """Sends one message after the other, and notes what came of it."""

    home: Home
    alerts: AlertSettings
    environment: Mapping[str, str]
    installation: str
    now: datetime
    until_s: float

    def empty(
        self, channel: Channel, waiting: Sequence[Undelivered], *, everything: bool
    ) -> tuple[int, list[Undelivered]]:
        """How many the channel took, and the one that it did not."""
        due = [one for one in waiting if everything or one.is_due(self.now)]
        others = [one for one in waiting if one not in due] if due else []
        count = 0
        # those that were tried least come first, so that one that is always refused holds up no other
        for one in [*sorted(due, key=lambda one: one.tries), *others]:
            if time.monotonic() > self.until_s:
                break
            self.note(one.event, channel.name, "tried", "")
            taken, said = try_channel(channel, one.event, self.installation, self.alerts, self.environment)
            self.note(one.event, channel.name, "delivered" if taken else "failed", said)
            if not taken:
                return count, [
                    Undelivered(one.event, channel.name, one.tries + 1, self.now.isoformat(), said)
                ]
            count += 1
        return count, []

    def note(self, event: AlertEvent, channel: str, outcome: str, said: str) -> None:
        """Append one line to the journal of deliveries."""
        line = {
            "event": event.id,
            "channel": channel,
            "outcome": outcome,
            "at": self.now.isoformat(),
            "said": said,
        }
        append_journal(self.home.alerts / DELIVERIES, [line])


def _states(lines: Iterable[Mapping[str, object]]) -> dict[tuple[str, str], list[Mapping[str, object]]]:
    states: dict[tuple[str, str], list[Mapping[str, object]]] = {}
    for line in lines:
        states.setdefault((str(line["event"]), str(line["channel"])), []).append(line)
    return states


def _undelivered(
    event: AlertEvent, channel: str, lines: Sequence[Mapping[str, object]]
) -> Undelivered | None:
    if any(line["outcome"] in ("delivered", "given_up") for line in lines):
        return None
    tries = [line for line in lines if line["outcome"] == "tried"]
    said = [str(line["said"]) for line in lines if line["outcome"] == "failed"]
    last = str(tries[-1]["at"]) if tries else None
    return Undelivered(event, channel, len(tries), last, said[-1] if said else "")
