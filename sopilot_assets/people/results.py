"""The results of one person at one task: over weeks, as learning curves, and what repeats."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sopilot_assets.people.curves import Practice, ShareAt, practice, running_shares
from sopilot_assets.people.recordings import DISPUTED, OwnRecording, recordings_of
from sopilot_assets.people.repeats import Repeat, repeats
from sopilot_assets.people.step_times import PersonTimes, times_of
from sopilot_assets.scoring.result import Decision
from sopilot_assets.stations.recording_list import NOT_JUDGED
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import TaskSpec

KINDS: Final = (
    *(
        one.value
        for one in (
            Decision.PASS,
            Decision.NEEDS_REVIEW,
            Decision.RETRAIN,
            Decision.FAIL,
            Decision.NOT_VERIFIABLE,
        )
    ),
    NOT_JUDGED,
    DISPUTED,
)
"""What a recording can be in a week's counts."""


@dataclass(frozen=True, slots=True)
class Week:
    """The recordings of a week, which begins on the Monday ``begins`` where it was recorded: how many of each
    of `KINDS`, in that order, the median of their points but for disputed ones, and of their cycles in
    seconds. None where there is none.
    """

    begins: date
    counts: tuple[int, ...]
    score: float | None
    cycle_s: float | None

    @property
    def recordings(self) -> int:
        """How many there are."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class PersonResults:
    """All of it. ``tasks`` are all that the person has recordings of; ``recordings`` those of ``task_id`` in
    order of time, ``decided`` those of them whose decision says something of the person. With fewer than
    `curves.FEWEST` there are no ``shares`` and no ``practice``.
    """

    person: str
    task_id: str
    tasks: tuple[str, ...]
    recordings: tuple[OwnRecording, ...]
    decided: tuple[OwnRecording, ...]
    shares: tuple[ShareAt, ...]
    times: PersonTimes
    practice: Practice | None
    weeks: tuple[Week, ...]
    repeats: tuple[Repeat, ...]

    @property
    def passed(self) -> int:
        """How many of the decided ones passed."""
        return sum(map(_passed, self.decided))

    @property
    def without_time(self) -> int:
        """How many have no time of recording; they stand where they were taken in."""
        return sum(not one.recorded for one in self.recordings)

    @property
    def open(self) -> int:
        """How many wait for somebody: to be judged, looked at, or answered."""
        waits = (None, Decision.NEEDS_REVIEW)
        return sum(one.decision in waits or one.disputed for one in self.recordings)

    @property
    def unverifiable(self) -> int:
        """Of how many nothing could be said."""
        return sum(one.decision is Decision.NOT_VERIFIABLE and not one.disputed for one in self.recordings)


def results_of(
    home: Home, person: str, task_id: str | None = None, *, tasks: Mapping[str, TaskSpec]
) -> PersonResults | None:
    """The results of a person at a task, at that of the newest recording where it is None; None where they
    have no recording of it. ``tasks`` tell the order of the steps.
    """
    of_task = recordings_of(home, person)
    if task_id is None and of_task:
        task_id = max(of_task, key=lambda one: of_task[one][-1].at)
    if task_id is None or task_id not in of_task:
        return None
    recordings = of_task[task_id]
    decided = tuple(one for one in recordings if one.counts)
    keys, steps = [one.key for one in recordings], tasks[task_id].steps if task_id in tasks else ()
    times = times_of(home, person, task_id, keys=keys, steps=[step.id for step in steps])
    return PersonResults(
        person,
        task_id,
        tuple(of_task),
        recordings,
        decided,
        running_shares([_passed(one) for one in decided]),
        times,
        practice([(number, times.cycles[key]) for number, key in enumerate(keys, 1) if key in times.cycles]),
        weeks(recordings, times.cycles),
        repeats(recordings),
    )


def weeks(recordings: Sequence[OwnRecording], cycles: Mapping[str, float]) -> tuple[Week, ...]:
    """The weeks in which there are recordings, the newest first; ``cycles`` are theirs in seconds, by key."""
    of_week: dict[date, list[OwnRecording]] = {}
    for one in recordings:
        day = one.at.date()
        of_week.setdefault(day - timedelta(days=day.weekday()), []).append(one)
    return tuple(_week(begins, its, cycles) for begins, its in sorted(of_week.items(), reverse=True))


def _week(begins: date, recordings: Sequence[OwnRecording], cycles: Mapping[str, float]) -> Week:
    kinds = [one.kind for one in recordings]
    scores = [one.score for one in recordings if one.score is not None and not one.disputed]
    seconds = [cycles[one.key] for one in recordings if one.key in cycles]
    return Week(
        begins,
        tuple(kinds.count(kind) for kind in KINDS),
        statistics.median(scores) if scores else None,
        statistics.median(seconds) if seconds else None,
    )


def _passed(one: OwnRecording) -> bool:
    return one.decision is Decision.PASS
