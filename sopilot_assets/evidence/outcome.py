"""What a station of the evidence chain says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import pandas as pd

from sopilot_assets.store.ledgers import Cell
from sopilot_assets.texts.cells import harmless

Rows: TypeAlias = Sequence[Mapping[str, Cell]]

EVIDENCE_VERSION: Final = "evidence-1"
"""Raised whenever a station would give something else for the same input."""


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """One station's result for one study (or, for labels, one task).

    ``metadata`` holds a few scalars, ``tables`` rows to show by name, ``pictures`` small PNG plots by name,
    ``page`` a page on this machine, ``warnings`` sentences for the log.
    ``labels`` is the state of the task's labels, where the station read them anew.
    """

    partition: str
    metadata: Mapping[str, Cell] = field(default_factory=dict)
    tables: Mapping[str, Rows] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    page: Path | None = None
    warnings: Sequence[str] = ()
    labels: StudyOutcome | None = None


def csv_of(frame: pd.DataFrame) -> bytes:
    """A table for people as CSV, numbers to six digits; no text is taken for a formula by a spreadsheet."""
    safe = frame.map(lambda value: harmless(value) if isinstance(value, str) else value)
    return safe.to_csv(index=False, lineterminator="\n", float_format="%.6g").encode()


def exact_csv(frame: pd.DataFrame) -> bytes:
    """A table for programs as CSV: numbers with all their digits, texts as they are."""
    return frame.to_csv(index=False, lineterminator="\n").encode()


def rows_of(frame: pd.DataFrame) -> list[dict[str, Cell]]:
    """The rows of a table as plain values, numbers to six digits, unknown ones as None."""
    plain = frame.round(6).astype(object)
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in plain.where(frame.notna(), None).to_dict("records")
    ]


def _plain(value: object) -> Cell:
    if isinstance(value, list | tuple | set | dict):
        return ", ".join(map(str, value))
    plain = value.item() if hasattr(value, "item") else value
    assert plain is None or isinstance(plain, str | int | float | bool)
    return plain
