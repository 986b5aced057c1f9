"""Learning curves: how often their intervals hold, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest

from sopilot_assets.people.curves import FEWEST, practice, running_shares


def test_with_too_few_recordings_there_is_no_curve() -> None:
    assert running_shares([True] * (FEWEST - 1)) == ()
    assert practice([(number, 30.0) for number in range(1, FEWEST)]) is None
    assert len(running_shares([True] * FEWEST)) == 1
    assert practice([(number, 30.0 / number) for number in range(1, FEWEST + 1)]) is not None


def test_the_running_share_looks_at_the_last_ones_only() -> None:
    shares = running_shares([False] * 20 + [True] * FEWEST)
    assert [at.number for at in shares] == list(range(FEWEST, 31))
    assert (shares[0].passed, shares[-1].passed) == (0, FEWEST)
    assert shares[-1].low == pytest.approx(0.722, abs=0.001)  # Wilson's for 10 of 10


@pytest.mark.parametrize("probability", [0.3, 0.7, 0.9])
def test_the_interval_of_the_share_holds_the_probability_as_often_as_it_says(probability: float) -> None:
    rng = np.random.default_rng(7)
    people = rng.random((2000, FEWEST)) < probability
    held = [at.low <= probability <= at.high for row in people for at in running_shares(list(row))]
    assert np.mean(held) > 0.9


def test_the_interval_of_the_times_holds_the_law_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    numbers = np.arange(1, 16)
    held = []
    for _ in range(400):
        seconds = 60 * numbers**-0.2 * np.exp(rng.normal(0, 0.15, len(numbers)))
        law = practice(list(zip(numbers.tolist(), seconds.tolist(), strict=True)))
        assert law is not None
        held.append(
            law.line[-1].low_s <= 60 * 15**-0.2 <= law.line[-1].high_s
            and law.doubling_low <= 2**-0.2 <= law.doubling_high
        )
    assert 0.9 < np.mean(held) < 0.98


def test_where_the_times_only_scatter_nothing_is_said_to_change() -> None:
    law = practice([(number, 30.0 + 5 * (-1) ** number) for number in range(1, 21)])
    assert law is not None
    assert not law.changes
    assert law.doubling_low < 1 < law.doubling_high
