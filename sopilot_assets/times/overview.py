"""All that is said of the times of one task, and of each task in a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sopilot_assets.store.ledgers import Row, plain_rows
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.times.costs import Costly, StepToTrain, costly_deviations, train_first, usual_cycle_s
from sopilot_assets.times.figures import GroupBy, TimesFilter, ask, cycle_figures, sites, step_figures, weeks
from sopilot_assets.times.reading import Times
from sopilot_assets.times.work import Combination, StackedCycle, combination, cycle_parts, yamazumi

MOST_WEEKS: Final = 26
"""Weeks that are shown one by one: the newest of those that are wanted."""


@dataclass(frozen=True, slots=True)
class TakenAgainstTakt:
    """Of ``n`` complete recordings, how many took longer than the takt time of ``takt_s`` seconds."""

    takt_s: float
    over: int
    n: int


@dataclass(frozen=True, slots=True)
class TaskTimes:
    """The times of a task's recordings that are wanted: rows of `cycle_figures` for all (``whole``) and by
    week (the newest `MOST_WEEKS`), of `step_figures` in the order of the task, bars of the yamazumi, the
    combination table, what costs most, and what to train first. ``against_takt`` is None for a task without a
    takt time.
    """

    whole: Row
    by_week: tuple[Row, ...]
    steps: tuple[Row, ...]
    bars: tuple[StackedCycle, ...]
    combination: Combination
    costly: tuple[Costly, ...]
    train: tuple[StepToTrain, ...]
    against_takt: TakenAgainstTakt | None
    weeks: tuple[str, ...]
    sites: tuple[str, ...]


def task_times(times: Times, task: TaskSpec, wanted: TimesFilter, *, by: GroupBy = GroupBy.SITE) -> TaskTimes:
    """What is said of a task's times; ``by`` what the yamazumi has bars for. ``wanted`` names the task.

    ``weeks`` and ``sites`` are those of all its recordings.
    """
    steps = {str(row["step_id"]): row for row in plain_rows(step_figures(times, wanted))}
    redo_s, parts = usual_cycle_s(times, task), cycle_parts(times, wanted, by=by)
    return TaskTimes(
        whole=plain_rows(cycle_figures(times, wanted))[0],
        by_week=tuple(plain_rows(cycle_figures(times, wanted, by=(GroupBy.WEEK,)))[-MOST_WEEKS:]),
        steps=tuple(steps[step_id] for step_id in task.step_ids if step_id in steps),
        bars=yamazumi(parts, task, by=by),
        combination=combination(parts, task),
        costly=costly_deviations(times, wanted, redo_s=redo_s),
        train=train_first(times, task, wanted, redo_s=redo_s),
        against_takt=against_takt(times, task, wanted),
        weeks=weeks(times, task.task_id),
        sites=sites(times, task.task_id),
    )


def against_takt(times: Times, task: TaskSpec, wanted: TimesFilter) -> TakenAgainstTakt | None:
    """How many of the complete recordings took longer than the task's takt time; None where it has none."""
    if task.takt_s is None:
        return None
    found = ask(_AGAINST.format(takt_s=task.takt_s), wanted, whole=times.cycles).iloc[0]
    return TakenAgainstTakt(task.takt_s, int(found["over"]), int(found["n"]))


_AGAINST: Final = """
select count(*) filter (cycle_s > {takt_s}) as over, count(*) as n from whole where complete
"""


def tasks_in_a_line(times: Times, tasks: Mapping[str, TaskSpec]) -> tuple[tuple[TaskSpec, Row], ...]:
    """The tasks that have recordings, each with its row of `cycle_figures`, by id."""
    rows = plain_rows(cycle_figures(times, by=(GroupBy.TASK,)))
    return tuple((tasks[str(row["task_id"])], row) for row in rows if str(row["task_id"]) in tasks)
