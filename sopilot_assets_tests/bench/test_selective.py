"""Errors by coverage, and reliability, of stated probabilities."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.bench.selective import Trial, expected_calibration_error, reliability, risk_at, risks

TRIALS = st.lists(
    st.builds(Trial, st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]), st.booleans()), min_size=1
)


def test_the_most_certain_are_decided_first() -> None:
    trials = [Trial(0.6, False), Trial(0.01, False), Trial(0.9, True)]
    assert risks(trials).tolist() == pytest.approx([0, 0, 1 / 3])
    assert (risk_at(risks(trials), 0.5), risk_at(risks(trials), 1.0)) == pytest.approx((0, 1 / 3))


def test_a_probability_of_one_half_is_wrong_half_the_time() -> None:
    assert risks([Trial(0.5, True)]).tolist() == [0.5]


def test_nothing_has_no_risk_and_no_bins() -> None:
    assert risks([]).size == 0
    assert list(reliability([])) == []


@given(TRIALS, st.integers(0, 9))
def test_the_order_of_trials_changes_nothing(trials: list[Trial], seed: int) -> None:
    shuffled = random.Random(seed).sample(trials, len(trials))
    assert risks(shuffled).tolist() == pytest.approx(risks(trials).tolist())


@given(TRIALS)
def test_bins_hold_every_trial_once_and_what_they_say(trials: list[Trial]) -> None:
    found = list(reliability(trials))
    assert sum(one.n for one in found) == len(trials)
    assert all(one.low - 1e-9 <= one.stated <= one.high + 1e-9 for one in found)
    assert 0 <= expected_calibration_error(trials) <= 1
    assert risks(trials)[-1] == pytest.approx(sum(one.wrong for one in trials) / len(trials))
