"""What each threshold on a score would cost, and which one to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sopilot_assets.old_rules.detectors import judged
from sopilot_assets.old_rules.figures import Confusion

THRESHOLDS: Final = tuple(round(step * 0.05, 2) for step in range(21))
MEETS: Final = "meets_constraints_min_fpr"
LEAST_VIOLATION: Final = "minimum_constraint_violation"
DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class SweepRow:
    """What one threshold gives."""

    threshold: float
    critical_miss_rate: float | None
    critical_false_positive_rate: float | None
    critical_confusion: Confusion
    critical_positives: int
    critical_negatives: int


@dataclass(frozen=True, slots=True)
class Constraints:
    """The greatest rates that are allowed; None does not bind."""

    max_critical_miss_rate: float | None
    max_critical_false_positive_rate: float | None

    def excess(self, row: SweepRow) -> float:
        """What the rates of a row exceed the limits by, in sum; a rate that is None counts 1."""
        total = 0.0
        for rate, limit in (
            (row.critical_miss_rate, self.max_critical_miss_rate),
            (row.critical_false_positive_rate, self.max_critical_false_positive_rate),
        ):
            if rate is None:
                total += 1.0
            elif limit is not None:
                total += max(0.0, rate - limit)
        return total


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The threshold to take, with the reason."""

    threshold: float
    critical_miss_rate: float | None
    critical_false_positive_rate: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every threshold with what it gives; nothing is recommended without thresholds."""

    thresholds: list[float]
    constraints: Constraints
    rows: list[SweepRow]
    recommended: Recommendation | None


def threshold_sweep(
    cases: pd.DataFrame,
    *,
    max_miss: float | None,
    max_fpr: float | None,
    score: NDArray[np.float64],
    thresholds: Sequence[float] = THRESHOLDS,
    speaks: NDArray[np.bool_] | None = None,
) -> Sweep:
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
    constraints = Constraints(max_miss, max_fpr)
    return Sweep(levels, constraints, rows, _recommended(rows, constraints))


def _recommended(rows: Sequence[SweepRow], constraints: Constraints) -> Recommendation | None:
    if not rows:
        return None
    fitting = [row for row in rows if constraints.excess(row) == 0]
    if fitting:
        best, reason = min(fitting, key=_tie), MEETS
    else:
        best, reason = min(rows, key=lambda row: (constraints.excess(row), *_tie(row))), LEAST_VIOLATION
    return Recommendation(best.threshold, best.critical_miss_rate, best.critical_false_positive_rate, reason)


def _row(threshold: float, positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> SweepRow:
    fn = int(np.searchsorted(positives, threshold, side="left"))
    tn = int(np.searchsorted(negatives, threshold, side="left"))
    confusion = Confusion(tp=len(positives) - fn, fn=fn, fp=len(negatives) - tn, tn=tn)
    return SweepRow(
        threshold,
        _rate(fn, len(positives)),
        _rate(confusion.fp, len(negatives)),
        confusion,
        len(positives),
        len(negatives),
    )


def _rate(k: int, n: int) -> float | None:
    return round(k / n, DIGITS) if n else None


def _tie(row: SweepRow) -> tuple[float, float, float]:
    rates = (row.critical_false_positive_rate, row.critical_miss_rate)
    fpr, miss = (1.0 if rate is None else rate for rate in rates)
    return fpr, miss, -row.threshold
