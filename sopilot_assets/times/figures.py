"""How long recordings and steps take: counts, means and spreads by task, step, person, site and week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sopilot_assets.store.ledgers import query_together
from sopilot_assets.times.reading import Times


class GroupBy(StrEnum):
    """What figures are made for each of; a value is the name of its column. STEP only for steps."""

    TASK = "task_id"
    STEP = "step_id"
    PERSON = "person"
    SITE = "site"
    WEEK = "week"


@dataclass(frozen=True, slots=True)
class TimesFilter:
    """Which recordings count; None: all. ``since`` and ``until`` are ISO weeks (``2026-W05``), both
    included.
    """

    task: str | None = None
    person: str | None = None
    site: str | None = None
    since: str | None = None
    until: str | None = None


EVERYTHING: Final = TimesFilter()
CYCLE_COLUMNS: Final = (
    *("recordings", "n", "mean_s", "sd_s", "min_s", "max_s", "median_s"),
    *("work_s", "other_s", "waiting_s", "rework_s", "rework_recordings"),
    *("persons", "first_persons", "first_passed", "first_share"),
)
STEP_COLUMNS: Final = (
    *("recordings", "n", "mean_s", "sd_s", "min_s", "max_s", "median_s"),
    *("rework_n", "rework_s", "waiting_n", "waiting_s", "usual_s", "low_s", "high_s"),
)


def cycle_figures(
    times: Times, wanted: TimesFilter = EVERYTHING, *, by: Sequence[GroupBy] = ()
) -> pd.DataFrame:
    """One row for each combination of ``by`` (one for all without), ordered by these, with `CYCLE_COLUMNS`:

    ``recordings`` counts all, ``n`` the complete ones, over whose cycle times in seconds go ``mean_s``,
    ``sd_s`` (sample, n - 1; NaN for fewer than two), ``min_s``, ``max_s`` and ``median_s``. ``work_s``,
    ``other_s`` and ``waiting_s`` are means over the same recordings, and together the mean cycle;
    ``rework_s`` is the part of the work that was done once more.
    ``rework_recordings`` counts recordings with a step done once more. ``persons`` counts known persons.

    Passed at the first attempt: a person's first attempt is their first recording of the task that could be
    verified, in all that there is, whatever is filtered. ``first_persons`` are the persons whose first
    attempt is in the group, ``first_passed`` those of them whose decision there is a pass, ``first_share``
    the latter by the former, NaN where there are none. What somebody has yet to look at is not passed.
    """
    return _grouped(_CYCLES, times.cycles, wanted, by)


def step_figures(
    times: Times, wanted: TimesFilter = EVERYTHING, *, by: Sequence[GroupBy] = (GroupBy.STEP,)
) -> pd.DataFrame:
    """One row for each combination of ``by``, ordered by these, with `STEP_COLUMNS`:

    ``recordings`` counts those in which the step was done, ``n`` its times that count: whole, and done for
    the first time in the recording; over these in seconds ``mean_s``, ``sd_s`` (sample, n - 1; NaN for fewer
    than two), ``min_s``, ``max_s`` and ``median_s``. ``rework_n`` and ``rework_s`` are how often and how long
    in all it was done once more, ``waiting_n`` and ``waiting_s`` the gaps and standstills before or within
    it. ``usual_s``, ``low_s`` and ``high_s`` are the golds' median, shortest and longest time, as of the
    newest recording; they mean something only where ``by`` holds the step.
    """
    return _grouped(_STEPS, times.steps, wanted, by)


def filtered(table: pa.Table, wanted: TimesFilter) -> pd.DataFrame:
    """The rows of one of the tables of `Times` that count."""
    return ask("select * from known", wanted, known=table)


def ask(sql: str, wanted: TimesFilter, **tables: pa.Table) -> pd.DataFrame:
    """The result of a DuckDB ``select`` over tables of `Times`, each by its name here and of each only the
    rows that count.
    """
    views = ", ".join(
        f"{name} as (select every_{name}.* from every_{name}, asked where {_counts(wanted)})"  # noqa: S608
        for name in tables
    )
    further = f", {sql.removeprefix('with ')}" if sql.startswith("with ") else f" {sql}"
    every = {f"every_{name}": table for name, table in tables.items()}
    return query_together({}, f"with {views}{further}", asked=_asked(wanted), **every)


def weeks(times: Times, task: str | None = None) -> tuple[str, ...]:
    """The ISO weeks from which there are recordings, of a task or of all, in order."""
    return _distinct(times, GroupBy.WEEK, task)


def sites(times: Times, task: str | None = None) -> tuple[str, ...]:
    """The sites from which there are recordings, of a task or of all, in order."""
    return _distinct(times, GroupBy.SITE, task)


def _distinct(times: Times, column: GroupBy, task: str | None) -> tuple[str, ...]:
    table = times.cycles
    if task is not None:
        table = table.filter(pc.equal(table["task_id"], task))
    return tuple(sorted(one for one in table[column.value].unique().to_pylist() if one is not None))


_WANTED: Final = {
    "task": "task_id = its_task",
    "person": "person = its_person",
    "site": "site = its_site",
    "since": "week >= its_since",
    "until": "week <= its_until",
}
_SPREAD: Final = """
    count({it}) as n, avg({it}) as mean_s, stddev_samp({it}) as sd_s, min({it}) as min_s, max({it}) as max_s,
    median({it}) as median_s"""
_PARTS: Final = ", ".join(
    f"avg({name}) filter (complete) as {name}" for name in ("work_s", "other_s", "waiting_s", "rework_s")
)
_CYCLES: Final = f"""
    count(*) as recordings, {_SPREAD.format(it="case when complete then cycle_s end")},
    {_PARTS},
    count(*) filter (rework_n > 0) as rework_recordings, count(distinct person) as persons,
    count(*) filter (attempt = 1) as first_persons,
    count(*) filter (attempt = 1 and decision = 'pass') as first_passed,
    first_passed / nullif(first_persons, 0) as first_share"""
_STEPS: Final = f"""
    count(distinct one) filter (kind = 'step') as recordings,
    {_SPREAD.format(it="case when kind = 'step' and whole and not rework then seconds end")},
    count(*) filter (rework) as rework_n, coalesce(sum(seconds) filter (rework), 0) as rework_s,
    count(*) filter (kind in ('gap', 'standstill')) as waiting_n,
    coalesce(sum(seconds) filter (kind in ('gap', 'standstill')), 0) as waiting_s,
    arg_max(usual_s, one) as usual_s, arg_max(low_s, one) as low_s,
    arg_max(high_s, one) as high_s"""


def _grouped(figures: str, table: pa.Table, wanted: TimesFilter, by: Sequence[GroupBy]) -> pd.DataFrame:
    names = ", ".join(by)
    head, tail = (f"{names}, ", f"group by {names} order by {names}") if by else ("", "")
    return ask(f"select {head}{figures} from known {tail}", wanted, known=table)  # noqa: S608 - constants of ours


def _counts(wanted: TimesFilter) -> str:
    """The condition of a filter; a column that it does not ask for need not be read."""
    return " and ".join(sql for name, sql in _WANTED.items() if getattr(wanted, name) is not None) or "true"


def _asked(wanted: TimesFilter) -> pd.DataFrame:
    return pd.DataFrame({f"its_{name}": [getattr(wanted, name)] for name in _WANTED}, dtype="string")
