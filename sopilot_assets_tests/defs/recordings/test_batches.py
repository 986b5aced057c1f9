"""Which registered keys become which runs."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.defs.recordings.batches import FIRST_WAIT_S, Attempt, Batch, plan_batches
from sopilot_assets.stations.key_ranges import contiguous_ranges

KEYS = ["a", "b", "c", "d", "e", "f", "g", "h"]


def ranges(batches: list[Batch]) -> list[str]:
    return [str(batch.keys) for batch in batches]


def plan(
    *, done: str = "", attempts: list[Attempt] | None = None, now_s: float = 0.0, largest: int = 8
) -> list[Batch]:
    return plan_batches(KEYS, done=set(done), attempts=attempts or [], now_s=now_s, largest=largest)


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        ("", ["[a...h]"]),
        ("abcdefgh", []),
        ("abc", ["[d...h]"]),
        ("ceg", ["[a...b]", "d", "f", "h"]),
    ],
)
def test_new_keys_become_as_few_ranges_as_possible(done: str, expected: list[str]) -> None:
    assert ranges(plan(done=done)) == expected


def test_a_range_larger_than_one_run_takes_is_cut() -> None:
    assert ranges(plan(largest=3)) == ["[a...c]", "[d...f]", "[g...h]"]


def test_keys_of_a_run_in_flight_are_left_alone() -> None:
    assert ranges(plan(attempts=[Attempt("r1", "b", "d", None)], now_s=9e9)) == ["a", "[e...h]"]


def test_a_failed_range_waits_and_then_goes_in_quarters() -> None:
    failed = [Attempt("r1", "a", "h", 1000.0)]
    assert plan(attempts=failed, now_s=1000.0 + FIRST_WAIT_S - 1) == []
    later = plan(attempts=failed, now_s=1000.0 + FIRST_WAIT_S)
    assert ranges(later) == ["[a...b]", "[c...d]", "[e...f]", "[g...h]"]


def test_a_failed_range_does_not_wait_until_a_clock_that_went_back_has_caught_up() -> None:
    failed = [Attempt("r1", "a", "h", 90_000.0)]
    assert plan(attempts=failed, now_s=90_000.0 - FIRST_WAIT_S + 1) == []
    assert len(plan(attempts=failed, now_s=3600.0)) == 4


def test_new_keys_do_not_wait_for_the_failed_ones_before_them() -> None:
    failed = [Attempt("r1", "a", "d", 1000.0)]
    assert ranges(plan(attempts=failed, now_s=1001.0)) == ["[e...h]"]


def test_a_recording_that_takes_its_runs_down_ends_alone() -> None:
    attempts: list[Attempt] = []
    done: set[str] = set()
    now_s = 0.0
    for round_number in range(6):
        for batch in plan_batches(KEYS, done=done, attempts=attempts, now_s=now_s, largest=8):
            covered = set(KEYS[KEYS.index(batch.keys.start) : KEYS.index(batch.keys.end) + 1])
            attempts.append(
                Attempt(f"{round_number}{batch.run_key}", batch.keys.start, batch.keys.end, now_s)
            )
            done |= set() if "c" in covered else covered
        now_s += 10_000.0
    assert set(KEYS) - done == {"c"}


def test_the_same_state_gives_the_same_run_key_and_an_attempt_changes_it() -> None:
    first, again = plan(), plan()
    tried = plan(attempts=[Attempt("r1", "a", "h", 0.0)], now_s=9e9, largest=32)
    assert [batch.run_key for batch in first] == [batch.run_key for batch in again]
    assert ranges(tried) == ranges(first)
    assert tried[0].run_key != first[0].run_key


@given(st.sets(st.sampled_from(KEYS)))
def test_ranges_hold_exactly_the_wanted_keys_and_never_touch(wanted: set[str]) -> None:
    found = contiguous_ranges(KEYS, wanted)
    places = [(KEYS.index(keys.start), KEYS.index(keys.end)) for keys in found]
    assert {KEYS[place] for start, end in places for place in range(start, end + 1)} == wanted
    assert all(earlier[1] + 1 < later[0] for earlier, later in pairwise(places))
    assert sum(keys.size for keys in found) == len(wanted)
