"""One day in UTC, and the rows of a home as they stood at its end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import pandas as pd

from sopilot_assets.capture.ledgers import ACTIVE, duplicates_ledger, quarantine_ledger, videos_ledger
from sopilot_assets.capture.promotions import Promotion, promoted_golds
from sopilot_assets.errors import ConfigError
from sopilot_assets.labels.blind import why_not_right
from sopilot_assets.labels.chain import labels_ledger, read_chain
from sopilot_assets.labels.contests import open_objections
from sopilot_assets.labels.events import LabelEvent, Source
from sopilot_assets.labels.state import label_state
from sopilot_assets.scoring.ledger import first_passes, scores_ledger
from sopilot_assets.scoring.result import Objection
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Ledger, among, plain_rows

_EVERY: Final = ("*",)
_OF_RECORDINGS: Final = ("key", "task_id", "role", "person", "original_name", "status")
_OF_SCORES: Final = (
    *("key", "task_id", "role", "decision", "critical_probability", "problem"),
    *("reference_id", "algorithm", "task_fingerprint"),
)


@dataclass(frozen=True, slots=True)
class Day:
    """A day in UTC; ``until`` is where the report ends: the day's end, or now while it lasts."""

    date: dt.date
    until: dt.datetime

    @classmethod
    def at(cls, day: dt.date, now: dt.datetime) -> Day:
        """The day as it is seen now. Raises `ConfigError` for one that has not begun."""
        begins = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
        if begins > now:
            raise ConfigError(
                f"{day}: expected a day that has begun, found one after {now.astimezone(dt.UTC).date()} "
                "(UTC). Name an earlier one."
            )
        return cls(day, min(begins + dt.timedelta(days=1), now.astimezone(dt.UTC)))

    @property
    def complete(self) -> bool:
        """Whether the whole day is over."""
        return self.until.date() > self.date

    @property
    def moment(self) -> str:
        """``until`` as ledgers write times."""
        return self.until.isoformat()

    def last(self, days: int) -> list[str]:
        """The dates of so many days, this one last."""
        return [(self.date - dt.timedelta(days=back)).isoformat() for back in range(days - 1, -1, -1)]


@dataclass(frozen=True)
class Rows:
    """What the ledgers of a home held at one moment; each is read when it is first asked for. ``narrow``:
    recordings and scores with those columns alone that progress and what waits are told by.
    """

    home: Home
    day: Day
    narrow: bool = False

    @cached_property
    def recordings(self) -> pd.DataFrame:
        """The active recordings, by key; the role of promoted ones is gold."""
        columns = _OF_RECORDINGS if self.narrow else _EVERY
        rows = videos_ledger(self.home).as_of(self.day.moment, columns)
        rows.loc[rows["key"].isin(list(self.promoted)), "role"] = "gold"
        return rows[rows["status"] == ACTIVE].reset_index(drop=True)

    @cached_property
    def promoted(self) -> Mapping[str, Promotion]:
        """The recordings that were promoted to golds, by key."""
        return promoted_golds(self.home, before=self.day.moment)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The newest score of each active recording, by key."""
        rows = scores_ledger(self.home).as_of(self.day.moment, _OF_SCORES if self.narrow else _EVERY)
        return rows[among(rows["key"], self.recordings["key"].tolist())].reset_index(drop=True)

    @cached_property
    def quarantine(self) -> list[dict[str, Cell]]:
        """The refused files, the first refused first."""
        rows = quarantine_ledger(self.home).as_of(self.day.moment)
        return plain_rows(rows.sort_values(["written_at", "quarantine_id"]))

    def labels(self, task_id: str) -> pd.DataFrame:
        """What the labels of a task say together."""
        if task_id not in self._labels:
            self._labels[task_id] = label_state(self._events(task_id))
        return self._labels[task_id]

    def blind_labels(self, task_id: str) -> pd.DataFrame:
        """What the labels of a task that were given blind say together."""
        return label_state(self._events(task_id), [Source.BLIND_HUMAN])

    def candidates(self, task_id: str) -> int:
        """How many trainee recordings of a task blind labels call right, so that they could become golds."""
        right = {key for key, why in why_not_right(self._events(task_id)).items() if why is None}
        mine = self.recordings[
            (self.recordings["task_id"] == task_id) & (self.recordings["role"] == "trainee")
        ]
        return int(mine["key"].isin(list(right)).sum())

    @cached_property
    def first_passed(self) -> Mapping[str, str]:
        """When each trainee recording that ever passed did so first."""
        return first_passes(self.home, self.day.moment)

    @cached_property
    def contested(self) -> dict[str, tuple[Objection, ...]]:
        """What people say against decisions and nobody has answered, by key of active recordings."""
        found = open_objections(plain_rows(labels_ledger(self.home).as_of(self.day.moment)))
        active = set(self.recordings["key"].tolist())
        return {key: objections for key, objections in sorted(found.items()) if key in active}

    def said_since(self, moment: str) -> int:
        """How many label events were written after a moment (ISO 8601 in UTC)."""
        return int((labels_ledger(self.home).as_of(self.day.moment)["written_at"] > moment).sum())

    def _events(self, task_id: str) -> list[LabelEvent]:
        if task_id not in self._chains:
            events = read_chain(self.home, task_id)
            self._chains[task_id] = [one for one in events if one.event_id in self._known_events]
        return self._chains[task_id]

    @cached_property
    def _chains(self) -> dict[str, list[LabelEvent]]:
        return {}

    @cached_property
    def _known_events(self) -> set[str]:
        return set(labels_ledger(self.home).as_of(self.day.moment)["event_id"])

    @cached_property
    def _labels(self) -> dict[str, pd.DataFrame]:
        return {}

    @cached_property
    def first_seen(self) -> Mapping[str, str]:
        """When each recording was taken in."""
        return _first_written(videos_ledger(self.home), self.day)

    @cached_property
    def first_scored(self) -> Mapping[str, str]:
        """When each recording got its first row of scores."""
        return _first_written(scores_ledger(self.home), self.day)

    @cached_property
    def per_day(self) -> Mapping[str, Mapping[str, int]]:
        """How many rows each ledger got on each date."""
        ledgers = {
            "scores": scores_ledger(self.home),
            "quarantine": quarantine_ledger(self.home),
            "duplicates": duplicates_ledger(self.home),
            "labels": labels_ledger(self.home),
        }
        return {name: _per_day(ledger, self.day) for name, ledger in ledgers.items()}


def _first_written(ledger: Ledger, day: Day) -> dict[str, str]:
    frame = ledger.query(
        f"select {ledger.subject} as subject, min(written_at) as at from written, cut "  # noqa: S608 - a column of ours
        "where written_at < cut.moment group by subject",
        cut=_cut(day),
    )
    return dict(zip(frame["subject"].tolist(), frame["at"].tolist(), strict=True))


def _per_day(ledger: Ledger, day: Day) -> dict[str, int]:
    frame = ledger.query(
        "select substr(written_at, 1, 10) as day, count(*) as n from all_rows, cut "
        "where written_at < cut.moment group by day",
        cut=_cut(day),
    )
    return {str(name): int(count) for name, count in zip(frame["day"], frame["n"], strict=True)}


def _cut(day: Day) -> pd.DataFrame:
    return pd.DataFrame({"moment": [day.moment]}, dtype="string")
