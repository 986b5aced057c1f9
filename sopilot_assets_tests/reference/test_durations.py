"""Duration priors come from the golds, after each gold's own pace is taken out."""

from __future__ import annotations

import pytest

from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.reference.durations import PRIOR_SPREAD, fit_durations
from sopilot_assets.segments import Segment


def steps(*seconds: float) -> list[StepInterval]:
    edges = [sum(seconds[:index]) for index in range(len(seconds) + 1)]
    return [StepInterval(k, Segment(edges[k], edges[k + 1])) for k in range(len(seconds))]


def test_golds_that_differ_only_in_pace_agree_on_the_steps() -> None:
    durations = fit_durations([steps(2, 4, 8), steps(3, 6, 12), steps(1, 2, 4)], 3, persons=3)
    assert durations.seconds(1) / durations.seconds(0) == pytest.approx(2.0)
    assert durations.seconds(2) == pytest.approx(8.0)
    assert all(spread < PRIOR_SPREAD for spread in durations.spread)
    assert durations.tempo_spread > 0.4


def test_a_step_whose_duration_varies_gets_a_wider_spread() -> None:
    durations = fit_durations([steps(5, 5, 2), steps(5, 5, 5), steps(5, 5, 12)], 3, persons=3)
    assert durations.spread[2] > 2 * durations.spread[0]


def test_what_few_people_show_says_less_about_somebody_else() -> None:
    golds = [steps(5, 5, 2), steps(5, 5, 5), steps(5, 5, 12), steps(5, 5, 5)]
    spreads = [fit_durations(golds, 3, persons=persons).spread for persons in (1, 2, 4)]
    for alone, two, four in zip(*spreads, strict=True):
        assert alone > two > four
        assert alone / four == pytest.approx((2.0 / 1.25) ** 0.5)


def test_a_step_done_in_two_parts_counts_with_both() -> None:
    parts = [
        StepInterval(0, Segment(0, 3)),
        StepInterval(1, Segment(3, 5)),
        StepInterval(0, Segment(5, 6)),
    ]
    assert fit_durations([parts], 2, persons=1).seconds(0) == pytest.approx(4.0)


def test_a_step_no_gold_shows_gets_the_usual_duration() -> None:
    assert fit_durations([steps(4, 4)], 3, persons=1).seconds(2) == pytest.approx(4.0)
