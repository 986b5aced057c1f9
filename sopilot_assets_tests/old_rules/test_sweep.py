"""The sweep counts what each threshold costs and recommends by the old rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from sopilot_assets.old_rules.sweep import LEAST_VIOLATION, MEETS, threshold_sweep
from sopilot_assets.studies.cases import case_frame

POSITIVE, NEGATIVE = (0.2, 0.6, 0.9, 0.9), (0.1, 0.3, 0.55, 0.7)


def table(positives: tuple[float, ...], negatives: tuple[float, ...]) -> tuple[pd.DataFrame, Any]:
    labels = [1.0] * len(positives) + [0.0] * len(negatives)
    rows = [{"case_id": str(i), "order": i, "score": 80.0, "expected": y} for i, y in enumerate(labels)]
    return case_frame(rows), np.array([*positives, *negatives])


def sweep(positives: Any = POSITIVE, negatives: Any = NEGATIVE, **limits: Any) -> dict[str, Any]:
    cases, score = table(positives, negatives)
    return threshold_sweep(cases, score=score, **{"max_miss": None, "max_fpr": None, **limits})


def test_a_score_at_the_threshold_is_detected() -> None:
    row = next(row for row in sweep()["rows"] if row["threshold"] == 0.6)
    assert row["critical_confusion"] == {"tp": 3, "fn": 1, "fp": 1, "tn": 3}
    assert (row["critical_miss_rate"], row["critical_false_positive_rate"]) == (0.25, 0.25)


def test_thresholds_go_from_0_to_1_in_twentieths() -> None:
    assert sweep()["thresholds"] == [round(step / 20, 2) for step in range(21)]


@pytest.mark.parametrize(
    ("limits", "threshold", "reason"),
    [
        ({}, 0.9, MEETS),
        ({"max_miss": 0.25}, 0.6, MEETS),
        ({"max_miss": 0.25, "max_fpr": 0.25}, 0.6, MEETS),
        ({"max_miss": 0.0}, 0.2, MEETS),
        ({"max_miss": 0.0, "max_fpr": 0.1}, 0.6, LEAST_VIOLATION),
    ],
)
def test_the_recommended_threshold(limits: dict[str, float], threshold: float, reason: str) -> None:
    found = sweep(**limits)["recommended"]
    assert (found["threshold"], found["reason"]) == (threshold, reason)


def test_without_a_class_nothing_meets_the_limits() -> None:
    found = sweep(positives=(), max_miss=0.5, max_fpr=0.5)
    assert found["rows"][0]["critical_miss_rate"] is None
    assert found["recommended"]["reason"] == LEAST_VIOLATION


def test_undecided_cases_do_not_count() -> None:
    cases, score = table(POSITIVE, NEGATIVE)
    speaks = np.arange(8) % 2 == 0
    found = threshold_sweep(cases, score=score, speaks=speaks, max_miss=None, max_fpr=None)
    assert (found["rows"][0]["critical_positives"], found["rows"][0]["critical_negatives"]) == (2, 2)


def test_no_threshold_gives_no_recommendation() -> None:
    assert sweep(thresholds=())["recommended"] is None
