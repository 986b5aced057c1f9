"""What the API answers about times."""

from __future__ import annotations

from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from sopilot_assets.desk.api.asking import RecordingPath, TaskPath, TimesQuery
from sopilot_assets.desk.api.endpoint import Asked
from sopilot_assets.desk.api.models import (
    RecordingTimes,
    StepFigures,
    StretchOut,
    TaskTimesOut,
    TimeFigures,
)
from sopilot_assets.scoring.told import whole
from sopilot_assets.store.ledgers import Row, plain_rows
from sopilot_assets.tasks import find_tasks
from sopilot_assets.times.figures import TimesFilter, cycle_figures, step_figures
from sopilot_assets.times.reading import read_times

_FIGURES = ("mean_s", "sd_s", "min_s", "median_s", "max_s")
_OF_GOLDS = ("usual_s", "low_s", "high_s")


def recording_times(asked: Asked) -> RecordingTimes | None:
    """How long each step of one recording took."""
    key, times = cast(RecordingPath, asked.path).key, read_times(asked.home)
    found = _rows_of(times.cycles, key)
    if not found:
        return None
    return RecordingTimes(
        key=key,
        cycle_s=found[0]["cycle_s"],
        complete=bool(found[0]["complete"]),
        stretches=[_stretch(row) for row in _rows_of(times.steps, key)],
    )


def task_times(asked: Asked) -> TaskTimesOut | None:
    """How long one task and its steps take."""
    task, query = cast(TaskPath, asked.path).task, cast(TimesQuery, asked.query)
    if task not in find_tasks(asked.home.root).tasks:
        return None
    wanted = TimesFilter(task=task, site=query.site, since=query.since_week, until=query.until_week)
    times = read_times(asked.home)
    (cycle,) = plain_rows(cycle_figures(times, wanted))
    steps = plain_rows(step_figures(times, wanted))
    return TaskTimesOut(
        task=task,
        cycle=TimeFigures(**_figures(cycle)),
        steps=[
            StepFigures(
                **_figures(row),
                step=row["step_id"],
                rework_n=whole(row["rework_n"]) or 0,
                waiting_n=whole(row["waiting_n"]) or 0,
                **{name: row[name] for name in _OF_GOLDS},
            )
            for row in steps
            if row["step_id"] is not None
        ],
    )


def _rows_of(table: pa.Table, key: str) -> list[Row]:
    rows: list[Row] = table.filter(pc.field("key") == key).to_pylist()
    return rows


def _stretch(row: Row) -> StretchOut:
    plain = ("kind", "begin_s", "end_s", "seconds", *_OF_GOLDS)
    return StretchOut(
        **{name: row[name] for name in plain},
        step=row["step_id"],
        occurrence=whole(row["occurrence"]),
        rework=bool(row["rework"]),
        whole=bool(row["whole"]),
    )


def _figures(row: Row) -> dict[str, Any]:
    counts = {name: whole(row[name]) or 0 for name in ("recordings", "n")}
    return {**counts, **{name: row[name] for name in _FIGURES}}
