"""Two detectors on the same recordings, as the old scripts compared them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.detectors import DetectorOutcome


@dataclass(frozen=True, slots=True)
class RateChanges:
    """The candidate's rates less the baseline's; None where one of them has none."""

    critical_detected_rate_baseline: float | None
    critical_detected_rate_candidate: float | None
    critical_detected_rate_delta: float | None
    critical_miss_rate_delta: float | None
    critical_false_positive_rate_delta: float | None


@dataclass(frozen=True, slots=True)
class OldDifference:
    """How often two detectors said the same; changed jobs by ``order``, the id of an imported job."""

    total_jobs: int
    both_detected: int
    baseline_only: int
    candidate_only: int
    neither_detected: int
    decision_change_rate: float | None
    changed_job_ids: list[int]


def old_shadow(cases: pd.DataFrame, baseline: DetectorOutcome, candidate: DetectorOutcome) -> OldDifference:
    """``shadow_diff`` of the old scripts, over the cases that both detectors decided."""
    check_shapes(cases, baseline, candidate)
    both = baseline.decided & candidate.decided
    first, second = baseline.detected & both, candidate.detected & both
    changed = first != second
    return OldDifference(
        total_jobs=int(both.sum()),
        both_detected=int((first & second).sum()),
        baseline_only=int((first & ~second).sum()),
        candidate_only=int((second & ~first).sum()),
        neither_detected=int((both & ~first & ~second).sum()),
        decision_change_rate=share(int(changed.sum()), int(both.sum())),
        changed_job_ids=[int(order) for order in cases["order"].to_numpy()[changed]],
    )


def rate_changes(cases: pd.DataFrame, baseline: DetectorOutcome, candidate: DetectorOutcome) -> RateChanges:
    """Candidate less baseline; each rate is over the cases that its detector decided."""
    expected = cases["expected"].to_numpy()
    first, second = _rates(expected, baseline), _rates(expected, candidate)
    changes = [
        None if before is None or after is None else round(after - before, 6)
        for before, after in zip(first, second, strict=True)
    ]
    return RateChanges(first[0], second[0], *changes)


def _rates(expected: np.ndarray, outcome: DetectorOutcome) -> tuple[float | None, float | None, float | None]:
    """The shares of cases detected, of positives missed and of negatives alarmed."""
    decided, detected = outcome.decided, outcome.detected & outcome.decided
    positive, negative = decided & (expected == 1), decided & (expected == 0)
    return (
        share(int(detected.sum()), int(decided.sum())),
        share(int((positive & ~detected).sum()), int(positive.sum())),
        share(int((negative & detected).sum()), int(negative.sum())),
    )


def share(part: int, whole: int) -> float | None:
    """The share to 6 digits; None of nothing."""
    return round(part / whole, 6) if whole else None


def check_shapes(cases: pd.DataFrame, *outcomes: DetectorOutcome) -> None:
    """Raise `StudyError` where an outcome is not of these cases."""
    sizes = [outcome.detected.shape[0] for outcome in outcomes]
    if any(size != len(cases) for size in sizes):
        raise StudyError(
            f"shadow comparison: expected outcomes for all {len(cases)} cases, found {sizes}; run both "
            "detectors on the same table."
        )
