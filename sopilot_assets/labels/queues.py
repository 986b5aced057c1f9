"""What each person has yet to label blind, and which disputes they may settle.

A queue tells nothing of why a recording is in it: neither whether a plan or chance asked for it, nor whether
somebody labeled it before.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sopilot_assets.labels.chain import labels_ledger
from sopilot_assets.labels.disputes import Dispute, disputes
from sopilot_assets.labels.events import Source
from sopilot_assets.labels.state import counting_events
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows

RATERS_WANTED: Final = 2
"""So many people at most are offered a recording that nobody asked for."""
_NOBODY: Final[frozenset[str]] = frozenset()
_NEEDED: Final = (
    'select task_id, key, who, "at", seq, source, critical_expected, adjudicates from all_rows '
    "where source in ('blind_human', 'human') order by task_id, seq"
)
_SOURCES: Final = {source.value: source for source in Source}


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What a label answers, without its note and its deviations; ``seq`` is its place in the task's chain."""

    key: str
    who: str
    at: str
    seq: int
    source: Source
    critical_expected: bool | None
    adjudicates: bool


@dataclass(frozen=True, slots=True)
class AskedFor:
    """How many people are to label a recording blind, and its rank: the lowest comes first."""

    raters: int
    rank: int


@dataclass(frozen=True, slots=True)
class LabelQueue:
    """What ``who`` may label blind: ``asked`` is what is asked for, ``others`` what else would help."""

    who: str
    asked: frozenset[str]
    others: frozenset[str]
    ranks: Mapping[str, AskedFor] = field(repr=False)

    def in_order(self, *, after: str | None = None, others: bool = False) -> list[str]:
        """The keys in the order to label them, ``others`` or those asked for: those first that follow
        ``after``, which comes last itself. So what was skipped comes again when all else had its turn.

        Among what is as urgent each person has an order of their own, which says nothing of the recordings.
        """
        keys = sorted(self.others if others else self.asked, key=self._place)
        if after is None:
            return keys
        here = self._place(after)
        return sorted(keys, key=lambda key: self._place(key) <= here)

    def _place(self, key: str) -> tuple[float, str]:
        wanted = self.ranks.get(key)
        lot = hashlib.sha256(f"{self.who}:{key}".encode()).hexdigest()
        return float("inf") if wanted is None else wanted.rank, lot


@dataclass(frozen=True, slots=True)
class RaterProgress:
    """How many recordings of a task a person labeled blind, and how many are asked of them yet."""

    who: str
    given: int
    to_give: int


@dataclass(frozen=True, slots=True, eq=False)
class TaskLabels:
    """The blind labels of a task as queues need them.

    ``trainees`` are its recordings to label, ``wanted`` says which are asked for. ``blind`` is who labeled
    each recording blind, ``spoken`` who said anything of it, ``informed`` who did so with the findings in
    view; ``disputed`` are the open disputes by key.
    """

    task_id: str
    trainees: frozenset[str]
    wanted: Mapping[str, AskedFor]
    events: Sequence[GivenAnswer]
    blind: Mapping[str, frozenset[str]]
    spoken: Mapping[str, frozenset[str]]
    informed: Mapping[str, frozenset[str]]
    disputed: Mapping[str, Dispute]

    @property
    def open(self) -> frozenset[str]:
        """The recordings that somebody has yet to label, or to settle."""
        return frozenset(key for key in self.wanted if self._is_open(key)) | frozenset(self.disputed)

    def queue(self, who: str) -> LabelQueue:
        """The queue of a person."""
        asked = {key for key in self.wanted if self._is_open(key) and who not in self._spoken(key)}
        rest = {
            key: self._raters(key)
            for key in self.trainees - asked
            if key not in self.disputed and who not in self._spoken(key)
        }
        fewest = min(rest.values(), default=RATERS_WANTED)
        others = {key for key, raters in rest.items() if raters == fewest < RATERS_WANTED}
        return LabelQueue(who, frozenset(asked), frozenset(others), self.wanted)

    def progress(self, people: Iterable[str] = ()) -> list[RaterProgress]:
        """How far everybody is who labeled blind, and all of ``people``, by name."""
        open_keys = [key for key in self.wanted if self._is_open(key)]
        spoke = Counter(who for key in open_keys for who in self._spoken(key))
        given = Counter(who for raters in self.blind.values() for who in raters)
        return [
            RaterProgress(who, given[who], len(open_keys) - spoke[who]) for who in sorted({*given, *people})
        ]

    def progress_of(self, who: str) -> RaterProgress:
        """How far one person is."""
        return next(one for one in self.progress([who]) if one.who == who)

    def may_settle(self, who: str) -> list[Dispute]:
        """The open disputes that a person may settle blind, the longest open first: they are none of those
        who differ, and did not say anything of it with the findings in view.
        """
        return [
            one
            for one in self.disputed.values()
            if who not in one.who and who not in self.informed.get(one.key, _NOBODY)
        ]

    def _is_open(self, key: str) -> bool:
        enough = self._raters(key) >= self._asked_for(key)
        return key in self.trainees and key not in self.disputed and not enough

    def _spoken(self, key: str) -> frozenset[str]:
        return self.spoken.get(key, _NOBODY)

    def _raters(self, key: str) -> int:
        return len(self.blind.get(key, _NOBODY))

    def _asked_for(self, key: str) -> int:
        wanted = self.wanted.get(key)
        return 0 if wanted is None else wanted.raters


def task_labels(
    task_id: str,
    events: Sequence[GivenAnswer],
    *,
    trainees: Collection[str],
    shown: Collection[str],
    wanted: Mapping[str, AskedFor],
) -> TaskLabels:
    """The blind labels of a task; ``shown`` are the recordings that people can look at, promoted ones
    included: disputes on others cannot be settled by looking.
    """
    found, visible = disputes(events), frozenset(shown)
    order = {event.key: event.seq for event in events if event.key in found}  # of the last word on it
    waiting = sorted(
        (one for one in found.values() if one.settled_by is None and one.key in visible),
        key=lambda one: order[one.key],
    )
    return TaskLabels(
        task_id=task_id,
        trainees=frozenset(trainees),
        wanted=wanted,
        events=events,
        blind=_people(
            event for event, _ in counting_events(events, [Source.BLIND_HUMAN]) if not event.adjudicates
        ),
        spoken=_people(events),
        informed=_people(event for event in events if event.source is Source.HUMAN),
        disputed={one.key: one for one in waiting},
    )


def given_answers(home: Home) -> dict[str, list[GivenAnswer]]:
    """What people answered about recordings, by task and in order. The chains are not verified here; they are
    where something is added to them.
    """
    found: dict[str, list[GivenAnswer]] = {}
    for row in plain_rows(labels_ledger(home).query(_NEEDED)):
        answer = row["critical_expected"]
        given = GivenAnswer(
            key=str(row["key"]),
            who=str(row["who"]),
            at=str(row["at"]),
            seq=int(row["seq"] or 0),
            source=_SOURCES[str(row["source"])],
            critical_expected=None if answer is None else bool(answer),
            adjudicates=bool(row["adjudicates"]),
        )
        found.setdefault(str(row["task_id"]), []).append(given)
    return found


def _people(events: Iterable[GivenAnswer]) -> dict[str, frozenset[str]]:
    by_key: dict[str, set[str]] = {}
    for event in events:
        by_key.setdefault(event.key, set()).add(event.who)
    return {key: frozenset(people) for key, people in by_key.items()}
