"""What each threshold on a score would cost, and which one to take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sopilot_assets.old_rules.detectors import judged

THRESHOLDS: Final = tuple(round(step * 0.05, 2) for step in range(21))
MEETS: Final = "meets_constraints_min_fpr"
LEAST_VIOLATION: Final = "minimum_constraint_violation"
DIGITS: Final = 6


def threshold_sweep(
    cases: pd.DataFrame,
    *,
    max_miss: float | None,
    max_fpr: float | None,
    score: NDArray[np.float64],
    thresholds: Sequence[float] = THRESHOLDS,
    speaks: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Confusion and rates at each threshold, and the recommended one (None without thresholds).

    A case is detected at a ``score`` (n,) of at least the threshold; ``speaks`` (n,) says which cases count,
    those that could be scored unless given. A limit of None does not bind. Recommended is, among the rows
    within both limits, the one with the smallest false-positive rate, then miss rate, then the largest
    threshold; if there is none, the one with the smallest sum of excesses, with the same ties. A rate that is
    None (no case of the class) never fits and counts as an excess of 1.
    """
    known = (judged(cases) if speaks is None else speaks) & ~np.isnan(score)
    expected = cases["expected"].to_numpy(dtype=np.float64)
    positives = np.sort(score[known & (expected == 1)])
    negatives = np.sort(score[known & (expected == 0)])
    levels = sorted({min(1.0, max(0.0, float(level))) for level in thresholds})
    rows = [_row(level, positives, negatives) for level in levels]
    return {
        "thresholds": levels,
        "constraints": {"max_critical_miss_rate": max_miss, "max_critical_false_positive_rate": max_fpr},
        "rows": rows,
        "recommended": recommend(rows, max_miss=max_miss, max_fpr=max_fpr),
    }


def recommend(
    rows: Sequence[dict[str, Any]], *, max_miss: float | None, max_fpr: float | None
) -> dict[str, Any] | None:
    """The row to take, with the reason; the rule is that of `threshold_sweep`."""
    if not rows:
        return None
    excesses = [_excess(row, max_miss, max_fpr) for row in rows]
    fitting = [row for row, excess in zip(rows, excesses, strict=True) if excess == 0]
    if fitting:
        return _recommended(min(fitting, key=_tie), MEETS)
    best = min(zip(excesses, rows, strict=True), key=lambda pair: (pair[0], *_tie(pair[1])))[1]
    return _recommended(best, LEAST_VIOLATION)


def _row(threshold: float, positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> dict[str, Any]:
    fn = int(np.searchsorted(positives, threshold, side="left"))
    tn = int(np.searchsorted(negatives, threshold, side="left"))
    return {
        "threshold": threshold,
        "critical_miss_rate": _rate(fn, len(positives)),
        "critical_false_positive_rate": _rate(len(negatives) - tn, len(negatives)),
        "critical_confusion": {"tp": len(positives) - fn, "fn": fn, "fp": len(negatives) - tn, "tn": tn},
        "critical_positives": len(positives),
        "critical_negatives": len(negatives),
    }


def _rate(k: int, n: int) -> float | None:
    return round(k / n, DIGITS) if n else None


def _excess(row: dict[str, Any], max_miss: float | None, max_fpr: float | None) -> float:
    total = 0.0
    for rate, limit in (
        (row["critical_miss_rate"], max_miss),
        (row["critical_false_positive_rate"], max_fpr),
    ):
        if rate is None:
            total += 1.0
        elif limit is not None:
            total += max(0.0, rate - limit)
    return total


def _tie(row: dict[str, Any]) -> tuple[float, float, float]:
    rates = (row["critical_false_positive_rate"], row["critical_miss_rate"])
    fpr, miss = (1.0 if rate is None else rate for rate in rates)
    return fpr, miss, -row["threshold"]


def _recommended(row: dict[str, Any], reason: str) -> dict[str, Any]:
    names = ("threshold", "critical_miss_rate", "critical_false_positive_rate")
    return {name: row[name] for name in names} | {"reason": reason}
