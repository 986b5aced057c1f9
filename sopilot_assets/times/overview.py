"""All that is said of the times of one task, and of each task in a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sopilot_assets.store.ledgers import Row, plain_rows
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.times.costs import Costly, ToTrain, costly_deviations, train_first
from sopilot_assets.times.figures import By, TimesFilter, cycle_figures, filtered, sites, step_figures, weeks
from sopilot_assets.times.reading import Times
from sopilot_assets.times.work import Combination, StackedCycle, combination, yamazumi


@dataclass(frozen=True, slots=True)
class TakenAgainstTakt:
    """Of ``n`` complete recordings, how many took longer than the takt time of ``takt_s`` seconds."""

    takt_s: float
    over: int
    n: int


@dataclass(frozen=True, slots=True)
class TaskTimes:
    """The times of a task's recordings that are wanted: rows of `cycle_figures` for all (``whole``) and by
    week, of `step_figures` in the order of the task, bars of the yamazumi, the combination table, what costs
    most, and what to train first. ``against_takt`` is None for a task without a takt time.
    """

    whole: Row
    by_week: tuple[Row, ...]
    steps: tuple[Row, ...]
    bars: tuple[StackedCycle, ...]
    combination: Combination
    costly: tuple[Costly, ...]
    train: tuple[ToTrain, ...]
    against_takt: TakenAgainstTakt | None
    weeks: tuple[str, ...]
    sites: tuple[str, ...]


def task_times(times: Times, task: TaskSpec, wanted: TimesFilter, *, by: By = By.SITE) -> TaskTimes:
    """What is said of a task's times; ``by`` what the yamazumi has bars for. ``wanted`` names the task.

    ``weeks`` and ``sites`` are those of all its recordings.
    """
    steps = {str(row["step_id"]): row for row in plain_rows(step_figures(times, wanted))}
    return TaskTimes(
        whole=plain_rows(cycle_figures(times, wanted))[0],
        by_week=tuple(plain_rows(cycle_figures(times, wanted, by=(By.WEEK,)))),
        steps=tuple(steps[step_id] for step_id in task.step_ids if step_id in steps),
        bars=yamazumi(times, task, wanted, by=by),
        combination=combination(times, task, wanted),
        costly=costly_deviations(times, task, wanted),
        train=train_first(times, task, wanted),
        against_takt=against_takt(times, task, wanted),
        weeks=weeks(times, task.task_id),
        sites=sites(times, task.task_id),
    )


def against_takt(times: Times, task: TaskSpec, wanted: TimesFilter) -> TakenAgainstTakt | None:
    """How many of the complete recordings took longer than the task's takt time; None where it has none."""
    if task.takt_s is None:
        return None
    found = filtered(times.cycles, wanted)
    cycles = found["cycle_s"][found["complete"]]
    return TakenAgainstTakt(task.takt_s, int((cycles > task.takt_s).sum()), len(cycles))


def tasks_in_a_line(times: Times, tasks: Mapping[str, TaskSpec]) -> tuple[tuple[TaskSpec, Row], ...]:
    """The tasks that have recordings, each with its row of `cycle_figures`, by id."""
    rows = plain_rows(cycle_figures(times, by=(By.TASK,)))
    return tuple((tasks[str(row["task_id"])], row) for row in rows if str(row["task_id"]) in tasks)
