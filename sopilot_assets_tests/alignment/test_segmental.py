"""Segmental dynamic programming against trying every segmentation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.alignment.segmental import IMPOSSIBLE, StateSequences, segment

ENTRY = 1.5
WIDE = 50.0
"""A reach that leaves no duration untried."""


def sequences(emission: list[int], log_duration: float = 0.7, spread: float = 0.5) -> StateSequences:
    shape = (1, len(emission))
    return StateSequences(
        np.array([emission]),
        np.full(shape, log_duration),
        np.full(shape, spread),
        np.array([len(emission)]),
    )


def score_of(
    cuts: tuple[tuple[int, int], ...], emissions: np.ndarray, idle: np.ndarray, columns: list[int]
) -> float:
    """The score of one segmentation, straight from the definition."""
    total, end_before = 0.0, 0
    gaps = []
    for (start, end), column in zip(cuts, columns, strict=True):
        gaps.append((end_before, start))
        z = (math.log(end - start) - 0.7) / 0.5
        total += (
            emissions[start:end, column].sum() - 0.5 * z * z - math.log(0.5) - 0.5 * math.log(2 * math.pi)
        )
        end_before = end
    gaps.append((end_before, len(emissions)))
    return total + sum(idle[a:b].sum() - ENTRY for a, b in gaps if b > a)


def best_by_trying(emissions: np.ndarray, idle: np.ndarray, columns: list[int]) -> float:
    n = len(emissions)
    runs = [(a, b) for a in range(n) for b in range(a + 1, n + 1)]
    options = (
        cuts
        for cuts in itertools.product(runs, repeat=len(columns))
        if all(one[1] <= other[0] for one, other in itertools.pairwise(cuts))
    )
    return max((score_of(cuts, emissions, idle, columns) for cuts in options), default=-np.inf)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 3))
def test_no_segmentation_scores_higher(seed: int, clips: int, states: int) -> None:
    rng = np.random.default_rng(seed)
    emissions, idle = rng.normal(size=(clips, 3)), rng.normal(size=clips) - 1
    columns = rng.integers(0, 3, size=states).tolist()
    found = segment(emissions, idle, sequences(columns), idle_entry=ENTRY, reach=WIDE)
    expected = best_by_trying(emissions, idle, columns)
    if expected == -np.inf:
        assert found.score[0] == IMPOSSIBLE
        return
    assert found.score[0] == pytest.approx(expected)
    cuts = tuple(zip(found.start[0].tolist(), found.end[0].tolist(), strict=True))
    assert score_of(cuts, emissions, idle, columns) == pytest.approx(expected)


def test_more_states_than_clips_are_impossible() -> None:
    found = segment(np.zeros((2, 1)), np.zeros(2), sequences([0, 0, 0]), idle_entry=ENTRY, reach=WIDE)
    assert found.score[0] == IMPOSSIBLE


def test_rows_of_a_batch_do_not_influence_each_other() -> None:
    rng = np.random.default_rng(5)
    emissions, idle = rng.normal(size=(20, 3)), np.full(20, -3.0)
    batch = StateSequences(
        np.array([[0, 1, 0], [2, 1, 0]]), np.full((2, 3), 1.5), np.full((2, 3), 0.5), np.array([3, 2])
    )
    together = segment(emissions, idle, batch, idle_entry=ENTRY)
    alone = segment(emissions, idle, sequences([2, 1], 1.5), idle_entry=ENTRY)
    assert together.score[1] == alone.score[0]
    assert together.start[1, :2].tolist() == alone.start[0].tolist()
