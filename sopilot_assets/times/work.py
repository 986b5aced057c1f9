"""Standard work: what a cycle consists of beside the takt time, as a yamazumi and a combination table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sopilot_assets.store.ledgers import Cell, plain_rows, query_together
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.times.figures import By, TimesFilter, filtered
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


def yamazumi(times: Times, task: TaskSpec, wanted: TimesFilter, *, by: By) -> tuple[StackedCycle, ...]:
    """A bar for each site, person or week that has complete recordings of the task: weeks in order, the
    newest `MOST_BARS` of them; the others the slowest first, of more than `MOST_BARS` those with most
    recordings.
    """
    rows = _parts(times, wanted, by)
    bars = [_bar(name, its, task) for name, its in _by_name(rows).items()]
    if by is By.WEEK:
        return tuple(bars[-MOST_BARS:])
    kept = sorted(bars, key=lambda one: -one.n)[:MOST_BARS]
    return tuple(sorted(kept, key=lambda one: (-one.cycle_s, one.name or "")))


def combination(times: Times, task: TaskSpec, wanted: TimesFilter) -> Combination:
    """The standard-work combination table of the task over the complete recordings."""
    rows = _parts(times, wanted, None)
    if not rows:
        return Combination(0, (), 0.0)
    bar = _bar(None, rows, task)
    waits = {str(row["step_id"]): float(row["waiting_s"] or 0.0) for row in rows}
    again = {str(row["step_id"]): float(row["rework_s"] or 0.0) for row in rows}
    lines, at_s = list[CombinedStep](), 0.0
    for step_id in task.step_ids:
        work_s, wait_s = bar.steps[step_id] + again.get(step_id, 0.0), waits.get(step_id, 0.0)
        lines.append(CombinedStep(step_id, wait_s, work_s, at_s + wait_s))
        at_s += wait_s + work_s
    unassigned = bar.cycle_s - at_s
    return Combination(bar.n, tuple(lines), max(unassigned, 0.0))


def _bar(name: str | None, rows: list[dict[str, Cell]], task: TaskSpec) -> StackedCycle:
    """The rows hold one for each step, and one without a step for what belongs to none."""

    def total(part: str) -> float:
        return sum(float(row[part] or 0.0) for row in rows)

    first = {str(row["step_id"]): float(row["first_s"] or 0.0) for row in rows}
    steps = {step_id: first.get(step_id, 0.0) for step_id in task.step_ids}
    return StackedCycle(
        name, int(rows[0]["n"] or 0), steps, total("rework_s"), total("other_s"), total("waiting_s")
    )


def _by_name(rows: list[dict[str, Cell]]) -> dict[str | None, list[dict[str, Cell]]]:
    named: dict[str | None, list[dict[str, Cell]]] = {}
    for row in rows:
        named.setdefault(None if row["name"] is None else str(row["name"]), []).append(row)
    return named


def _parts(times: Times, wanted: TimesFilter, by: By | None) -> list[dict[str, Cell]]:
    """Seconds a complete recording, by group and step."""
    name = "cast(null as varchar)" if by is None else by.value
    sql = _PARTS.format(name=name)
    frame = query_together({}, sql, done=filtered(times.steps, wanted), whole=filtered(times.cycles, wanted))
    return plain_rows(frame)


def _sums() -> Iterator[str]:
    yield "sum(case when kind = 'step' and not rework then seconds else 0 end) / any_value(n) as first_s"
    yield "sum(case when rework then seconds else 0 end) / any_value(n) as rework_s"
    yield "sum(case when kind = 'other' then seconds else 0 end) / any_value(n) as other_s"
    yield "sum(case when kind in ('gap', 'standstill') then seconds else 0 end) / any_value(n) as waiting_s"


_PARTS: Final = f"""
with complete as (
    select key, {{name}} as name, count(*) over (partition by {{name}}) as n from whole where complete
)
select name, step_id, any_value(n) as n, {", ".join(_sums())}
from complete join done using (key) group by name, step_id order by name nulls last, step_id
"""  # noqa: S608 - constants of ours
