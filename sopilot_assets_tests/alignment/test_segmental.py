"""Segmental dynamic programming against trying every segmentation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.alignment.segmental import (
    BORDER_SHARE,
    IMPOSSIBLE,
    StateSequences,
    border_scores,
    segment,
)

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


Cuts = tuple[tuple[int, int], ...]


def score_of(
    cuts: Cuts, emissions: np.ndarray, idle: np.ndarray, border: np.ndarray, columns: list[int], tempo: float
) -> float:
    """The score of one segmentation, straight from the definition."""
    total, end_before = 0.0, 0
    for place, ((start, end), column) in enumerate(zip(cuts, columns, strict=True)):
        z = (math.log(end - start) - 0.7 - tempo) / 0.5
        total += (
            emissions[start:end, column].sum() - 0.5 * z * z - math.log(0.5) - 0.5 * math.log(2 * math.pi)
        )
        if start > end_before:
            total += idle[end_before:start].sum() - ENTRY
        elif place:
            total += border[columns[place - 1], column, start]
        end_before = end
    return total + (idle[end_before:].sum() - ENTRY if end_before < len(emissions) else 0.0)


def all_cuts(clips: int, states: int) -> Iterator[Cuts]:
    runs = [(a, b) for a in range(clips) for b in range(a + 1, clips + 1)]
    for cuts in itertools.product(runs, repeat=states):
        if all(one[1] <= other[0] for one, other in itertools.pairwise(cuts)):
            yield cuts


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 3))
def test_no_segmentation_at_any_tempo_scores_higher(seed: int, clips: int, states: int) -> None:
    rng = np.random.default_rng(seed)
    emissions, idle = rng.normal(size=(clips, 3)), rng.normal(size=clips) - 1
    border = rng.normal(size=(3, 3, clips + 1))
    columns = rng.integers(0, 3, size=states).tolist()
    tempi = {-0.5: -0.8, 0.0: 0.0, 0.6: -1.1}
    found = segment(
        emissions,
        idle,
        sequences(columns),
        idle_entry=ENTRY,
        border=border,
        reach=WIDE,
        log_tempi=list(tempi),
        tempo_scores=list(tempi.values()),
    )

    def at_its_tempo(cuts: Cuts) -> float:
        return max(score_of(cuts, emissions, idle, border, columns, tempo) + tempi[tempo] for tempo in tempi)

    expected = max(map(at_its_tempo, all_cuts(clips, states)), default=-np.inf)
    if expected == -np.inf:
        assert found.score[0] == IMPOSSIBLE
        return
    assert found.score[0] == pytest.approx(expected)
    traced = tuple(zip(found.start[0].tolist(), found.end[0].tolist(), strict=True))
    assert at_its_tempo(traced) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8))
def test_border_scores_know_no_direction_of_time(seed: int, clips: int) -> None:
    emissions = 2 * np.random.default_rng(seed).normal(size=(clips, 3))
    forwards, backwards = border_scores(emissions), border_scores(emissions[::-1])
    assert backwards == pytest.approx(np.swapaxes(forwards, 0, 1)[:, :, ::-1])
    assert forwards[np.arange(3), np.arange(3)] == pytest.approx(0.0)
    # a clip that is purely one state loses at most the share that the other one takes
    assert forwards.min() >= 2 * math.log1p(-BORDER_SHARE)


def test_a_border_pays_where_both_clips_beside_it_look_like_the_other_side() -> None:
    clear = np.log(np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 3))
    blurred = np.log(np.array([[0.9, 0.1]] * 2 + [[0.4, 0.6], [0.6, 0.4]] + [[0.1, 0.9]] * 2))
    assert border_scores(clear)[0, 1, 3] < 0.0 < border_scores(blurred)[0, 1, 3]


def test_more_states_than_clips_are_impossible() -> None:
    found = segment(np.zeros((2, 1)), np.zeros(2), sequences([0, 0, 0]), idle_entry=ENTRY, reach=WIDE)
    assert found.score[0] == IMPOSSIBLE


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_rows_of_a_batch_do_not_influence_each_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    emissions, idle = rng.normal(size=(20, 3)), np.full(20, -3.0)
    length = rng.integers(1, 5, size=12)
    shape = (12, 4)
    emission = rng.integers(0, 2, size=shape)
    log_duration, spread = rng.choice([1.2, 1.5], size=shape), rng.choice([0.3, 0.5], size=shape)
    together = segment(
        emissions, idle, StateSequences(emission, log_duration, spread, length), idle_entry=ENTRY
    )
    for row, states in enumerate(length.tolist()):
        alone = StateSequences(
            emission[[row], :states], log_duration[[row], :states], spread[[row], :states], length[[row]]
        )
        found = segment(emissions, idle, alone, idle_entry=ENTRY)
        assert together.score[row] == found.score[0]
        assert together.start[row, :states].tolist() == found.start[0].tolist()
        assert together.end[row, :states].tolist() == found.end[0].tolist()
