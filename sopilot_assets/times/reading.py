"""The times of all trainee recordings, read by one query for each table."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from sopilot_assets.capture.ledgers import ACTIVE, videos_ledger
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import moment_sql, query_together
from sopilot_assets.times.ledger import CYCLE, MADE_BY, TIMES_VERSION, step_times_ledger


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """What is known of the times of all trainee recordings that count and could be scored, those that were
    made golds later included; golds are not. In all tables ``one`` is the place of the recording among all,
    by when it was made.

    ``cycles`` has a row for each recording:
        key, task_id, person, site, name (of the file), made_at (when it was recorded, or taken in where
        nobody knows; ISO 8601), week (ISO, ``2026-W05``), decision, score,
        attempt (which of this person's recordings of the task it is, from 1, by ``made_at``; those that were
        not verifiable do not count; null where the person is not known),
        cycle_s (from the beginning of the first step to the end of the last one; null without times),
        complete (whether every step was done and seen whole), work_s (in steps), rework_s, rework_n (steps
        done once more), other_s (work that is none of the steps), waiting_s (gaps and standstills)
    ``steps`` has a row for each stretch of a recording:
        key, task_id, person, site, week, made_at, number, kind (`OccurrenceKind`), step_id, occurrence,
        rework, whole, begin_s, end_s, seconds, usual_s, low_s, high_s: see `times.ledger.COLUMNS`
    ``deviations`` has a row for each found deviation:
        key, task_id, person, site, week, type, severity, steps (those it concerns, with commas between),
        lost_s (how much longer than usual an over-long step took, and all of what was added or done
        instead; else 0)
    """

    cycles: pa.Table
    steps: pa.Table
    deviations: pa.Table


def read_times(home: Home) -> Times:
    """The times as the ledgers say them now.

    A recording whose times were made by something older than its score has none: `sopilot score run --stale`
    makes them.
    """
    ledgers = (videos_ledger(home), scores_ledger(home), step_times_ledger(home))
    return _read(home, *(tuple(one.files()) for one in ledgers))


@functools.lru_cache(maxsize=1)
def _read(home: Home, *_: tuple[str, ...]) -> Times:
    """Kept as long as the ledgers have the same files, which are never written twice."""
    judged = query_together({"videos": videos_ledger(home), "scores": scores_ledger(home)}, _RECORDINGS)
    known = _table(judged.assign(one=np.arange(len(judged), dtype=np.int64)))
    made_by = known.select(["one", "key", *MADE_BY])
    times = _table(step_times_ledger(home).query(_STRETCHES, known=made_by))
    cycles = _table(query_together({}, _CYCLES, known=known.drop_columns(["deviations"]), times=times))
    deviations = _table(query_together({}, _DEVIATIONS, known=known, times=times))
    return Times(cycles, _with_facts(query_together({}, _STEPS, times=times), known), deviations)


def _with_facts(stretches: pd.DataFrame, known: pa.Table) -> pa.Table:
    """The stretches with what is known of the recording that each is ``one`` of."""
    rows = _table(stretches)
    facts = known.select([*_FACTS, "made_at"]).take(rows["one"])
    for place, name in enumerate(facts.column_names):
        rows = rows.add_column(place, name, facts[name])
    for name in _REPEATED:
        rows = rows.set_column(rows.column_names.index(name), name, rows[name].dictionary_encode())
    return rows


def _table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


_REPEATED: Final = ("task_id", "person", "site", "week", "kind", "step_id")
"""Columns of few values, which are compared faster as numbers."""
_FACTS: Final = ("key", "task_id", "person", "site", "week")
_ABOUT: Final = ", ".join(_FACTS)
_MOMENT: Final = moment_sql("made_at")
_RECORDINGS: Final = f"""
select *, strftime(cast(substr(made_at, 1, 10) as date), '%G-W%V') as week,
    case when person is not null and decision <> 'not_verifiable' then row_number()
        over (partition by task_id, person, decision = 'not_verifiable' order by {_MOMENT}, key)
        end as attempt
from (
    select key, videos.task_id, videos.person, videos.site, videos.original_name as name,
        coalesce(recorded_at, videos.first_written_at) as made_at, decision, score, deviations,
        reference_id, task_fingerprint, algorithm || '+{TIMES_VERSION}' as algorithm
    from videos join scores using (key)
    where status = '{ACTIVE}' and videos.role = 'trainee' and problem is null
) order by {_MOMENT}, key
"""  # noqa: S608 - constants of ours
_STRETCHES: Final = f"""
select * from (
    with newest as (
        select distinct on (one, number) one, number, kind, step_id, occurrence,
            coalesce(rework, false) as rework, whole, begin_s, end_s, seconds, usual_s, low_s, high_s
        from written join known using (key, {", ".join(MADE_BY)}) order by written_at desc, run_id desc
    ), lengths as (select one, occurrence as most from newest where kind = '{CYCLE}')
    select newest.* from newest join lengths using (one) where number <= coalesce(most, number)
)
"""  # noqa: S608 - constants of ours
"""The same reference, task and software give the same stretches but for rounding on another machine, so that
what is newest of each place counts, as far as the newest recording goes on.
"""
_CYCLES: Final = f"""
with summed as (
    select one,
        max(case when kind = '{CYCLE}' then seconds end) as cycle_s,
        bool_or(kind = '{CYCLE}' and whole) as complete,
        sum(case when kind = 'step' then seconds else 0 end) as work_s,
        sum(case when rework then seconds else 0 end) as rework_s,
        cast(count(*) filter (rework) as bigint) as rework_n,
        sum(case when kind = 'other' then seconds else 0 end) as other_s,
        sum(case when kind in ('gap', 'standstill') then seconds else 0 end) as waiting_s
    from times group by one having cycle_s is not null
)
select one, {_ABOUT}, name, made_at, decision, score, attempt, cycle_s, coalesce(complete, false) as complete,
    work_s, rework_s, coalesce(rework_n, 0) as rework_n, other_s, waiting_s
from known left join summed using (one) order by one
"""  # noqa: S608 - constants of ours
_STEPS: Final = f"select * from times where kind <> '{CYCLE}' order by one, number"  # noqa: S608 - a constant of ours
_FOUND: Final = (
    '[{"type": "varchar", "severity": "varchar", "steps": ["varchar"], "trainee_start_s": "double", '
    '"trainee_end_s": "double"}]'
)
_DEVIATIONS: Final = f"""
with listed as (
    select one, {_ABOUT}, unnest(from_json(deviations, '{_FOUND}')) as found
    from known where deviations <> '[]'
), taken as (
    select one, {_ABOUT}, found.type as type, found.severity as severity,
        array_to_string(found.steps, ',') as steps, found.trainee_start_s as begin_s,
        found.trainee_end_s - found.trainee_start_s as seconds
    from listed
), usual as (
    select one, step_id as steps, min(usual_s) as usual_s from times where kind = 'step' group by all
)
select one, {_ABOUT}, type, severity, steps, case
        when type = 'over_time' then greatest(seconds - coalesce(usual_s, seconds), 0)
        when type in ('wrong_step', 'step_deviation') then seconds else 0 end as lost_s
from taken left join usual using (one, steps) order by one, begin_s, type, steps
"""  # noqa: S608 - constants of ours
