"""Each old detector finds what its formula says, and none speaks about a recording with a problem."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.detectors import (
    CONTINUOUS_V1,
    GUARDED_BINARY_V1,
    GUARDED_BINARY_V2,
    LEGACY_BINARY,
    MODES,
    Guardrails,
    critical_score,
    detect,
)
from sopilot_assets.studies.calibrated import decided
from sopilot_assets.studies.cases import case_frame


def one(**fields: Any) -> Any:
    """A table of one case: a critical missing step, sure enough for every detector."""
    sure = {
        "case_id": "a",
        "score": 50.0,
        "any_critical": True,
        "critical": 1.0,
        "critical_missing": 1.0,
        "missing_distance": 0.05,
        "missing_span": 1.0,
        "dtw_normalized_cost": 0.05,
    }
    return case_frame([sure | fields])


@pytest.mark.parametrize("mode", MODES)
def test_a_sure_critical_deviation_is_detected_by_all(mode: str) -> None:
    assert detect(mode, one()).tolist() == [True]


@pytest.mark.parametrize("mode", MODES)
def test_a_recording_with_a_problem_is_neither_detected_nor_decided(mode: str) -> None:
    cases = one(problem="too_dark")
    assert detect(mode, cases, threshold=0.0).tolist() == [False]
    assert decided(cases, mode).tolist() == [False]
    assert np.isnan(critical_score(cases)).all()


@pytest.mark.parametrize(("cost", "found"), [(0.0249, False), (0.025, True), (0.3, True), (math.nan, False)])
def test_guards_ask_for_a_dtw_cost_of_at_least_the_limit(cost: float, found: bool) -> None:
    cases = one(dtw_normalized_cost=cost)
    assert detect(LEGACY_BINARY, cases).tolist() == [True]
    assert detect(GUARDED_BINARY_V1, cases).tolist() == [found]
    assert detect(GUARDED_BINARY_V2, cases).tolist() == [found]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"missing_distance": 0.11, "missing_span": 1.5}, True),
        ({"missing_distance": 0.1101}, False),
        ({"missing_span": 1.51}, False),
        ({"missing_distance": 0.5, "missing_span": 9.0, "critical_missing": 0.0}, True),
    ],
)
def test_the_second_guard_distrusts_far_or_long_missing_steps(fields: dict[str, float], found: bool) -> None:
    cases = one(**fields)
    assert detect(GUARDED_BINARY_V2, cases).tolist() == [found]
    assert detect(GUARDED_BINARY_V1, cases).tolist() == [True]


@pytest.mark.parametrize(
    ("guardrails", "v1", "v2"),
    [
        (Guardrails(), 0.025, 0.025),
        (Guardrails(min_dtw_v1=0.04), 0.04, 0.04),
        (Guardrails(min_dtw_v1=0.04, min_dtw_v2=0.015), 0.04, 0.015),
        (Guardrails(min_dtw_v2=0.015), 0.025, 0.015),
        (Guardrails(min_dtw_v1=0.0), 0.0, 0.0),
    ],
)
def test_the_second_guards_limit_falls_back_to_the_firsts(
    guardrails: Guardrails, v1: float, v2: float
) -> None:
    assert (guardrails.min_dtw(GUARDED_BINARY_V1), guardrails.min_dtw(GUARDED_BINARY_V2)) == (v1, v2)


def test_the_continuous_score_is_the_documented_sum() -> None:
    cases = one(
        critical=1, quality=2, efficiency=1, miss_steps=1, swap_steps=2, deviation_steps=3,
        dtw_normalized_cost=0.28, over_time_ratio=0.7,
    )  # fmt: skip
    raw = 2.5 + 0.7 + 0.15 + 0.2 + 0.2 + 0.45 + 3 * 0.2 + 0.8 * 0.5
    assert critical_score(cases) == pytest.approx([round(1 - math.exp(-raw), 6)])


def test_missing_numbers_count_as_nothing() -> None:
    cases = one(critical=math.nan, dtw_normalized_cost=math.nan, over_time_ratio=math.nan)
    assert critical_score(cases).tolist() == [0.0]


@pytest.mark.parametrize(("threshold", "found"), [(-3.0, True), (0.0, True), (1.0, False), (7.0, False)])
def test_the_threshold_is_clamped(threshold: float, found: bool) -> None:
    assert detect(CONTINUOUS_V1, one(), threshold=threshold).tolist() == [found]


def test_only_calibrated_detectors_abstain_where_nothing_is_verifiable() -> None:
    cases = one(decision="not_verifiable")
    assert decided(cases, LEGACY_BINARY).tolist() == [True]
    assert decided(cases, "calibrated_v1").tolist() == [False]


def test_an_unknown_detector_is_named_with_those_there_are() -> None:
    with pytest.raises(StudyError, match=r"'guarded_v3'.*legacy_binary"):
        detect("guarded_v3", one())
