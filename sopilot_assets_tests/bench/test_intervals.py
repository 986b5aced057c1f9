"""Intervals of shares, with recordings of one performer kept together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.bench.intervals import BOOTSTRAP, WILSON, share_interval

OUTCOMES = st.lists(st.tuples(st.booleans(), st.sampled_from("abcdefg")), min_size=1, max_size=40)


@given(OUTCOMES, st.integers(0, 3))
def test_an_interval_holds_the_share_and_lies_between_0_and_1(
    outcomes: list[tuple[bool, str]], seed: int
) -> None:
    hits, clusters = zip(*outcomes, strict=True)
    interval = share_interval(hits, clusters, seed=seed)
    assert interval is not None
    assert 0 <= interval.low <= sum(hits) / len(hits) <= interval.high <= 1


@given(OUTCOMES, st.randoms())
def test_the_order_of_recordings_does_not_matter(outcomes: list[tuple[bool, str]], random: object) -> None:
    before = share_interval(*zip(*outcomes, strict=True), seed=0)
    random.shuffle(outcomes)  # type: ignore[attr-defined]
    assert share_interval(*zip(*outcomes, strict=True), seed=0) == before


@pytest.mark.parametrize(
    ("hits", "clusters", "method"),
    [
        ([True, False, True], "abc", BOOTSTRAP),
        ([True, False, True], "aab", WILSON),
        ([True, True, True], "abc", WILSON),
        ([False, False, False], "abc", WILSON),
    ],
)
def test_the_method_is_named(hits: list[bool], clusters: str, method: str) -> None:
    interval = share_interval(hits, list(clusters), seed=0)
    assert interval is not None
    assert interval.method == method


def test_performers_who_differ_make_the_interval_wide() -> None:
    hits = [True] * 20 + [False] * 60
    of_four = share_interval(hits, [str(n // 20) for n in range(80)], seed=0)
    of_eighty = share_interval(hits, [str(n) for n in range(80)], seed=0)
    assert of_four is not None
    assert of_eighty is not None
    assert of_four.high - of_four.low > 2 * (of_eighty.high - of_eighty.low)
    assert (of_eighty.low, of_eighty.high) == pytest.approx((0.163, 0.35), abs=0.015)


def test_nothing_has_no_interval() -> None:
    assert share_interval([], [], seed=0) is None
