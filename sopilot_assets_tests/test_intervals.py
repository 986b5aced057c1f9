"""Intervals hold as often as they say, also where cases of one person resemble each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.errors import StudyError
from sopilot_assets.intervals import clustered, more_needed, wilson


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(32, 211, 0.109521, 0.206253), (203, 379, 0.485304, 0.585222), (5, 379, 0.005648, 0.030507)],
)
def test_wilson_is_the_old_systems(k: int, n: int, low: float, high: float) -> None:
    assert wilson(k, n) == pytest.approx((low, high), abs=1e-6)


def test_wilson_takes_arrays_and_knows_nothing_of_no_cases() -> None:
    low, high = wilson(np.array([0, 0, 3]), np.array([0, 10, 3]))
    assert math.isnan(low[0])
    assert math.isnan(high[0])
    assert low[1] == 0.0
    assert high[2] == 1.0
    assert all(math.isnan(bound) for bound in wilson(0, 0))


@given(n=st.integers(1, 500), share=st.floats(0, 1))
def test_wilson_holds_the_point_inside_of_0_and_1(n: int, share: float) -> None:
    k = round(n * share)
    low, high = wilson(k, n)
    assert 0 <= low <= k / n + 1e-12
    assert k / n - 1e-12 <= high <= 1


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_people_with_one_case_each_lose_at_most_one_case(hits: list[bool]) -> None:
    n = len(hits)
    found = clustered(np.array(hits), [f"p{place}" for place in range(n)])
    assert n - 1 - 1e-9 <= found.effective_n <= n
    assert found.high == pytest.approx(wilson(sum(hits), n)[1], abs=1.5 / n)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=1, max_size=80))
def test_a_clustered_interval_is_never_narrower_than_wilsons(rows: list[tuple[bool, int]]) -> None:
    hits = np.array([hit for hit, _ in rows])
    found = clustered(hits, [str(name) for _, name in rows])
    low, high = wilson(hits.sum(), len(hits))
    assert found.low <= low + 1e-9
    assert found.high >= high - 1e-9
    assert 1 <= found.effective_n <= len(rows)
    assert found.clusters == len({name for _, name in rows})


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), min_size=1, max_size=40))
def test_the_order_of_cases_does_not_matter(rows: list[tuple[bool, str]]) -> None:
    shuffled = sorted(rows)
    first = clustered(np.array([hit for hit, _ in rows]), [name for _, name in rows])
    second = clustered(np.array([hit for hit, _ in shuffled]), [name for _, name in shuffled])
    assert (first.low, first.high) == pytest.approx((second.low, second.high))


def test_repeats_of_the_same_people_add_nothing() -> None:
    people = [f"p{place}" for place in range(24)]
    failed = np.arange(24) < 2
    once = clustered(failed, people)
    often = clustered(np.repeat(failed, 25), np.repeat(people, 25))
    assert often.effective_n <= 24
    assert often.high >= once.high - 1e-9
    assert wilson(50, 600)[1] < 0.11 < often.high


def test_no_error_at_all_says_as_much_as_one_case_a_person() -> None:
    found = clustered(np.zeros(120, dtype=bool), np.repeat([f"p{place}" for place in range(24)], 5))
    assert found.effective_n == 24
    assert found.high == pytest.approx(wilson(0, 24)[1])


def test_one_error_never_makes_the_upper_bound_lower() -> None:
    people = np.repeat([f"p{place}" for place in range(10)], 10)
    none = np.zeros(100, dtype=bool)
    one = none.copy()
    one[0] = True
    assert clustered(one, people).high >= clustered(none, people).high


def test_unknown_people_count_as_one() -> None:
    found = clustered(np.array([True, False, False, True]), ["", "", "", "anna"])
    assert found.clusters == 2


def test_one_person_says_as_much_as_one_case() -> None:
    found = clustered(np.array([True] * 9 + [False]), ["anna"] * 10)
    assert found.effective_n == 1
    assert found.high - found.low > 0.7


def test_no_cases_have_no_interval() -> None:
    found = clustered(np.zeros(0, dtype=bool), [])
    assert (found.n, found.clusters) == (0, 0)
    assert found.point is None
    assert found.high is None


def test_a_cluster_for_each_case_is_asked_for() -> None:
    with pytest.raises(StudyError, match="3 outcomes but 2 clusters"):
        clustered(np.zeros(3, dtype=bool), ["a", "b"])


@pytest.mark.parametrize(
    ("share", "correlation", "people", "each"),
    [(0.05, 0.5, 24, 20), (0.05, 0.1, 60, 20), (0.2, 0.5, 10, 5), (0.02, 0.5, 60, 5), (0.1, 0.0, 24, 5)],
)
def test_intervals_hold_the_truth_as_often_as_they_say(
    share: float, correlation: float, people: int, each: int
) -> None:
    rng = np.random.default_rng(7)
    names = np.repeat([f"p{place}" for place in range(people)], each)
    held = 0
    for _ in range(400):
        of_person = np.full(people, share)
        if correlation:
            spread = (1 - correlation) / correlation
            of_person = rng.beta(share * spread, (1 - share) * spread, people)
        found = clustered(rng.random(people * each) < np.repeat(of_person, each), names)
        held += found.low <= share <= found.high
    assert held / 400 >= 0.935  # 0.95 less twice the simulation's own error


@given(k=st.integers(0, 20), extra=st.integers(0, 200), limit=st.floats(0.02, 0.9))
def test_the_number_needed_is_the_smallest_that_is_enough(k: int, extra: int, limit: float) -> None:
    n = k + extra
    more = more_needed(k, n, limit)
    assert more is not None
    if n + more:
        assert wilson(k, n + more)[1] <= limit + 1e-9
    if more:
        assert n + more - 1 == 0 or wilson(k, n + more - 1)[1] > limit - 1e-9


@pytest.mark.parametrize(("limit", "more"), [(0.0, None), (1.0, 0), (0.1, 35)])
def test_the_number_needed_at_the_edges(limit: float, more: int | None) -> None:
    assert more_needed(0, 0, limit) == more
