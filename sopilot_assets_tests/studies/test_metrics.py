"""The figures of a detector: what counts, what is left out, and what gates read."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sopilot_assets.errors import StudyError
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.metrics import DetectorOutcome, figures, gate_values, old_outcome
from sopilot_assets_tests.studies.test_repeatability import repeat


def cases_of(*rows: dict[str, Any]) -> pd.DataFrame:
    return case_frame({"case_id": f"{i:03d}", "order": i, "score": 80.0, **row} for i, row in enumerate(rows))


def said(
    detected: list[bool], decided: list[bool] | None = None, score: list[float] | None = None
) -> DetectorOutcome:
    n = len(detected)
    return DetectorOutcome(
        detected=np.array(detected, dtype=bool),
        decided=np.ones(n, dtype=bool) if decided is None else np.array(decided),
        score=np.array(detected, dtype=float) if score is None else np.array(score),
    )


LABELS = [{"expected": 1.0}, {"expected": 1.0}, {"expected": 0.0}, {"expected": 0.0}, {}]


def test_rates_are_of_labelled_cases() -> None:
    found = figures(cases_of(*LABELS), said([True, False, True, False, True]))
    assert found["critical_confusion"] == {"tp": 1, "fn": 1, "fp": 1, "tn": 1}
    assert (found["critical_miss_rate"], found["critical_false_positive_rate"]) == (0.5, 0.5)
    assert (found["num_completed_jobs"], found["critical_detected_jobs"]) == (5, 3)
    assert found["critical_confidence"]["miss_rate"]["ci95"] == {"low": 0.094531, "high": 0.905469}


def test_undecided_cases_are_no_part_of_rates_but_of_the_right_figures() -> None:
    found = figures(
        cases_of(*LABELS), said([True, False, True, False, True], [True, False, False, True, True]),
        clusters=np.array(["a", "b", "c", "d", "e"]),
    )  # fmt: skip
    assert (found["critical_miss_rate"], found["critical_positives"], found["critical_negatives"]) == (
        0,
        1,
        1,
    )
    right = found["right"]
    assert (right["abstained_positives"], right["abstained_negatives"]) == (1, 1)
    assert (right["strict_miss_rate"], right["decided_share"], right["scored_share"]) == (0.5, 0.5, 1.0)


def test_labelled_recordings_without_a_score_lower_the_coverage() -> None:
    cases = cases_of(*LABELS, {"expected": 1.0, "problem": "too_dark", "score": math.nan})
    found = figures(cases, old_outcome(cases, "legacy_binary"), clusters=np.array(list("abcdef")))
    assert (found["num_completed_jobs"], found["completed_labeled_jobs"], found["critical_positives"]) == (
        5,
        4,
        2,
    )
    assert found["coverage_rate"] == 0.8
    assert found["right"]["scored_share"] == 0.8
    assert found["right"]["strict_miss_rate"] == 1.0


def test_label_rows_without_a_case_can_be_counted() -> None:
    found = figures(cases_of(*LABELS), said([True] * 5), labels_total=9, labels_labeled=8)
    assert (found["labels_total_jobs"], found["labels_labeled_jobs"], found["labels_unknown_jobs"]) == (
        9,
        8,
        1,
    )
    assert found["coverage_rate"] == 0.5


def test_people_not_recordings_are_counted_as_independent() -> None:
    rows = [{"expected": 1.0}] * 4 + [{"expected": 0.0}] * 4
    found = figures(cases_of(*rows), said([True] * 8), clusters=np.array([*"aabbccc", ""]))
    assert (found["right"]["independent_positives"], found["right"]["independent_negatives"]) == (2, 2)
    assert (
        found["right"]["clustered_miss_rate"]["high"]
        > found["critical_confidence"]["miss_rate"]["ci95"]["high"]
    )


def test_scores_are_judged_as_probabilities() -> None:
    found = figures(
        cases_of(*LABELS), said([True] * 5, score=[0.9, 0.4, 0.5, 0.1, 0.7]), clusters=np.array(list("abcde"))
    )
    assert found["right"]["auc"] == 0.75
    assert found["right"]["brier"] == pytest.approx((0.01 + 0.36 + 0.25 + 0.01) / 4)


def test_nothing_known_is_none_and_never_a_number() -> None:
    empty = cases_of()
    found = figures(empty, said([]), clusters=np.array([], dtype=object))
    assert found["critical_miss_rate"] is None
    assert found["critical_confidence"]["miss_rate"] == {"n": 0, "point": None, "ci95": None}
    assert found["score_stats"]["p90"] is None
    values = gate_values(found)
    assert {name: value for name, value in values.items() if value is not None} == {
        "num_completed_jobs": 0,
        "labels_total_jobs": 0,
        "labels_labeled_jobs": 0,
        "critical_positives": 0,
        "critical_negatives": 0,
        "rescore_pairs": 0,
        "independent_positives": 0,
        "independent_negatives": 0,
    }


def test_gates_read_the_right_figures_only_with_clusters() -> None:
    cases = cases_of(*LABELS)
    plain = gate_values(figures(cases, said([True] * 5)))
    grouped = gate_values(figures(cases, said([True] * 5), clusters=np.array(list("abcde"))))
    assert plain["clustered_miss_rate_ci95_high"] is None
    assert grouped["clustered_miss_rate_ci95_high"] == pytest.approx(0.657620)
    assert grouped["critical_miss_rate"] == plain["critical_miss_rate"] == 0.0


def test_repeats_are_reported_among_the_right_figures() -> None:
    repeats = pd.DataFrame([repeat("shifted", "a", 77.0, "fail")])
    found = figures(cases_of(*LABELS), said([True] * 5), clusters=np.array(list("abcde")), repeats=repeats)
    assert found["right"]["repeatability"]["shifted"]["max_delta"] == 3.0


def test_arguments_of_other_lengths_are_refused() -> None:
    with pytest.raises(StudyError, match="5 cases but 1 in outcome"):
        figures(cases_of(*LABELS), said([True]))
    with pytest.raises(StudyError, match="5 cases but 1 in clusters"):
        figures(cases_of(*LABELS), said([True] * 5), clusters=np.array(["a"]))
    with pytest.raises(StudyError, match="one length"):
        DetectorOutcome(np.zeros(2, dtype=bool), np.zeros(1, dtype=bool), np.zeros(2))


def test_many_cases_take_seconds() -> None:
    n = 200_000
    rng = np.random.default_rng(1)
    cases = cases_of(*LABELS).iloc[np.zeros(n, dtype=int)].reset_index(drop=True)
    cases["expected"] = rng.integers(0, 2, n).astype(float)
    people = np.char.add("p", rng.integers(0, 5000, n).astype(str)).astype(object)
    start = time.perf_counter()
    figures(cases, old_outcome(cases, "continuous_v1"), clusters=people)
    assert time.perf_counter() - start < 5
