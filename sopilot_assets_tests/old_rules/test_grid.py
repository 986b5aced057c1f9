from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.intervals import clustered, wilson
from sopilot_assets.old_rules.detectors import GUARDED_BINARY_V2, detect
from sopilot_assets.old_rules.grid import (
    DEFAULT_GRID,
    Limits,
    Rates,
    best_rates,
    fit_grid,
)
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.profiles import PROFILES
from sopilot_assets_tests.studies.simulated_cases import simulated_cases

LEVELS = st.sampled_from([math.nan, 0.0, 0.02, 0.025, 0.1, 0.11, 0.12, 1.0, 1.5, 1.8, 2.5])


@st.composite
def case_rows(draw: st.DrawFn) -> list[dict[str, object]]:
    size = draw(st.integers(1, 25))
    return [
        {
            "case_id": f"c{i}",
            "order": i,
            "score": 50.0,
            "person": draw(st.sampled_from(["", "a", "b", "c"])),
            "problem": draw(st.sampled_from(["", "", "", "too dark"])),
            "any_critical": draw(st.booleans()),
            "critical_missing": float(draw(st.integers(0, 2))),
            "dtw_normalized_cost": draw(LEVELS),
            "missing_distance": draw(LEVELS),
            "missing_span": draw(LEVELS),
            "expected": draw(st.sampled_from([0.0, 1.0, math.nan])),
        }
        for i in range(size)
    ]


@settings(max_examples=60, deadline=None)
@given(rows=case_rows(), by_person=st.booleans())
def test_every_point_is_what_the_detector_itself_gives(
    rows: list[dict[str, object]], by_person: bool
) -> None:
    cases = case_frame(rows)
    clusters = cases["person"].to_numpy(dtype=object) if by_person else None
    points = fit_grid(
        cases,
        max_miss=0.05,
        max_fpr=0.15,
        intervals=True,
        max_miss_high=0.1,
        max_fpr_high=0.2,
        clusters=clusters,
    )
    assert len(points) == 294
    expected = cases["expected"].to_numpy()
    sound = (cases["problem"] == "").to_numpy()
    for point in points[::29]:
        found = detect(GUARDED_BINARY_V2, cases, guardrails=point.guardrails())
        for truth, errors, rate, high in (
            (1, ~found, point.rates.miss, point.rates.miss_high),
            (0, found, point.rates.fpr, point.rates.fpr_high),
        ):
            chosen = (expected == truth) & sound
            n, k = int(chosen.sum()), int(errors[chosen].sum())
            if n == 0:
                assert rate is None
                assert high is None
                continue
            bound = clustered(errors[chosen], clusters[chosen]).high if by_person else wilson(k, n)[1]
            assert rate == round(k / n, 6)
            assert high == pytest.approx(bound, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(rows=case_rows())
def test_points_are_ranked_by_violation_then_rates_then_nearness_to_the_usual_constants(
    rows: list[dict[str, object]],
) -> None:
    points = fit_grid(case_frame(rows), max_miss=0.05, max_fpr=0.15)

    def rank(i: int) -> tuple[float, ...]:
        point = points[i]
        fpr, miss = (1.0 if rate is None else rate for rate in (point.rates.fpr, point.rates.miss))
        usual = abs(point.min_dtw - 0.025) + abs(point.max_distance - 0.11) + abs(point.max_span - 1.5)
        return (not point.feasible, point.violation, fpr, miss, usual)

    ranks = [rank(i) for i in range(len(points))]
    assert ranks == sorted(ranks)
    distinct = {(point.min_dtw, point.max_distance, point.max_span) for point in points}
    assert len(distinct) == len(points) == len(DEFAULT_GRID.min_dtw) * 49


def test_violation_adds_up_what_limits_are_exceeded_by() -> None:
    rates = Rates(tp=8, fn=2, fp=0, tn=0, miss=0.2, fpr=None, miss_high=0.5, fpr_high=None)
    assert rates.violation(Limits()) == 0.0
    assert rates.violation(Limits(max_miss=0.05)) == 0.15
    assert rates.violation(Limits(max_miss=0.05, max_fpr=0.15)) == 1.15
    assert rates.violation(Limits(max_miss=0.3, max_miss_high=0.1)) == 0.4


def test_limits_come_from_the_gate_and_bounds_only_where_they_are_asked_for() -> None:
    old, new = PROFILES["research_v2"].thresholds, PROFILES["research_v3"].thresholds
    assert Limits.of(old, intervals=False) == Limits(0.05, 0.15)
    assert Limits.of(old, intervals=True) == Limits(0.05, 0.15, 0.1, 0.2)
    assert Limits.of(new, intervals=True) == Limits(0.05, 0.15, 0.1, 0.2, clustered=True)
    assert Limits.of(new, intervals=False) == Limits(0.05, 0.15)
    assert Limits.of(PROFILES["ops_v1"].thresholds, intervals=True) == Limits()


def test_bounds_bind_only_with_intervals() -> None:
    cases = simulated_cases(12)
    loose = fit_grid(cases, max_miss=1.0, max_fpr=1.0, max_miss_high=0.0, max_fpr_high=0.0)
    bound = fit_grid(cases, max_miss=1.0, max_fpr=1.0, intervals=True, max_miss_high=0.0, max_fpr_high=0.0)
    assert loose[0].feasible
    assert not bound[0].feasible


def test_the_best_of_equals_is_the_last() -> None:
    same = Rates(1, 1, 1, 1, 0.5, 0.5, None, None)
    better = Rates(2, 0, 1, 1, 0.0, 0.5, None, None)
    assert best_rates([same, same], Limits()) == 1
    assert best_rates([better, same, same], Limits()) == 0
