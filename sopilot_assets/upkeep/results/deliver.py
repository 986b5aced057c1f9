"""Sending results that receivers do not hold yet. ``outbox/results.jsonl`` has each try, and from when on
each channel is told.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from upath import UPath

from sopilot_assets.settings import ResultSettings, Settings
from sopilot_assets.store.home import Home
from sopilot_assets.store.journal import read_journal
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import find_tasks
from sopilot_assets.upkeep.delivery.outbox import BEGINS, Delivery, Outbox, Tries, Undelivered, begin
from sopilot_assets.upkeep.delivery.secrets import Secrets
from sopilot_assets.upkeep.results.standing import WITHDRAWAL, ResultParcel, standing_results
from sopilot_assets.upkeep.results.webhook import ResultWebhook
from sopilot_assets.upkeep.results.xapi import XapiChannel

ResultDelivery: TypeAlias = Delivery[ResultParcel]
WaitingResult: TypeAlias = Undelivered[ResultParcel]


def results_journal(home: Home) -> UPath:
    """Where it is noted what was sent."""
    return home.outbox / "results.jsonl"


def channel_names(settings: ResultSettings) -> list[str]:
    """The channels that the settings name, as the journal calls them."""
    return [name for name, its in (("webhook", settings.webhook), ("xapi", settings.xapi)) if its]


def undelivered_results(home: Home, settings: Settings) -> list[WaitingResult]:
    """What the channels of the settings do not hold yet, the oldest first."""
    channels = channel_names(settings.results)
    if not channels:
        return []
    standing, (held, tries) = standing_results(home), _noted(home)
    begins = {name: told_from(held, settings.results, name) for name in channels}
    return [
        one
        for parcel in standing.values()
        for name in channels
        if (one := _waiting(parcel, name, held, tries, begins[name])) is not None
    ]


@dataclass(frozen=True, slots=True)
class ResultOutbox:
    """What sends results; ``channels`` are those that the settings name."""

    home: Home
    settings: Settings
    environment: Mapping[str, str]
    installation: str
    now: datetime

    @property
    def channels(self) -> list[ResultWebhook | XapiChannel]:
        """The channels that the settings name."""
        results, desk = self.settings.results, self.settings.desk.address
        persons, webhook, xapi = results.persons == "codes", results.webhook, results.xapi
        environment, names = self.environment, find_tasks(self.home.root).tasks
        return [
            *([ResultWebhook(webhook, environment, self.installation, desk, persons)] if webhook else []),
            *([XapiChannel(xapi, environment, persons, names)] if xapi else []),
        ]

    def deliver(self, *, everything: bool = False) -> ResultDelivery:
        """What was sent of all that waits, see `Outbox.empty`. Nothing is ever given up."""
        begin(
            results_journal(self.home),
            channel_names(self.settings.results),
            begun=lambda: held_now(self.home).begins,
            now=self.now,
        )
        return self._outbox().empty(
            lambda: undelivered_results(self.home, self.settings), everything=everything
        )

    def test(self) -> dict[str, tuple[bool, str]]:
        """Whether each channel can be reached, and what it said, by its name; no result is sent."""
        outbox = self._outbox()
        return {one.name: outbox.attempt(functools.partial(one.test, self.now)) for one in self.channels}

    def _outbox(self) -> Outbox[ResultParcel]:
        webhook, xapi = self.settings.results.webhook, self.settings.results.xapi
        secrets = Secrets(
            [
                *([webhook.token_env, webhook.sign_env] if webhook else []),
                *([xapi.username_env, xapi.password_env] if xapi else []),
            ],
            [one.url_env for one in (webhook, xapi) if one],
            self.environment,
        )
        journal = results_journal(self.home)
        return Outbox(journal, self.channels, secrets.hidden_in, None, self.now)


@dataclass(slots=True)
class HeldResults:
    """What receivers may hold, by channel and recording, in the order in which it was sent; and since when
    each channel is told.
    """

    parcels: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    begins: dict[str, datetime] = field(default_factory=dict)

    def add(self, line: Mapping[str, object]) -> None:
        """Take one more line of the journal in."""
        channel, outcome, parcel = (str(line[name]) for name in ("channel", "outcome", "event"))
        if outcome == BEGINS:
            self.begins.setdefault(channel, datetime.fromisoformat(str(line["at"])))
            return
        mine = self.parcels.setdefault((channel, str(line["about"])), [])
        if outcome == "delivered":
            mine[:] = [parcel]  # with it went that the others count no more
        elif outcome == "tried" and parcel not in mine:
            mine.append(parcel)


def told_from(held: HeldResults, settings: ResultSettings, channel: str) -> datetime | None:
    """From when on results go to a channel; None where that has not begun."""
    return settings.since or held.begins.get(channel)


def held_now(home: Home) -> HeldResults:
    """What receivers may hold."""
    return _noted(home)[0]


def _noted(home: Home) -> tuple[HeldResults, Tries]:
    journal = local_path(results_journal(home))
    try:
        now = journal.stat()
    except FileNotFoundError:
        return HeldResults(), Tries({})
    return _noted_in(journal, now.st_ino, now.st_size, now.st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _noted_in(journal: Path, *_: int) -> tuple[HeldResults, Tries]:
    """Kept as long as the journal is the same: it has lines of every result that was ever sent, and is asked
    again and again.
    """
    held, lines = HeldResults(), read_journal(journal)
    for line in lines:
        held.add(line)
    return held, Tries.of(lines)


def _waiting(
    parcel: ResultParcel, channel: str, held: HeldResults, tries: Tries, begins: datetime | None
) -> WaitingResult | None:
    before = [one for one in held.parcels.get((channel, parcel.key), []) if not one.startswith(WITHDRAWAL)]
    if not before and (parcel.row is None or begins is None or parcel.time < begins):
        return None
    found = tries.undelivered(parcel, channel)
    superseded = tuple(one for one in before if one != parcel.id)
    return None if found is None else replace(found, parcel=replace(parcel, supersedes=superseded))
