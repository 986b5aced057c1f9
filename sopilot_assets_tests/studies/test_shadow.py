"""A candidate detector beside the baseline: pairs, changes, and tests on errors."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.detectors import DetectorOutcome
from sopilot_assets.old_rules.shadow import old_shadow
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.shadow import (
    changed_frame,
    clustered_sign_test,
    exact_mcnemar,
    shadow_report,
)

YES, NO, CANNOT = "detected", "clear", "undecided"


def table(*expected: float | None) -> pd.DataFrame:
    return case_frame(
        {"case_id": f"job-{number}", "order": number, "person": "ab"[number % 2], "expected": label}
        for number, label in enumerate(expected, start=1)
    )


def says(*words: str) -> DetectorOutcome:
    return DetectorOutcome(
        detected=np.array([word == YES for word in words]),
        decided=np.array([word != CANNOT for word in words]),
        score=np.array([0.9 if word == YES else 0.1 for word in words]),
    )


CASES = table(1, 1, 1, 0, 0, None, 1)
BASELINE = says(YES, YES, NO, YES, NO, NO, CANNOT)
CANDIDATE = says(YES, NO, YES, NO, NO, YES, YES)


def test_every_pair_is_counted_and_every_change_listed() -> None:
    report = shadow_report(CASES, BASELINE, CANDIDATE)
    assert report["cases"] == 7
    assert report["paired"] == {
        "clear_clear": 1,
        "clear_detected": 2,
        "clear_undecided": 0,
        "detected_clear": 2,
        "detected_detected": 1,
        "detected_undecided": 0,
        "undecided_clear": 0,
        "undecided_detected": 1,
        "undecided_undecided": 0,
    }
    assert report["decision_change_rate"] == round(5 / 7, 6)
    changed = changed_frame(report).set_index("case_id")
    assert list(changed["effect"]) == ["broken", "fixed", "fixed", "", ""]
    assert changed.loc["job-7", "baseline"] == CANNOT
    assert changed.loc["job-6", "expected"] is None


def test_errors_are_compared_where_both_decided_and_there_is_a_label() -> None:
    tests = shadow_report(CASES, BASELINE, CANDIDATE, clusters=CASES["person"].to_numpy())["tests"]
    assert tests["all"] == {
        "compared": 5,
        "not_compared": 1,
        "both_right": 2,
        "both_wrong": 0,
        "fixed": 2,
        "broken": 1,
        "mcnemar_p": 1.0,
        "clusters": 2,
        "clustered_p": 1.0,
    }
    assert (tests["positives"]["fixed"], tests["positives"]["broken"]) == (1, 1)
    assert (tests["negatives"]["fixed"], tests["negatives"]["broken"]) == (1, 0)


def test_the_old_report_counts_what_both_decided() -> None:
    old = old_shadow(CASES, BASELINE, CANDIDATE)
    assert old["shadow_diff"] == {
        "total_jobs": 6,
        "both_detected": 1,
        "baseline_only": 2,
        "candidate_only": 2,
        "neither_detected": 1,
        "decision_change_rate": round(4 / 6, 6),
        "changed_job_ids": [2, 3, 4, 6],
    }
    # of the positives, the baseline decided three and the candidate four
    assert old["delta"]["critical_miss_rate_delta"] == round(1 / 4 - round(1 / 3, 6), 6)
    assert old["delta"]["critical_false_positive_rate_delta"] == -0.5


def test_without_labels_there_are_no_rates() -> None:
    report = shadow_report(table(None, None), says(YES, NO), says(NO, NO))
    assert report["delta"]["critical_miss_rate_delta"] is None
    assert report["delta"]["critical_detected_rate_delta"] == -0.5
    assert report["tests"]["all"]["mcnemar_p"] == 1.0


def test_a_detector_beside_itself_changes_nothing() -> None:
    report = shadow_report(CASES, CANDIDATE, CANDIDATE)
    assert (report["changed"], report["decision_change_rate"]) == ([], 0.0)


def test_a_tiny_p_value_is_not_rounded_to_nothing() -> None:
    n = 60
    report = shadow_report(table(*[1.0] * n), says(*[NO] * n), says(*[YES] * n))
    assert report["tests"]["all"]["mcnemar_p"] == pytest.approx(2.0**-59, rel=1e-5)


def test_outcomes_of_another_table_are_refused() -> None:
    with pytest.raises(StudyError, match=r"all 2 cases, found \[2, 1\]"):
        shadow_report(table(1, 0), says(YES, NO), says(YES))


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_the_two_sided_sign_test(fixed: int, broken: int) -> None:
    n, k = fixed + broken, min(fixed, broken)
    tail = sum(math.comb(n, i) for i in range(k + 1)) / 2**n
    assert exact_mcnemar(fixed, broken) == pytest.approx(min(1.0, 2 * tail))


@given(st.lists(st.sampled_from([-1, 0, 1]), max_size=40))
def test_with_one_case_a_cluster_the_clustered_test_is_mcnemar(signs: list[int]) -> None:
    clusters = np.arange(len(signs)).astype(str)
    p = clustered_sign_test(np.array(signs, dtype=np.int64), clusters)
    assert p == pytest.approx(exact_mcnemar(signs.count(1), signs.count(-1)))


@given(st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.integers(0, 6)), min_size=1, max_size=30))
def test_the_clustered_test_counts_all_flips_of_whole_clusters(pairs: list[tuple[int, int]]) -> None:
    signs = np.array([sign for sign, _ in pairs], dtype=np.int64)
    clusters = np.array([f"c{cluster}" for _, cluster in pairs])
    sums = [int(signs[clusters == name].sum()) for name in sorted(set(clusters))]
    totals = [
        sum(sign * total for sign, total in zip(flips, sums, strict=True))
        for flips in itertools.product((-1, 1), repeat=len(sums))
    ]
    expected = np.mean([abs(total) >= abs(sum(sums)) for total in totals])
    assert clustered_sign_test(signs, clusters) == pytest.approx(expected)


def test_repeats_of_few_persons_prove_little() -> None:
    rng = np.random.default_rng(0)
    signs: npt.NDArray[np.int64] = np.ones(100, dtype=np.int64)
    persons = rng.integers(0, 4, 100).astype(str)
    assert exact_mcnemar(100, 0) < 1e-20
    assert clustered_sign_test(signs, persons) == pytest.approx(2 / 2**4)
