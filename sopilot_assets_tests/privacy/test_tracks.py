"""Faces are followed over time, so that one that is missed now and then is covered all the same."""

from __future__ import annotations

import numpy as np
import pytest

from sopilot_assets.privacy.tracks import (
    GAP_S,
    GROWN,
    HOLD_S,
    LIKELY,
    SURE,
    Boxes,
    Sighting,
    covered_at,
    linked,
)

BOX = (0.4, 0.4, 0.5, 0.6)


def seen(time_s: float, *boxes: tuple[float, ...], sure: float = 0.9) -> Sighting:
    """The boxes found at a time, each as sure as that."""
    return Sighting(time_s, np.array([[*box, sure] for box in boxes]).reshape(-1, 5))


def shifted(share: float) -> tuple[float, ...]:
    return (BOX[0] + share, BOX[1], BOX[2] + share, BOX[3])


def holds(boxes: Boxes, box: tuple[float, ...]) -> bool:
    """Whether one of the boxes holds this one."""
    inside = (boxes[:, :2] <= np.array(box[:2])) & (boxes[:, 2:] >= np.array(box[2:]))
    return bool(inside.all(axis=1).any())


def test_a_face_that_is_missed_in_between_is_covered_from_where_it_was_to_where_it_is() -> None:
    tracks = linked([seen(0.0, BOX), seen(0.4), seen(0.8), seen(1.2, shifted(0.06))])
    assert len(tracks) == 1
    for time_s in (0.0, 0.4, 0.7, 1.2):
        covered = covered_at(tracks, time_s)
        assert len(covered) == 1
        assert holds(covered, BOX) or time_s == 1.2
        assert holds(covered, shifted(0.06)) or time_s == 0.0


def test_a_face_is_covered_a_little_before_it_is_found_and_after() -> None:
    tracks = linked([seen(5.0, BOX), seen(5.2, BOX)])
    assert holds(covered_at(tracks, 5.0 - HOLD_S), BOX)
    assert holds(covered_at(tracks, 5.2 + HOLD_S), BOX)
    assert not len(covered_at(tracks, 5.0 - HOLD_S - 0.1))
    assert not len(covered_at(tracks, 5.2 + HOLD_S + 0.1))


def test_what_is_covered_is_larger_than_the_box() -> None:
    (covered,) = covered_at(linked([seen(0.0, BOX)]), 0.0)
    assert covered == pytest.approx(
        [0.4 - 0.1 * GROWN, 0.4 - 0.2 * GROWN, 0.5 + 0.1 * GROWN, 0.6 + 0.2 * GROWN]
    )


def test_a_face_the_detector_was_sure_of_once_is_followed_with_less_both_ways() -> None:
    doubtful = [seen(0.0, BOX, sure=LIKELY), seen(0.2, BOX, sure=SURE), seen(0.4, BOX, sure=LIKELY)]
    tracks = linked(doubtful)
    assert [list(track.times_s) for track in tracks] == [[0.0, 0.2, 0.4]]
    assert linked([doubtful[0], doubtful[2]]) == ()


def test_faces_far_apart_or_long_after_are_others() -> None:
    far = (0.8, 0.1, 0.9, 0.3)
    assert len(linked([seen(0.0, BOX, far), seen(0.2, BOX, far)])) == 2
    assert len(linked([seen(0.0, BOX), seen(GAP_S + 0.2, BOX)])) == 2
    assert len(linked([seen(0.0, BOX), seen(GAP_S, BOX)])) == 1


def test_two_faces_that_pass_each_other_stay_two() -> None:
    steps = [seen(k / 5, shifted(0.05 * k), shifted(0.3 - 0.05 * k)) for k in range(7)]
    tracks = linked(steps)
    for k in range(7):
        for box in (shifted(0.05 * k), shifted(0.3 - 0.05 * k)):
            assert holds(covered_at(tracks, k / 5), box)


def test_without_faces_nothing_is_covered() -> None:
    assert covered_at(linked([seen(0.0), seen(0.2)]), 0.1).shape == (0, 4)
