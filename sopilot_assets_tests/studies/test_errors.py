"""Why a detector errs, and where: reasons, breakdowns, and the list of all errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.old_rules.detectors import DetectorOutcome
from sopilot_assets.old_rules.errors import false_positive_breakdown, old_reasons
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.errors import (
    DIMENSIONS,
    error_breakdown,
    error_packet,
    reasons,
)


def outcome(cases: pd.DataFrame, detected: list[bool], decided: list[bool] | None = None) -> DetectorOutcome:
    return DetectorOutcome(
        detected=np.array(detected, dtype=bool),
        decided=np.ones(len(cases), dtype=bool) if decided is None else np.array(decided, dtype=bool),
        score=np.nan_to_num(cases["critical_probability"].to_numpy(), nan=0.5),
    )


def imported(**columns: Any) -> dict[str, Any]:
    return {"origin": "imported", "critical": 1.0, "critical_missing": 1.0, "any_critical": True} | columns


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"critical_missing": 0.0, "missing_span": 9.0}, "non_missing_critical"),
        ({"missing_span": 1.6, "missing_distance": 0.11}, "near_freeze_alignment_span"),
        ({"missing_span": 1.5, "missing_distance": 0.12}, "high_distance_alignment_mismatch"),
        ({"missing_span": 1.6, "missing_distance": 0.12}, "severe_alignment_mismatch"),
        ({"critical": 2.0, "missing_span": 1.5, "missing_distance": 0.11}, "multi_missing_step_pattern"),
        ({"missing_span": 1.0}, "single_missing_step_low_distance"),
    ],
)
def test_old_reasons_follow_span_and_distance(columns: dict[str, Any], reason: str) -> None:
    cases = case_frame([imported(case_id="job-1", **columns)])
    assert old_reasons(cases).tolist() == [reason]
    assert reasons(cases, outcome(cases, [True])).tolist() == [reason]


SCORED: dict[str, Any] = {"origin": "scored", "fit": 1.0, "order_evidence": 9.0, "critical_probability": 0.05}


@pytest.mark.parametrize(
    ("columns", "detected", "decided", "reason"),
    [
        ({"problem": "cut"}, False, False, "not_scored"),
        ({}, True, False, "not_verifiable"),
        ({"any_critical": True, "deviation_types": "freeze,missing_step"}, True, True, "freeze_reported"),
        (
            {"fit": 0.2, "order_evidence": 4.0, "any_critical": True, "deviation_types": "missing_step"},
            True,
            True,
            "weak_match_to_golds",
        ),
        ({"any_critical": True, "deviation_types": "missing_step"}, True, True, "missing_step_reported"),
        ({"any_critical": True, "deviation_types": "missing_step,over_time"}, True, True, "several_reported"),
        ({"critical_probability": 0.7}, True, True, "probability_without_finding"),
        ({"any_critical": True, "deviation_types": "missing_step"}, False, True, "finding_overruled"),
        ({"critical_probability": 0.3}, False, True, "uncertain_below_threshold"),
        ({"fit": 0.5, "order_evidence": 1.0}, False, True, "weak_match_to_golds"),
        ({"fit": 0.3, "order_evidence": None}, False, True, "weak_match_to_golds"),
        # other work is possible, and something critical is likelier
        ({"fit": 0.25, "critical_probability": 0.6}, False, True, "uncertain_below_threshold"),
        ({"fit": 0.9, "order_evidence": 2.0, "critical_probability": 0.0}, False, True, "nothing_found"),
        ({"critical_probability": 0.12}, False, True, "uncertain_below_threshold"),
        ({"deviation_types": "order_swap"}, False, True, "reported_as_not_critical"),
        ({}, False, True, "nothing_found"),
    ],
)
def test_reasons_of_scores_follow_the_findings(
    columns: dict[str, Any], detected: bool, decided: bool, reason: str
) -> None:
    cases = case_frame([{"case_id": "k", **SCORED, **columns}])
    assert reasons(cases, outcome(cases, [detected], [decided])).tolist() == [reason]


def job(
    number: int, expected: float | None, *, types: str = "", site: str = "a", gold: str = "1"
) -> dict[str, Any]:
    return {
        "case_id": f"job-{number}",
        "order": number,
        "origin": "imported",
        "deviation_types": types,
        "site": site,
        "gold_id": gold,
        "expected": expected,
    }


CASES = case_frame(
    [
        job(1, 0, types="missing_step,over_time"),
        job(2, 0, types="missing_step", site="b"),
        job(3, 0, site=""),
        job(4, 1, types="order_swap", gold="2"),
        job(5, 1, types="missing_step"),
        job(6, None, types="missing_step"),
    ]
)
FOUND = outcome(CASES, [True, False, False, False, True, True])


def test_the_old_breakdown_counts_negatives_by_type_site_backend_gold_and_reason() -> None:
    overall, made = false_positive_breakdown(CASES, FOUND, mode="legacy_binary")
    assert overall == {
        "labeled_jobs": 5,
        "labeled_positive_jobs": 2,
        "labeled_negative_jobs": 3,
        "false_positive_jobs": 1,
        "false_negative_jobs": 1,
        "true_positive_jobs": 1,
        "true_negative_jobs": 2,
        "false_positive_rate": 0.333333,
        "miss_rate": 0.5,
        "critical_scoring_mode": "legacy_binary",
        "critical_threshold": 0.5,
        "backend": "unknown",
    }
    # a case with two types is in both rows, most negatives come first, then names
    assert [tuple(row.values()) for row in made["by_deviation_type"]] == [
        ("missing_step", 2, 1, 0.5),
        ("none", 1, 0, 0.0),
        ("over_time", 1, 1, 1.0),
    ]
    assert [row["site_id"] for row in made["by_site_id"]] == ["a", "b", "unknown"]
    assert [row["gold_id"] for row in made["by_gold_id"]] == ["1"]


def test_without_labels_the_old_breakdown_has_no_rates() -> None:
    cases = case_frame([job(1, None)])
    overall, made = false_positive_breakdown(cases, outcome(cases, [True]), mode="legacy_binary")
    assert overall["miss_rate"] is None
    assert overall["backend"] == "unknown"
    assert made["by_site_id"] == []


def test_the_packet_lists_every_error_and_what_was_left_undecided() -> None:
    rows = [
        {"case_id": name, "order": place, **SCORED, "expected": expected, "critical_probability": p}
        for place, (name, expected, p) in enumerate(
            [("miss", 1, 0.1), ("worse", 1, 0.01), ("alarm", 0, 0.9), ("right", 0, 0.1), ("left", 1, 0.4)]
        )
    ]
    cases = case_frame([*rows, {"case_id": "nobody knows", "order": 9, **SCORED}])
    found = outcome(cases, [False, False, True, False, False, True], [True, True, True, True, False, True])
    packet = error_packet(cases, found, review_pages={"alarm": "reviews/alarm.html"})
    assert list(packet["case_id"]) == ["worse", "miss", "alarm", "left"]
    assert list(packet["error"]) == ["false_negative", "false_negative", "false_positive", "undecided"]
    assert list(packet["review_page"]) == ["", "", "reviews/alarm.html", ""]


LABELS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0, None]),
        st.booleans(),
        st.booleans(),
        st.sampled_from(["", "a", "b"]),
        st.sampled_from(["", "missing_step", "freeze,over_time"]),
    ),
    max_size=30,
)


@settings(max_examples=40)
@given(LABELS)
def test_every_breakdown_holds_every_labeled_case(
    rows: list[tuple[float | None, bool, bool, str, str]],
) -> None:
    cases = case_frame(
        {"case_id": str(n), "order": n, "expected": e, "site": s, "deviation_types": t, "origin": "scored"}
        for n, (e, _, _, s, t) in enumerate(rows)
    )
    found = outcome(cases, [row[1] for row in rows], [row[2] for row in rows])
    made = error_breakdown(cases, found)
    labeled = sum(row[0] is not None for row in rows)
    counted = made[["positives", "negatives", "undecided_positives", "undecided_negatives"]].sum(axis=1)
    for dimension in DIMENSIONS:
        total = int(counted[made["dimension"] == dimension].sum())
        # a case with two types counts twice
        twice = sum(row[0] is not None and "," in row[4] for row in rows)
        assert total == labeled + (twice if dimension == "deviation_type" else 0)
    packet = error_packet(cases, found)
    sites = made[made["dimension"] == "site"]
    errors = packet["error"].value_counts()
    assert int(sites["misses"].sum()) == errors.get("false_negative", 0)
    assert int(sites["false_alarms"].sum()) == errors.get("false_positive", 0)
