"""How little of a first or last step may be in a recording before it counts as missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sopilot_assets.alignment.spans import Edit, EditKind
from sopilot_assets.reference.model import Reference
from sopilot_assets.scoring.compared import Compared
from sopilot_assets.scoring.deviations import PARTIAL_SHARE, counts_for, too_little_left
from sopilot_assets.segments import Segment
from sopilot_assets_tests.reference.made_up import STEP_IDS
from sopilot_assets_tests.scoring.edited import FROZEN, PARTIAL, alignment, edit
from sopilot_assets_tests.scoring.made_up import TASK, calibration

LAST = 3


def compared(reference: Reference, *edits: Edit, spread: float = 0.2) -> Compared:
    durations = replace(reference.durations, spread=(spread,) * len(STEP_IDS))
    return Compared(TASK, alignment(edits), replace(reference, durations=durations), calibration())


def last(seconds: float) -> Segment:
    return Segment(15.0, 15.0 + seconds)


def test_the_less_of_a_step_is_left_the_more_likely_it_is_missing(reference: Reference) -> None:
    shown = compared(reference)
    usual_s = shown.usual_s(LAST)
    likely = [too_little_left(shown, LAST, last(share * usual_s)) for share in (0.2, 0.4, 0.6, 0.8, 1.0, 1.3)]
    assert likely == sorted(likely, reverse=True)
    assert likely[0] > 0.99
    assert likely[-2] < 0.1
    assert 0.45 < too_little_left(shown, LAST, last(PARTIAL_SHARE * usual_s)) < 0.6


def test_where_people_differ_more_the_same_share_says_less(reference: Reference) -> None:
    usual_s = compared(reference).usual_s(LAST)
    for share, rises in ((0.5, False), (1.0, True)):
        alike, unlike = (
            too_little_left(compared(reference, spread=spread), LAST, last(share * usual_s))
            for spread in (0.15, 0.4)
        )
        assert (unlike > alike) is rises


def test_a_step_beside_a_picture_that_stands_still_is_not_cut_short(reference: Reference) -> None:
    shown = compared(reference, edit(FROZEN, start_s=16.0, end_s=20.0))
    assert too_little_left(shown, LAST, last(1.0)) == 0.0


def test_a_cut_without_a_place_counts_nothing(reference: Reference) -> None:
    assert too_little_left(compared(reference), LAST, Segment(0.0, 0.0)) == 0.0


def test_only_a_cut_is_weighed_by_what_is_left(reference: Reference) -> None:
    shown = compared(reference)
    worth = shown.worth(EditKind.MISSING, (LAST,))
    assert counts_for(shown, EditKind.MISSING, (LAST,), last(5.0)) == worth
    assert counts_for(shown, PARTIAL, (LAST,), last(2.0)) == pytest.approx(worth, abs=0.02)
    assert counts_for(shown, PARTIAL, (LAST,), last(5.0)) < 0.1
