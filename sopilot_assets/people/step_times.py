"""How long a person's recordings took: the cycle of each, and each step against the golds' range."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sopilot_assets.people.repeats import LATELY
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Row, plain_rows
from sopilot_assets.times.figures import TimesFilter, filtered
from sopilot_assets.times.reading import read_times


@dataclass(frozen=True, slots=True)
class StepTimes:
    """The times of one step in seconds, by the key of the recording: where it was seen whole, and not done
    once more. ``low_s`` to ``high_s`` is the golds' range, as of the newest recording.
    """

    step_id: str
    seconds: Mapping[str, float]
    low_s: float
    high_s: float

    def lately(self) -> float:
        """The median of the newest `LATELY`."""
        return statistics.median(list(self.seconds.values())[-LATELY:])


@dataclass(frozen=True, slots=True)
class PersonTimes:
    """``cycles`` are from the beginning of the first step to the end of the last one, in seconds, by the key
    of the recording: of those in which every step was seen whole. ``steps`` are in the order of the task.
    """

    cycles: Mapping[str, float]
    steps: tuple[StepTimes, ...]


def times_of(
    home: Home, person: str, task_id: str, *, keys: Sequence[str], steps: Sequence[str]
) -> PersonTimes:
    """The times of a person's recordings of a task; ``keys`` are those recordings in order of time, and
    ``steps`` the ids of the task's steps in their order; what is none of them has no times.
    """
    times, wanted = read_times(home), TimesFilter(task=task_id, person=person)
    cycles = {
        str(row["key"]): float(row["cycle_s"] or 0.0)
        for row in plain_rows(filtered(times.cycles, wanted))
        if row["complete"]
    }
    stretches: dict[str, list[Row]] = {}
    for row in plain_rows(filtered(times.steps, wanted)):
        if row["kind"] == "step" and row["whole"] and not row["rework"]:
            stretches.setdefault(str(row["step_id"]), []).append(row)
    place = {key: number for number, key in enumerate(keys)}
    return PersonTimes(
        {key: cycles[key] for key in keys if key in cycles},
        tuple(_step(step, stretches[step], place) for step in steps if step in stretches),
    )


def _step(step_id: str, rows: Sequence[Row], place: Mapping[str, int]) -> StepTimes:
    found = sorted((place[str(row["key"])], row) for row in rows if str(row["key"]) in place)
    newest = found[-1][1]
    seconds = {str(row["key"]): float(row["seconds"] or 0.0) for _, row in found}
    return StepTimes(step_id, seconds, float(newest["low_s"] or 0.0), float(newest["high_s"] or 0.0))
