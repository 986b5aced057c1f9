"""The index says how often it alarms without any drift."""

from __future__ import annotations

import numpy as np
import pytest

from sopilot_assets.errors import StudyError
from sopilot_assets.studies.drift import PROBABILITY_EDGES, SCORE_EDGES, FixedBinDrift, fixed_bin_drift


def test_few_cases_alarm_often_without_drift_and_many_never() -> None:
    rng = np.random.default_rng(1)
    few = fixed_bin_drift(rng.random(20), rng.random(20), edges=PROBABILITY_EDGES, seed=5)
    many = fixed_bin_drift(rng.random(2000), rng.random(2000), edges=PROBABILITY_EDGES, seed=5)
    assert few is not None
    assert many is not None
    assert few.false_alarm_rate > 0.3
    assert many.false_alarm_rate == 0


def test_p_values_without_drift_are_even() -> None:
    rng = np.random.default_rng(2)
    found = [
        fixed_bin_drift(rng.random(60), rng.random(60), edges=PROBABILITY_EDGES, seed=seed, draws=300)
        for seed in range(300)
    ]
    below = np.mean([drift is not None and drift.psi_p_value <= 0.1 for drift in found])
    assert 0.04 < below < 0.16


def test_many_comparisons_alarm_together_as_seldom_as_one() -> None:
    rng = np.random.default_rng(6)

    def compared() -> FixedBinDrift:
        found = fixed_bin_drift(rng.random(60), rng.random(20), edges=PROBABILITY_EDGES, seed=5, draws=500)
        assert found is not None
        return found

    days = [[compared() for _ in range(10)] for _ in range(60)]
    assert sum(any(one.alarms_among(10) for one in day) for day in days) <= 6
    assert sum(any(one.alarms_among(1) for one in day) for day in days) >= 15


def test_a_real_shift_is_found() -> None:
    rng = np.random.default_rng(3)
    found = fixed_bin_drift(rng.normal(80, 5, 200), rng.normal(65, 5, 200), edges=SCORE_EDGES, seed=5)
    assert found is not None
    assert found.psi > 1
    assert found.psi_p_value < 0.001
    assert found.ks_p_value < 0.001
    assert found.alarms_among(50)


def test_the_same_seed_gives_the_same_figures() -> None:
    rng = np.random.default_rng(4)
    old, new = rng.random(80), rng.random(90)
    first, second = (fixed_bin_drift(old, new, edges=PROBABILITY_EDGES, seed=9) for _ in range(2))
    assert first == second


def test_unknown_values_are_left_out_and_too_few_give_nothing() -> None:
    values = np.linspace(0, 1, 40)
    assert fixed_bin_drift(values[:19], values, edges=PROBABILITY_EDGES, seed=1) is None
    gaps = np.append(values, np.nan)
    found = fixed_bin_drift(gaps, values, edges=PROBABILITY_EDGES, seed=1)
    assert found is not None
    assert found.reference_n == 40


def test_edges_have_to_ascend() -> None:
    with pytest.raises(StudyError, match="ascending"):
        fixed_bin_drift(np.zeros(30), np.zeros(30), edges=(0.0, 0.5, 0.5), seed=1)
