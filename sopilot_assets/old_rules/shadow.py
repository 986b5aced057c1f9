"""Two detectors on the same recordings, as the old scripts compared them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.detectors import DetectorOutcome


def old_shadow(cases: pd.DataFrame, baseline: DetectorOutcome, candidate: DetectorOutcome) -> dict[str, Any]:
    """``shadow_diff`` and ``delta`` of the old scripts, over the cases that both detectors decided.

    Changed jobs are given by ``order``, which is the job id of an imported case.
    """
    check_shapes(cases, baseline, candidate)
    both = baseline.decided & candidate.decided
    first, second = baseline.detected & both, candidate.detected & both
    changed = first != second
    return {
        "shadow_diff": {
            "total_jobs": int(both.sum()),
            "both_detected": int((first & second).sum()),
            "baseline_only": int((first & ~second).sum()),
            "candidate_only": int((second & ~first).sum()),
            "neither_detected": int((both & ~first & ~second).sum()),
            "decision_change_rate": share(int(changed.sum()), int(both.sum())),
            "changed_job_ids": [int(order) for order in cases["order"].to_numpy()[changed]],
        },
        "delta": rate_changes(cases, baseline, candidate),
    }


def rate_changes(
    cases: pd.DataFrame, baseline: DetectorOutcome, candidate: DetectorOutcome
) -> dict[str, float | None]:
    """Candidate less baseline; each rate is over the cases that its detector decided."""
    expected = cases["expected"].to_numpy()

    def rates(outcome: DetectorOutcome) -> tuple[float | None, float | None, float | None]:
        decided, detected = outcome.decided, outcome.detected & outcome.decided
        positive, negative = decided & (expected == 1), decided & (expected == 0)
        return (
            share(int(detected.sum()), int(decided.sum())),
            share(int((positive & ~detected).sum()), int(positive.sum())),
            share(int((negative & detected).sum()), int(negative.sum())),
        )

    first, second = rates(baseline), rates(candidate)
    changes = [
        None if before is None or after is None else round(after - before, 6)
        for before, after in zip(first, second, strict=True)
    ]
    return {
        "critical_detected_rate_baseline": first[0],
        "critical_detected_rate_candidate": second[0],
        "critical_detected_rate_delta": changes[0],
        "critical_miss_rate_delta": changes[1],
        "critical_false_positive_rate_delta": changes[2],
    }


def share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def check_shapes(cases: pd.DataFrame, *outcomes: DetectorOutcome) -> None:
    sizes = [outcome.detected.shape[0] for outcome in outcomes]
    if any(size != len(cases) for size in sizes):
        raise StudyError(
            f"shadow comparison: expected outcomes for all {len(cases)} cases, found {sizes}; run both "
            "detectors on the same table."
        )
