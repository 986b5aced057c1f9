"""The figures of a detector: what counts, what is left out, and what gates read."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sopilot_assets.errors import StudyError
from sopilot_assets.intervals import Bounds
from sopilot_assets.old_rules.detectors import DetectorOutcome, old_outcome
from sopilot_assets.old_rules.figures import Confidence, Confusion, label_figures
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.metrics import figures, gate_values, read_figures
from sopilot_assets_tests.counted_calls import counted_calls
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


def test_rates_are_of_labeled_cases() -> None:
    found = figures(
        cases_of(*LABELS), said([True, False, True, False, True]), clusters=np.array(list("abcde"))
    )
    assert found.labels.critical_confusion == Confusion(tp=1, fn=1, fp=1, tn=1)
    assert (found.labels.critical_miss_rate, found.labels.critical_false_positive_rate) == (0.5, 0.5)
    assert (found.scores.num_completed_jobs, found.scores.critical_detected_jobs) == (5, 3)
    assert found.labels.critical_confidence.miss_rate.ci95 == Bounds(0.094531, 0.905469)


def test_undecided_cases_are_no_part_of_rates_but_of_the_right_figures() -> None:
    found = figures(
        cases_of(*LABELS), said([True, False, True, False, True], [True, False, False, True, True]),
        clusters=np.array(["a", "b", "c", "d", "e"]),
    )  # fmt: skip
    assert (
        found.labels.critical_miss_rate,
        found.labels.critical_positives,
        found.labels.critical_negatives,
    ) == (
        0,
        1,
        1,
    )
    assert (found.abstained_positives, found.abstained_negatives) == (1, 1)
    assert (found.strict_miss_rate, found.decided_share, found.scored_share) == (0.5, 0.5, 1.0)


def test_labeled_recordings_without_a_score_lower_the_coverage() -> None:
    cases = cases_of(*LABELS, {"expected": 1.0, "problem": "too_dark", "score": math.nan})
    found = figures(cases, old_outcome(cases, "legacy_binary"), clusters=np.array(list("abcdef")))
    assert (
        found.scores.num_completed_jobs,
        found.labels.completed_labeled_jobs,
        found.labels.critical_positives,
    ) == (
        5,
        4,
        2,
    )
    assert found.labels.coverage_rate == 0.8
    assert found.scored_share == 0.8
    assert found.strict_miss_rate == 1.0


def test_label_rows_without_a_case_can_be_counted() -> None:
    found = label_figures(cases_of(*LABELS), said([True] * 5), total=9, labeled=8)
    assert (found.labels_total_jobs, found.labels_labeled_jobs, found.labels_unknown_jobs) == (9, 8, 1)
    assert found.coverage_rate == 0.5


def test_published_figures_are_read_back() -> None:
    repeats = pd.DataFrame([repeat("shifted", "a", 77.0, "fail")])
    for cases, people, of_them in (
        (cases_of(*LABELS), np.array(list("abcde")), repeats),
        (cases_of(), np.array([], dtype=object), None),
    ):
        found = figures(cases, said([True] * len(cases)), clusters=people, repeats=of_them)
        assert read_figures(json.loads(pretty_json(found.document()))) == found


def test_people_not_recordings_are_counted_as_independent() -> None:
    rows = [{"expected": 1.0}] * 4 + [{"expected": 0.0}] * 4
    found = figures(cases_of(*rows), said([True] * 8), clusters=np.array([*"aabbccc", ""]))
    assert (found.independent_positives, found.independent_negatives) == (2, 2)
    assert found.clustered_miss_rate.high > found.labels.critical_confidence.miss_rate.ci95.high


def test_scores_are_judged_as_probabilities() -> None:
    found = figures(
        cases_of(*LABELS), said([True] * 5, score=[0.9, 0.4, 0.5, 0.1, 0.7]), clusters=np.array(list("abcde"))
    )
    assert found.auc == 0.75
    assert found.brier == pytest.approx((0.01 + 0.36 + 0.25 + 0.01) / 4)


def test_nothing_known_is_none_and_never_a_number() -> None:
    empty = cases_of()
    found = figures(empty, said([]), clusters=np.array([], dtype=object))
    assert found.labels.critical_miss_rate is None
    assert found.labels.critical_confidence.miss_rate == Confidence(0, None, None)
    assert found.scores.score_stats.p90 is None
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


def test_gates_read_intervals_by_person_beside_those_by_recording() -> None:
    found = gate_values(figures(cases_of(*LABELS), said([True] * 5), clusters=np.array(list("abcde"))))
    assert found["clustered_miss_rate_ci95_high"] == pytest.approx(0.657620)
    assert found["critical_miss_rate"] == 0.0


def test_repeats_are_reported_among_the_right_figures() -> None:
    repeats = pd.DataFrame([repeat("shifted", "a", 77.0, "fail")])
    found = figures(cases_of(*LABELS), said([True] * 5), clusters=np.array(list("abcde")), repeats=repeats)
    assert found.repeatability.shifted.max_delta == 3.0


def test_arguments_of_other_lengths_are_refused() -> None:
    with pytest.raises(StudyError, match="5 cases but 1 in outcome"):
        figures(cases_of(*LABELS), said([True]), clusters=np.array(list("abcde")))
    with pytest.raises(StudyError, match="5 cases but 1 in clusters"):
        figures(cases_of(*LABELS), said([True] * 5), clusters=np.array(["a"]))
    with pytest.raises(StudyError, match="one length"):
        DetectorOutcome(np.zeros(2, dtype=bool), np.zeros(1, dtype=bool), np.zeros(2))


def test_figures_of_ten_times_as_many_cases_are_no_more_work() -> None:
    def work(n: int) -> int:
        rng = np.random.default_rng(1)
        cases = cases_of(*LABELS).iloc[np.zeros(n, dtype=int)].reset_index(drop=True)
        cases["expected"] = rng.integers(0, 2, n).astype(float)
        people = np.char.add("p", (np.arange(n) % 500).astype(str)).astype(object)
        outcome = old_outcome(cases, "continuous_v1")
        return counted_calls(lambda: figures(cases, outcome, clusters=people)).total()

    assert work(20_000) == work(2_000)
