"""How far apart two people's borders are."""

from __future__ import annotations

import pytest

from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.reference.border_agreement import border_agreement
from sopilot_assets.segments import Segment


def steps(*times: tuple[int, float, float]) -> list[StepInterval]:
    return [StepInterval(step, Segment(start_s, end_s)) for step, start_s, end_s in times]


def test_the_parts_of_a_step_are_compared_one_by_one() -> None:
    one = steps((0, 0.0, 4.0), (1, 4.0, 9.0), (0, 9.0, 11.0))
    other = steps((0, 0.5, 4.0), (1, 4.0, 8.8), (0, 9.0, 12.0))
    found = border_agreement(one, other)
    assert [(d.step, d.part) for d in found.differences] == [(0, 0), (1, 0), (0, 1)]
    assert found.differences[0].start_s == pytest.approx(0.5)
    assert found.differences[1].end_s == pytest.approx(-0.2)
    assert found.most_s == pytest.approx(1.0)
    assert found.median_s == pytest.approx(0.1)
    assert found.unmatched == ()


def test_what_only_one_of_them_marked_is_named_and_not_compared() -> None:
    found = border_agreement(steps((0, 0.0, 4.0), (2, 4.0, 5.0)), steps((0, 0.0, 4.0), (1, 4.0, 5.0)))
    assert found.unmatched == (1, 2)
    assert found.median_s == 0
    assert border_agreement(steps((0, 0, 1)), steps((1, 0, 1))).median_s is None


def test_it_is_the_same_from_both_sides() -> None:
    one, other = steps((0, 0.0, 4.0), (1, 4.0, 9.0)), steps((0, 0.0, 4.4), (1, 4.4, 9.0))
    assert border_agreement(one, other).median_s == border_agreement(other, one).median_s
