"""What is suspected beside what was found."""

from __future__ import annotations

from sopilot_assets.alignment.spans import Alternative, Edit, EditKind
from sopilot_assets.reference.model import Reference
from sopilot_assets.scoring.score import score_alignment
from sopilot_assets.segments import Segment
from sopilot_assets_tests.scoring.made_up import TASK, calibration
from sopilot_assets_tests.scoring.test_deciding import alignment

FIRST, SECOND = Segment(5.0, 7.0), Segment(15.0, 17.0)
ADDED_FIRST, ADDED_LAST = (EditKind.EXTRA, (1,)), (EditKind.EXTRA, (3,))


def moments(reference: Reference, *others: Alternative) -> tuple[list[Segment], list[Segment]]:
    """Where something added was found, and where more is suspected, when the first of two was found."""
    found = Edit(*ADDED_FIRST, FIRST, 3.0, reported=True)
    score = score_alignment(TASK, reference, alignment([found], others=others), calibration())
    return [d.trainee for d in score.deviations], [d.trainee for d in score.suspected]


def test_a_second_added_thing_is_suspected_beside_one_that_was_found(reference: Reference) -> None:
    one = Alternative((ADDED_FIRST,), 0.0, (FIRST,))
    both = Alternative((ADDED_FIRST, ADDED_LAST), -0.4, (FIRST, SECOND))
    assert moments(reference, one, both) == ([FIRST], [SECOND])


def test_what_was_added_is_not_suspected_once_more_where_its_border_lies_elsewhere(
    reference: Reference,
) -> None:
    one = Alternative((ADDED_FIRST,), 0.0, (FIRST,))
    later = Alternative(((EditKind.EXTRA, (2,)),), -0.2, (Segment(6.0, 7.5),))
    assert moments(reference, one, later) == ([FIRST], [])


def test_what_was_added_is_not_suspected_once_more_where_no_moments_were_kept(reference: Reference) -> None:
    one, other = Alternative((ADDED_FIRST,), 0.0), Alternative((ADDED_LAST,), -0.4)
    assert moments(reference, one, other) == ([FIRST], [])
