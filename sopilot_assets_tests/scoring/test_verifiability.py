"""What can be said about each step and type of deviation, from tallies alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.alignment.calibration import Calibration, Tally
from sopilot_assets.alignment.explanations import Prices
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.scoring.result import Verifiability
from sopilot_assets.scoring.verifiability import LEAST_POWER, MOST_FALSE, VERIFIED, verifiability
from sopilot_assets.tasks import DeviationType
from sopilot_assets_tests.reference.made_up import STEP_IDS
from sopilot_assets_tests.scoring.made_up import TASK, calibration, no_calibration

MISSING, SWAP = EditKind.MISSING, EditKind.SWAP
REVIEW = 0.13


def rows_of(tallies: Sequence[Tally]) -> tuple[Verifiability, ...]:
    """The rows of a calibration with just these tallies."""
    return verifiability(TASK, Calibration("r", "person", Prices(), tuple(tallies), (None,) * 4), REVIEW)


def row_of(
    found: Calibration, kind: DeviationType = DeviationType.MISSING_STEP, step: str = "clean"
) -> Verifiability:
    return next(row for row in verifiability(TASK, found, REVIEW) if (row.type, row.step_id) == (kind, step))


@st.composite
def tallies(draw: st.DrawFn) -> list[Tally]:
    """One for each kind and step, with up to twelve golds."""
    golds = draw(st.integers(1, 12))
    drawn = []
    for kind in VERIFIED:
        for step in range(len(STEP_IDS)):
            cases = draw(st.integers(0, golds))
            found, invented = draw(st.integers(0, cases)), draw(st.integers(0, golds))
            drawn.append(Tally(kind, step, cases, found, golds, invented))
    return drawn


def test_there_is_one_row_for_each_step_and_type_in_that_order() -> None:
    expected = [
        (step, kind)
        for step in STEP_IDS
        for kind in ("missing_step", "order_swap", "wrong_step", "step_deviation", "over_time")
    ]
    for calibrated in (calibration(), no_calibration()):
        assert [(row.step_id, row.type) for row in verifiability(TASK, calibrated, REVIEW)] == expected


@pytest.mark.parametrize(
    ("tally", "power", "false_rate", "reason"),
    [
        pytest.param(Tally(MISSING, 1, 20, 20, 20, 0), 0.999, 0.001, "", id="always found, never invented"),
        pytest.param(Tally(MISSING, 1, 20, 8, 20, 0), 0.441, 0.001, "fewer than half", id="seldom found"),
        pytest.param(Tally(MISSING, 1, 0, 0, 20, 0), 0.992, 0.001, "", id="never tried: as at other steps"),
        pytest.param(Tally(MISSING, 1, 20, 20, 20, 4), 0.999, 0.187, "", id="sometimes invented"),
        pytest.param(Tally(MISSING, 1, 20, 20, 20, 5), 0.999, 0.233, "too often", id="often invented"),
        pytest.param(Tally(MISSING, 1, 2, 2, 2, 1), 0.996, 0.262, "too often", id="invented in one of two"),
        pytest.param(Tally(MISSING, 1, 20, 0, 20, 9), 0.068, 0.42, "too often", id="both"),
    ],
)
def test_a_row_says_how_often_it_is_found_and_invented_and_what_would_help(
    tally: Tally, power: float, false_rate: float, reason: str
) -> None:
    row = row_of(calibration(tally))
    assert (row.cases, row.golds) == (tally.cases, tally.golds)
    assert (row.power, row.false_rate) == pytest.approx((power, false_rate), abs=1e-3)
    assert row.verifiable is (not reason)
    assert reason in row.reason.en
    assert all(bool(text) is bool(reason) for text in (row.reason.en, row.reason.ja))
    assert all(bool(text) is bool(reason) for text in (row.remedy.en, row.remedy.ja))
    assert ("2 or more" in row.remedy.en and "2本" in row.remedy.ja) is bool(reason)


def test_a_single_gold_verifies_nothing_and_asks_for_another_one() -> None:
    for row in verifiability(TASK, no_calibration(), REVIEW):
        assert not row.verifiable
        assert (row.power, row.false_rate, row.false_upper) == (None, None, None)
        assert (row.cases, row.golds) == (0, 0)
        assert "no other gold" in row.reason.en
        assert "別のお手本" in row.reason.ja
        assert row.remedy.en == "Record golds by other people, 1 or more."
        assert "1本以上" in row.remedy.ja


@settings(max_examples=40, deadline=None)
@given(tallies())
def test_rates_are_shares_and_a_row_is_verifiable_exactly_within_the_limits(drawn: list[Tally]) -> None:
    for row in rows_of(drawn):
        assert row.power is not None
        assert row.false_rate is not None
        assert row.false_upper is not None
        assert 0.0 <= row.power <= 1.0
        assert 0.0 <= row.false_rate <= row.false_upper <= 1.0
        # figures are rounded to three digits after they were judged
        if abs(row.power - LEAST_POWER) > 1e-3 and abs(row.false_rate - MOST_FALSE) > 1e-3:
            assert row.verifiable is (row.power >= LEAST_POWER and row.false_rate <= MOST_FALSE)


@settings(max_examples=40, deadline=None)
@given(tallies(), st.data())
def test_finding_more_never_lowers_a_power_and_inventing_more_never_a_false_rate(
    drawn: list[Tally], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(drawn) - 1))
    tally = drawn[place]
    more = replace(
        tally,
        found=data.draw(st.integers(tally.found, tally.cases)),
        invented=data.draw(st.integers(tally.invented, tally.golds)),
    )
    after = rows_of([*drawn[:place], more, *drawn[place + 1 :]])
    for old, new in zip(rows_of(drawn), after, strict=True):
        if old.type is VERIFIED[tally.kind]:
            assert (new.power or 0.0) >= (old.power or 0.0)
            assert (new.false_rate or 0.0) >= (old.false_rate or 0.0)
        else:
            assert new == old


def test_other_steps_speak_for_a_step_the_less_the_more_golds_there_are() -> None:
    powers = []
    for cases in (1, 3, 8, 20):
        others = [Tally(MISSING, step, cases, cases, cases, 0) for step in (0, 2, 3)]
        powers.append(row_of(calibration(*others, Tally(MISSING, 1, cases, 0, cases, 0))).power or 0.0)
    assert powers == sorted(powers, reverse=True)
    assert powers[0] > 0.4
    assert powers[-1] < 0.1


def test_what_is_known_about_one_type_says_nothing_about_another() -> None:
    invented = [Tally(SWAP, step, 20, 20, 20, 20) for step in range(4)]
    found = calibration(*invented)
    assert not row_of(found, DeviationType.ORDER_SWAP).verifiable
    assert row_of(found, DeviationType.MISSING_STEP) == row_of(calibration(), DeviationType.MISSING_STEP)
