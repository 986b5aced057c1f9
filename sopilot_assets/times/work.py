"""Standard work: what a cycle consists of beside the takt time, as a yamazumi and a combination table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.store.ledgers import Row, plain_rows
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.times.figures import GroupBy, TimesFilter, ask
from sopilot_assets.times.reading import Times

MOST_BARS: Final = 16
"""Bars of a yamazumi; of more groups those with most recordings are shown."""


@dataclass(frozen=True, slots=True)
class StackedCycle:
    """A bar of a yamazumi: whose mean complete cycle it is (None: unknown), over ``n`` recordings, and what
    that consists of, in seconds: ``steps`` in the order of the task, done for the first time, then rework,
    other work and waiting.
    """

    name: str | None
    n: int
    steps: Mapping[str, float]
    rework_s: float
    other_s: float
    waiting_s: float

    @property
    def cycle_s(self) -> float:
        """The mean cycle time: all parts together."""
        return sum(self.steps.values()) + self.rework_s + self.other_s + self.waiting_s


@dataclass(frozen=True, slots=True)
class CombinedStep:
    """One line of a standard-work combination table, in the order in which the task's steps are done:
    ``wait_s`` is how long people wait before (or within) the step, ``work_s`` how long they work on it,
    rework included, both means over the complete recordings; ``begin_s`` is when the work begins in the mean
    cycle.
    """

    step_id: str
    wait_s: float
    work_s: float
    begin_s: float

    @property
    def end_s(self) -> float:
        """When the work ends in the mean cycle."""
        return self.begin_s + self.work_s


@dataclass(frozen=True, slots=True)
class Combination:
    """A standard-work combination table of ``n`` complete recordings. ``other_s`` is work that is none of the
    steps, which comes after all of them in the mean cycle.
    """

    n: int
    steps: tuple[CombinedStep, ...]
    other_s: float

    @property
    def cycle_s(self) -> float:
        """The mean cycle time."""
        return (self.steps[-1].end_s if self.steps else 0.0) + self.other_s


def cycle_parts(times: Times, wanted: TimesFilter, *, by: GroupBy) -> tuple[Row, ...]:
    """What the complete recordings consist of, for each site, person or week (``name``) and each step: ``n``
    recordings in the group, and in all of these the seconds of the step done for the first time
    (``first_s``), of ``rework_s``, ``other_s`` and ``waiting_s``. A row without a step has what belongs to
    none.
    """
    return tuple(plain_rows(ask(_PARTS.format(name=by.value), wanted, done=times.steps, whole=times.cycles)))


def yamazumi(parts: Sequence[Row], task: TaskSpec, *, by: GroupBy) -> tuple[StackedCycle, ...]:
    """A bar for each group of `cycle_parts`: weeks in order, the newest `MOST_BARS` of them; others the
    slowest first, of more than `MOST_BARS` those with most recordings.
    """
    named: dict[str | None, list[Row]] = {}
    for row in parts:
        named.setdefault(None if row["name"] is None else str(row["name"]), []).append(row)
    groups = list(named.items())
    if by is not GroupBy.WEEK:
        groups.sort(key=lambda group: int(group[1][0]["n"] or 0))
    bars = [_bar(name, its, task, n=int(its[0]["n"] or 0)) for name, its in groups[-MOST_BARS:]]
    if by is not GroupBy.WEEK:
        bars.sort(key=lambda one: (-one.cycle_s, one.name or ""))
    return tuple(bars)


def combination(parts: Sequence[Row], task: TaskSpec) -> Combination:
    """The standard-work combination table over all groups of `cycle_parts`."""
    n = sum({row["name"]: int(row["n"] or 0) for row in parts}.values())
    if not n:
        return Combination(0, (), 0.0)
    lines, at_s = list[CombinedStep](), 0.0
    for step_id in task.step_ids:
        own = [row for row in parts if row["step_id"] == step_id]
        work_s = (_total(own, "first_s") + _total(own, "rework_s")) / n
        wait_s = _total(own, "waiting_s") / n
        lines.append(CombinedStep(step_id, wait_s, work_s, at_s + wait_s))
        at_s += wait_s + work_s
    left_s = _bar(None, parts, task, n=n).cycle_s - at_s
    return Combination(n, tuple(lines), max(left_s, 0.0))


def _bar(name: str | None, rows: Sequence[Row], task: TaskSpec, *, n: int) -> StackedCycle:
    first = {
        step_id: _total([row for row in rows if row["step_id"] == step_id], "first_s") / n
        for step_id in task.step_ids
    }
    rest = (_total(rows, part) / n for part in ("rework_s", "other_s", "waiting_s"))
    return StackedCycle(name, n, first, *rest)


def _total(rows: Sequence[Row], part: str) -> float:
    return sum(float(row[part] or 0.0) for row in rows)


_PARTS: Final = """with complete as (
    select one, {name} as name, count(*) over (partition by {name}) as n from whole where complete
)
select name, step_id, any_value(n) as n,
    sum(case when kind = 'step' and not rework then seconds else 0 end) as first_s,
    sum(case when rework then seconds else 0 end) as rework_s,
    sum(case when kind = 'other' then seconds else 0 end) as other_s,
    sum(case when kind in ('gap', 'standstill') then seconds else 0 end) as waiting_s
from complete join done using (one) group by name, step_id order by name nulls last, step_id
"""
