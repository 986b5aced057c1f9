"""How long recordings and steps take: counts, means and spreads by task, step, person, site and week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pandas as pd
import pyarrow as pa

from sopilot_assets.store.ledgers import query_together
from sopilot_assets.times.reading import Times


class By(StrEnum):
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


def cycle_figures(times: Times, wanted: TimesFilter = EVERYTHING, *, by: Sequence[By] = ()) -> pd.DataFrame:
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
    times: Times, wanted: TimesFilter = EVERYTHING, *, by: Sequence[By] = (By.STEP,)
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
    sql = f"select known.* from known, asked where {_WANTED}"  # noqa: S608 - constants of ours
    return query_together({}, sql, known=table, asked=_asked(wanted))


def weeks(times: Times, task: str | None = None) -> tuple[str, ...]:
    """The ISO weeks from which there are recordings, of a task or of all, in order."""
    return _distinct(times, "week", task)


def sites(times: Times, task: str | None = None) -> tuple[str, ...]:
    """The sites from which there are recordings, of a task or of all, in order."""
    return _distinct(times, "site", task)


def _distinct(times: Times, column: str, task: str | None) -> tuple[str, ...]:
    sql = f"select distinct {column} as it from known, asked where {_WANTED} order by 1"  # noqa: S608 - as above
    rows = query_together({}, sql, known=times.cycles, asked=_asked(TimesFilter(task=task)))
    return tuple(map(str, rows["it"].dropna()))


_WANTED: Final = (
    "(its_task is null or task_id = its_task) and (its_person is null or person = its_person) "
    "and (its_site is null or site = its_site) "
    "and (its_since is null or week >= its_since) and (its_until is null or week <= its_until)"
)
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
    count(distinct key) filter (kind = 'step') as recordings,
    {_SPREAD.format(it="case when kind = 'step' and whole and not rework then seconds end")},
    count(*) filter (rework) as rework_n, coalesce(sum(seconds) filter (rework), 0) as rework_s,
    count(*) filter (kind in ('gap', 'standstill')) as waiting_n,
    coalesce(sum(seconds) filter (kind in ('gap', 'standstill')), 0) as waiting_s,
    arg_max(usual_s, made_at) as usual_s, arg_max(low_s, made_at) as low_s,
    arg_max(high_s, made_at) as high_s"""


def _grouped(figures: str, table: pa.Table, wanted: TimesFilter, by: Sequence[By]) -> pd.DataFrame:
    names = ", ".join(by)
    head, tail = (f"{names}, ", f"group by {names} order by {names}") if by else ("", "")
    sql = f"select {head}{figures} from known, asked where {_WANTED} {tail}"  # noqa: S608 - constants of ours
    return query_together({}, sql, known=table, asked=_asked(wanted))


def _asked(wanted: TimesFilter) -> pd.DataFrame:
    values = {
        "its_task": wanted.task,
        "its_person": wanted.person,
        "its_site": wanted.site,
        "its_since": wanted.since,
        "its_until": wanted.until,
    }
    return pd.DataFrame({name: [value] for name, value in values.items()}, dtype="string")
