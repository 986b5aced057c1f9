"""Times as a sheet with one row a recording, for spreadsheets and statistics: rows, CSV and Excel."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pandas as pd
from xlsxwriter import Workbook

from sopilot_assets.store.ledgers import Cell, Row, plain_rows
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.texts.cells import harmless, harmless_row
from sopilot_assets.times.figures import TimesFilter, ask, filtered
from sopilot_assets.times.reading import Times

MADE_AT: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - Excel knows no time zones
"""What every Excel file says when it was made, so that the same rows give the same bytes."""
_HEAD: Final = (
    "key",
    "name",
    "person",
    "site",
    "made_at",
    "week",
    "decision",
    "score",
    "attempt",
    "complete",
)
_TIMES: Final = ("cycle_s", "takt_s", "over_takt_s", "work_s", "rework_s", "rework_n", "other_s", "waiting_s")
_OF_STEP: Final = ("begin_s", "time_s", "done_n")
_SEEN: Final = """
select key, step_id, min(begin_s) as begin_s, sum(seconds) as time_s, count(*) as done_n
from done where kind = 'step' group by key, step_id
"""


def sheet_columns(task: TaskSpec) -> tuple[str, ...]:
    """The columns of the sheet: those of a recording (see `Times`), with the task's takt time and how much
    longer a complete cycle took, and for each step when it began, how many seconds it took in all, and how
    often it was done: ``oil_gasket.begin_s``, ``oil_gasket.time_s``, ``oil_gasket.done_n``.
    """
    return (*_HEAD, *_TIMES, *(f"{step_id}.{what}" for step_id in task.step_ids for what in _OF_STEP))


def sheet_rows(times: Times, task: TaskSpec, wanted: TimesFilter) -> list[dict[str, Cell]]:
    """A row of `sheet_columns` for each recording of a task that is wanted, by the time it was made; None
    where a step was not seen. ``wanted`` names the task.
    """
    cycles = filtered(times.cycles, wanted).sort_values("one")
    cycles["takt_s"] = task.takt_s
    takt_s = float("nan") if task.takt_s is None else task.takt_s
    cycles["over_takt_s"] = (cycles["cycle_s"] - takt_s).clip(lower=0.0).where(cycles["complete"])
    seen = ask(_SEEN, wanted, done=times.steps)
    for what in _OF_STEP:
        of_steps = seen.pivot(index="key", columns="step_id", values=what)
        cycles = cycles.join(of_steps.add_suffix(f".{what}"), on="key")
    return plain_rows(_rounded(cycles.reindex(columns=list(sheet_columns(task)))))


def _rounded(frame: pd.DataFrame) -> pd.DataFrame:
    seconds = [name for name in frame.columns if name.endswith("_s")]
    counts = ["attempt", *(name for name in frame.columns if name.endswith("_n"))]
    frame[seconds] = frame[seconds].astype("float64").round(3)
    frame[counts] = frame[counts].astype("Int64")
    return frame


def csv_bytes(rows: Sequence[Row], task: TaskSpec) -> bytes:
    """The rows as CSV in UTF-8 with the mark by which spreadsheets know it; no cell is a formula."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=sheet_columns(task))
    writer.writeheader()
    writer.writerows(harmless_row(row) for row in rows)
    return text.getvalue().encode("utf-8-sig")


def xlsx_bytes(rows: Sequence[Row], task: TaskSpec) -> bytes:
    """The rows as an Excel file of one sheet, its head fixed and to be filtered by; the same rows give the
    same bytes, and no cell is a formula or a link.
    """
    stream = io.BytesIO()
    columns = sheet_columns(task)
    plain = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(stream, plain) as book:
        book.set_properties({"title": harmless(task.name), "created": MADE_AT})
        sheet = book.add_worksheet(task.task_id[:31])
        bold, seconds = book.add_format({"bold": True}), book.add_format({"num_format": "0.0"})
        sheet.write_row(0, 0, columns, bold)
        for place, row in enumerate(map(harmless_row, rows), 1):
            for column, name in enumerate(columns):
                value = row[name]
                if value is not None:
                    sheet.write(place, column, value, seconds if name.endswith("_s") else None)
        sheet.freeze_panes(1, 2)
        sheet.set_landscape()
        sheet.repeat_rows(0)
        sheet.repeat_columns(1, 2)
        sheet.autofilter(0, 0, max(len(rows), 1), len(columns) - 1)
        for column, name in enumerate(columns):
            sheet.set_column(column, column, _WIDTHS.get(name, max(len(name), 8) + 3))
    return stream.getvalue()


_WIDTHS: Final = {"key": 30, "name": 24, "made_at": 27, "decision": 15}
