"""The table that evaluations work on: one row a case, that is one judged recording.

A case is the newest score of a trainee recording, or a scoring job imported from an existing installation.
The table is a pandas frame with exactly the columns of `COLUMNS`, in ascending ``order``. Text that is
unknown is empty, a number that is unknown is NaN.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import pandas as pd

from sopilot_assets.errors import StudyError
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.texts.cells import harmless

TEXT: Final = "str"
NUMBER: Final = "float64"
COUNT: Final = "int64"
FLAG: Final = "bool"

COLUMNS: Final[Mapping[str, str]] = {
    # who and what
    "case_id": TEXT,
    "order": COUNT,
    "task_id": TEXT,
    "video_id": TEXT,
    "original_name": TEXT,
    "person": TEXT,
    "site": TEXT,
    "camera": TEXT,
    "session": TEXT,
    "source_video": TEXT,
    "near_duplicate": TEXT,
    "gold_id": TEXT,
    "backend": TEXT,
    "reference_id": TEXT,
    "algorithm": TEXT,
    "origin": TEXT,
    # what was found
    "problem": TEXT,
    "score": NUMBER,
    "score_low": NUMBER,
    "score_high": NUMBER,
    "decision": TEXT,
    "critical_probability": NUMBER,
    "log_odds": NUMBER,
    "fit": NUMBER,
    "order_evidence": NUMBER,
    "dtw_normalized_cost": NUMBER,
    "over_time_ratio": NUMBER,
    "critical": NUMBER,
    "quality": NUMBER,
    "efficiency": NUMBER,
    "any_critical": FLAG,
    "miss_steps": NUMBER,
    "swap_steps": NUMBER,
    "deviation_steps": NUMBER,
    "critical_missing": NUMBER,
    "missing_distance": NUMBER,
    "missing_span": NUMBER,
    "deviation_types": TEXT,
    # what people say
    "expected": NUMBER,
    "label_source": TEXT,
}
"""Columns and their pandas dtypes.

``order`` is the place in time: the job id of an imported job, else the rank by time of scoring.
``near_duplicate`` names a group of recordings that show the same take. ``backend`` is the embedding model.
``origin`` is ``scored`` or ``imported``. ``problem`` says why a recording has no score.
``critical``, ``quality`` and ``efficiency`` count deviations by severity; ``any_critical`` is whether one is
critical. ``critical_missing`` counts critical missing steps, ``missing_distance`` and ``missing_span`` are
the means of their ``mean_distance`` and ``expected_span_len`` (old scoring only, else 0).
``deviation_types`` are the distinct types, sorted, comma-separated. ``expected`` is 1 where a critical
deviation was labeled, 0 where its absence was, NaN where nobody could say.
"""

_EMPTY: Final[Mapping[str, Cell]] = {TEXT: "", NUMBER: float("nan"), COUNT: 0, FLAG: False}


def case_frame(rows: Iterable[Mapping[str, Cell]]) -> pd.DataFrame:
    """The table of these rows, sorted by ``order`` then ``case_id``; columns a row lacks are empty.

    Raises `StudyError` for an unknown column or a case id that occurs twice.
    """
    frame = pd.DataFrame.from_records(list(rows))
    unknown = sorted(set(frame.columns) - set(COLUMNS))
    if unknown:
        raise StudyError(f"cases: unknown columns {unknown}; expected some of {list(COLUMNS)}.")
    columns = {name: _column(frame, name, kind) for name, kind in COLUMNS.items()}
    table = pd.DataFrame(columns).sort_values(["order", "case_id"], ignore_index=True)
    twice = sorted(set(table["case_id"][table["case_id"].duplicated()]))
    if twice:
        raise StudyError(
            f"cases: {len(twice)} case ids occur twice, e.g. {twice[:3]}; each has to be unique."
        )
    return table


def case_text(text: object) -> str:
    """A text as the table has it: readers of CSV take a lone carriage return for the end of a row, and
    spreadsheets some texts for formulas. What is looked up in the table has to pass here too.

    >>> case_text("@p07"), case_text("p07")
    ("'@p07", 'p07')
    """
    return harmless(str(text).replace("\r", "\ufffd"))


def labeled(cases: pd.DataFrame) -> pd.Series:
    """Which cases (n,) have a label that says yes or no."""
    return cases["expected"].notna()


def cases_csv(cases: pd.DataFrame) -> bytes:
    """The table as CSV in UTF-8: the same table gives the same bytes, and numbers read back exactly."""
    text = cases.to_csv(index=False, lineterminator="\n", na_rep="")
    return text.encode("utf-8")


def read_cases(data: bytes, *, name: str) -> pd.DataFrame:
    """The table written by `cases_csv`; columns beyond `COLUMNS` are kept as text.

    Raises `StudyError` naming ``name`` where a column is missing.
    """
    frame = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False, na_filter=False)
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise StudyError(
            f"{name}: lacks the columns {missing}; make it again by materializing split_manifests."
        )
    for column, kind in COLUMNS.items():
        frame[column] = _parsed(frame[column], kind)
    return frame


def cases_sha256(cases: pd.DataFrame) -> str:
    """The SHA-256 of the table's CSV: what results name as their input."""
    return hashlib.sha256(cases_csv(cases)).hexdigest()


def _column(frame: pd.DataFrame, name: str, kind: str) -> pd.Series:
    if name not in frame.columns:
        return pd.Series(np.full(len(frame), _EMPTY[kind]), dtype=kind)
    values = frame[name]
    if kind in (TEXT, COUNT, FLAG):
        values = values.astype(object).where(values.notna(), _EMPTY[kind])
    if kind == TEXT:
        values = values.map(case_text)
    return values.astype(kind)  # type: ignore[call-overload, no-any-return]


def _parsed(values: pd.Series, kind: str) -> pd.Series:
    if kind == TEXT:
        return values
    if kind == FLAG:
        return values == "True"
    # float() reads back what repr() wrote, digit by digit
    return pd.Series([float(value or "nan") for value in values], index=values.index).astype(kind)  # type: ignore[call-overload, no-any-return]
