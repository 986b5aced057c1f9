"""The rows of a dossier: what cases.csv and detections.csv say of each case."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from sopilot_assets.dossier.verifier.fields import WrongField

CASES_FILE: Final = "rows/cases.csv"
DETECTIONS_FILE: Final = "rows/detections.csv"

ANY_CRITICAL: Final = "any_critical"
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


@dataclass(frozen=True)
class CaseRow:
    """One case: its cells in cases.csv and detections.csv by column, as ``texts``, ``numbers`` (None where
    unknown; 1 and 0 for `ANY_CRITICAL`) and ``flags``.

    A column that is not there raises `WrongField` where it is asked for.
    """

    texts: Mapping[str, str]
    numbers: Mapping[str, float | None]
    flags: Mapping[str, bool]

    def text(self, column: str) -> str:
        """A cell that holds text."""
        return _cell(self.texts, column)

    def number(self, column: str) -> float | None:
        """A cell that holds a number; None where it is unknown."""
        return _cell(self.numbers, column)

    @property
    def case_id(self) -> str:
        """The recording, or the job of an old installation."""
        return self.text("case_id")

    @property
    def split(self) -> str:
        """``dev``, ``test``, ``challenge``, or "" for a case of none of them."""
        return self.text("split")

    @property
    def cluster(self) -> str:
        """The group of recordings that depend on each other; "" where nobody is known."""
        return self.text("cluster")

    @property
    def expected(self) -> float | None:
        """1 where people see a critical deviation, 0 where they see none, None where nobody can say."""
        return self.number("expected")

    @property
    def scored(self) -> bool:
        """Whether the recording has a score."""
        return self.text("problem") == "" and self.number("score") is not None

    def score(self, detector: str) -> float | None:
        """What the detector gives the case; None where it says nothing."""
        return self.number(f"{detector}.score")

    def decided(self, detector: str) -> bool:
        """Whether the detector says anything of the case."""
        return _cell(self.flags, f"{detector}.decided")

    def detected(self, detector: str) -> bool:
        """Whether the detector decided that there is a critical deviation."""
        return _cell(self.flags, f"{detector}.detected") and self.decided(detector)

    def stated(self, detector: str) -> tuple[float | None, bool, bool]:
        """Score, whether detected, whether decided, as they stand."""
        return self.score(detector), _cell(self.flags, f"{detector}.detected"), self.decided(detector)


_Cell = TypeVar("_Cell")


def _cell(cells: Mapping[str, _Cell], column: str) -> _Cell:
    if column not in cells:
        of_detections = column in ("split", "cluster") or "." in column
        raise WrongField(f"{DETECTIONS_FILE if of_detections else CASES_FILE}: column {column}: missing")
    return cells[column]


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


def case_rows(files: Mapping[str, bytes]) -> list[CaseRow]:
    """One row a case: cases.csv with its numbers read, beside what detections.csv says of the same case.

    Raises ``ValueError`` where the two do not list the same cases in the same order.
    """
    cases, detections = read_csv(files[CASES_FILE]), read_csv(files[DETECTIONS_FILE])
    if [one["case_id"] for one in cases] != [one["case_id"] for one in detections]:
        raise ValueError(f"{DETECTIONS_FILE}: other cases, or another order, than {CASES_FILE}")
    if len({one["case_id"] for one in cases}) < len(cases):
        raise ValueError(f"{CASES_FILE}: a case id occurs twice")
    return [_case_row(case, detection) for case, detection in zip(cases, detections, strict=True)]


def _case_row(case: Mapping[str, str], detection: Mapping[str, str]) -> CaseRow:
    texts, numbers, flags = {}, {}, {}
    for name, cell in case.items():
        if name in CASE_NUMBERS:
            numbers[name] = number(cell)
        elif name == ANY_CRITICAL:
            numbers[name] = float(cell == "True")
        else:
            texts[name] = cell
    for name, cell in detection.items():
        if name.endswith((".detected", ".decided")):
            flags[name] = cell == "True"
        elif name.endswith(".score"):
            numbers[name] = number(cell)
        else:
            texts[name] = cell
    return CaseRow(texts, numbers, flags)
