"""The rows of a dossier as plain dictionaries."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import Any, Final

Row = dict[str, Any]

CASES_FILE: Final = "rows/cases.csv"
DETECTIONS_FILE: Final = "rows/detections.csv"

CASE_NUMBERS: Final = frozenset(
    [
        "score",
        "score_low",
        "score_high",
        "critical_probability",
        "log_odds",
        "fit",
        "order_evidence",
        "dtw_normalized_cost",
        "over_time_ratio",
        "critical",
        "quality",
        "efficiency",
        "miss_steps",
        "swap_steps",
        "deviation_steps",
        "critical_missing",
        "missing_distance",
        "missing_span",
        "expected",
        "order",
    ]
)
"""Columns of cases.csv that hold numbers; an empty cell is an unknown number."""


def read_csv(data: bytes) -> list[dict[str, str]]:
    """The rows of a CSV file in UTF-8; ``ValueError`` where a column is there twice or a row is not as long
    as the first line.
    """
    reader = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))
    rows = list(reader)
    columns = reader.fieldnames or []
    if len(set(columns)) < len(columns):
        raise ValueError(f"columns that occur twice among {', '.join(columns)}")
    for place, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise ValueError(f"row {place}: expected {len(columns)} cells")
    return rows


def number(text: str) -> float | None:
    """The number in a cell, None for an empty one; ``ValueError`` for a NaN, which equals nothing."""
    value = float(text) if text else None
    if value is not None and math.isnan(value):
        raise ValueError(f"expected a number, found {text!r}")
    return value


def case_rows(files: Mapping[str, bytes]) -> list[Row]:
    """One row a case: cases.csv with its numbers read, beside what detections.csv says of the same case.

    Raises ``ValueError`` where the two do not list the same cases in the same order.
    """
    cases, detections = read_csv(files[CASES_FILE]), read_csv(files[DETECTIONS_FILE])
    if [one["case_id"] for one in cases] != [one["case_id"] for one in detections]:
        raise ValueError(f"{DETECTIONS_FILE}: other cases, or another order, than {CASES_FILE}")
    if len({one["case_id"] for one in cases}) < len(cases):
        raise ValueError(f"{CASES_FILE}: a case id occurs twice")
    rows: list[Row] = []
    for case, detection in zip(cases, detections, strict=True):
        row: Row = {
            name: number(cell) if name in CASE_NUMBERS else cell == "True" if name == "any_critical" else cell
            for name, cell in case.items()
        }
        for name, cell in detection.items():
            if name.endswith((".detected", ".decided")):
                row[name] = cell == "True"
            else:
                row[name] = number(cell) if name.endswith(".score") else cell
        rows.append(row)
    return rows
