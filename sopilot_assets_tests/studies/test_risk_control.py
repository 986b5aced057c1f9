from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

from sopilot_assets.studies.risk_control import (
    control_miss_rate,
    miss_bound,
    most_misses,
    persons_needed,
)


@given(
    persons=st.integers(1, 400),
    target=st.sampled_from([0.02, 0.05, 0.1, 0.3]),
    confidence=st.sampled_from([0.8, 0.9, 0.95]),
)
def test_the_allowed_misses_are_the_most_that_the_exact_test_rejects(
    persons: int, target: float, confidence: float
) -> None:
    allowed = most_misses(persons, target=target, confidence=confidence)
    enough = persons >= persons_needed(target=target, confidence=confidence)
    assert (allowed is not None) == enough
    if allowed is not None:
        assert binom.cdf(allowed, persons, target) <= 1 - confidence + 1e-9
        assert binom.cdf(allowed + 1, persons, target) > 1 - confidence
        assert miss_bound(allowed, persons, confidence=confidence) <= target


def test_persons_needed_without_a_miss() -> None:
    assert persons_needed(target=0.05, confidence=0.9) == 45
    assert persons_needed(target=0.1, confidence=0.9) == 22
    assert persons_needed(target=0.05, confidence=0.95) == 59


def test_too_few_persons_are_infeasible_and_say_how_many_more() -> None:
    risk = control_miss_rate([0.9] * 60, [f"p{i % 12}" for i in range(60)], target=0.05, confidence=0.9)
    assert risk.threshold is None
    assert risk.persons == 12
    assert risk.more_needed == 33
    nobody = control_miss_rate([], [], target=0.05, confidence=0.9)
    assert (nobody.persons, nobody.threshold, nobody.more_needed) == (0, None, 45)


def test_recordings_of_unknown_persons_count_as_one_person() -> None:
    risk = control_miss_rate([0.5] * 100, [""] * 100, target=0.05, confidence=0.9)
    assert risk.persons == 1
    assert risk.threshold is None


def test_the_threshold_lets_exactly_the_allowed_persons_be_missed() -> None:
    rng = np.random.default_rng(3)
    p, persons = rng.random(400), np.repeat([f"p{i:03d}" for i in range(200)], 2)
    risk = control_miss_rate(p, persons, target=0.05, confidence=0.9)
    assert risk.threshold is not None
    missed = {person for person, value in zip(persons, p, strict=True) if value < risk.threshold}
    assert len(missed) == risk.allowed == 5
    assert risk.upper_bound <= 0.05


def test_a_recording_without_a_probability_is_a_miss() -> None:
    persons = [f"p{i}" for i in range(50)]
    sure = control_miss_rate([0.8] * 50, persons, target=0.05, confidence=0.9)
    assert sure.threshold == 0.8
    unsure = control_miss_rate([np.nan, *[0.8] * 49], persons, target=0.05, confidence=0.9)
    assert unsure.threshold is None


@pytest.mark.parametrize("repeats", [1, 4])
def test_the_promised_miss_rate_holds_as_often_as_promised(repeats: int) -> None:
    # persons differ, and recordings of one person resemble each other
    rng = np.random.default_rng(7)
    target, confidence, persons, trials = 0.1, 0.9, 60, 400
    kept = 0
    for _ in range(trials):
        habit = rng.normal(size=persons)
        p = habit[:, None] + rng.normal(size=(persons, repeats))
        scale = 1 / (1 + np.exp(-p))
        names = np.repeat(np.arange(persons).astype(str), repeats)
        risk = control_miss_rate(scale.ravel(), names, target=target, confidence=confidence)
        assert risk.threshold is not None
        # one recording of a new person is normal with variance 2
        level = np.log(risk.threshold / (1 - risk.threshold))
        kept += norm.cdf(level / np.sqrt(2)) <= target
    assert kept / trials >= confidence - 0.03
