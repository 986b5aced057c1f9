"""What an explanation costs: each edit its own price, and every one after the first more than that."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest

from sopilot_assets.alignment.explanations import Explanation, PlannedEdit, Prices, procedure, single_edits
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.reference.durations import Durations

PRICES = Prices()
DURATIONS = Durations((1.0, 1.0, 1.0), (0.2, 0.2, 0.2), 0.2, ((), (), ()))
WHOLE = procedure((0, 1, 2), DURATIONS)
MISSING, LONG = PlannedEdit(EditKind.MISSING, (1,)), PlannedEdit(EditKind.LONG, (0,))
CUT = PlannedEdit(EditKind.PARTIAL, (2,))


def edited(*changes: PlannedEdit) -> Explanation:
    """The procedure with these changes, made one after the other."""
    explanation = WHOLE
    for change in changes:
        explanation = next(e for e in single_edits(explanation, PRICES) if change in e.changes)
    return explanation


@pytest.mark.parametrize("changes", [(MISSING, LONG), (LONG, MISSING)], ids=["missing first", "long first"])
def test_a_second_deviation_costs_more_than_its_price_in_whatever_order(
    changes: tuple[PlannedEdit, ...],
) -> None:
    assert edited(*changes).price == pytest.approx(PRICES.missing + PRICES.long + PRICES.further)


@pytest.mark.parametrize("changes", [(MISSING, CUT), (CUT, MISSING)], ids=["missing first", "cut first"])
def test_where_a_recording_begins_and_ends_is_no_second_deviation(changes: tuple[PlannedEdit, ...]) -> None:
    assert edited(*changes).price == pytest.approx(PRICES.missing + PRICES.partial)


def test_each_deviation_after_the_first_costs_more() -> None:
    longer = PlannedEdit(EditKind.LONG, (2,))
    assert edited(MISSING, LONG, longer).price == pytest.approx(
        PRICES.missing + 2 * PRICES.long + 2 * PRICES.further
    )


def test_what_is_added_is_the_same_whatever_is_missing_and_whichever_is_edited_first() -> None:
    """Two explanations of one thing would count it twice."""
    seconds = (2.0, 4.0, 8.0, 16.0)
    uneven = Durations(tuple(map(math.log, seconds)), (0.2,) * 4, 0.2, tuple((one,) for one in seconds))
    base, found = procedure(range(4), uneven), defaultdict[object, set[object]](set)
    for first in single_edits(base, Prices()):
        for both in single_edits(first, Prices()):
            if both.kinds == (EditKind.EXTRA, EditKind.MISSING):
                found[tuple((state.step, state.stands_for) for state in both.states)].add(both.states)
                if first.kinds == (EditKind.MISSING,):
                    at_the_end = both.states[-1].stands_for is None
                    assert ((4,) in [change.steps for change in both.changes]) is at_the_end
    assert len(found) > 50
    assert {len(ways) for ways in found.values()} == {1}
