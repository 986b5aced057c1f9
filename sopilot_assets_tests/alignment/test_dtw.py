"""Dynamic time warping: the cheapest monotone path."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.alignment.dtw import cheapest_path, warp_path


def unit_rows(seed: int, count: int) -> npt.NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, 5))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def cheapest(distance: npt.NDArray[np.float64]) -> float:
    """The cost of the best of all monotone paths, by trying each."""
    m, n = distance.shape
    best = np.inf
    for moves in itertools.product([(1, 1), (1, 0), (0, 1)], repeat=m + n - 2):
        i = j = 0
        total = distance[0, 0]
        for di, dj in moves:
            if (i, j) == (m - 1, n - 1):
                break
            i, j = i + di, j + dj
            if i >= m or j >= n:
                total = np.inf
                break
            total += distance[i, j]
        if (i, j) == (m - 1, n - 1):
            best = min(best, total)
    return float(best)


def row_by_row(distance: npt.NDArray[np.float64]) -> tuple[list[int], list[int], float]:
    """The cheapest path as the recurrence states it, one cell after the other."""
    m, n = distance.shape
    cost = {(0, 0): 0.0}
    for i, j in itertools.product(range(1, m + 1), range(1, n + 1)):
        before = [cost.get(cell, np.inf) for cell in ((i - 1, j - 1), (i - 1, j), (i, j - 1))]
        cost[i, j] = float(distance[i - 1, j - 1]) + min(before)
    i, j, path = m, n, []
    while i > 0 and j > 0:
        path.append((i - 1, j - 1))
        before_cells = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        i, j = min(before_cells, key=lambda cell: cost.get(cell, np.inf))  # the first of equals
    path.reverse()
    return [i for i, _ in path], [j for _, j in path], cost[m, n]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 50), st.integers(1, 50), st.integers(1, 4))
def test_the_path_is_that_of_the_recurrence_cell_by_cell(seed: int, m: int, n: int, values: int) -> None:
    distance = np.random.default_rng(seed).integers(0, values, size=(m, n)).astype(np.float64)
    gold_path, trainee_path, total = cheapest_path(distance)
    assert (gold_path.tolist(), trainee_path.tolist(), total) == row_by_row(distance)


@pytest.mark.parametrize("m", [1, 2, 15, 16, 17, 65])
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 65])
def test_rounding_is_that_of_the_recurrence(m: int, n: int) -> None:
    distance = np.random.default_rng(m * 100 + n).random((m, n))
    gold_path, trainee_path, total = cheapest_path(distance)
    assert (gold_path.tolist(), trainee_path.tolist(), total) == row_by_row(distance)


def test_the_layout_in_memory_does_not_matter() -> None:
    distance = np.random.default_rng(5).integers(0, 3, size=(20, 17)).astype(np.float64)
    gold_path, trainee_path, total = cheapest_path(np.asfortranarray(distance))
    assert (gold_path.tolist(), trainee_path.tolist(), total) == row_by_row(distance)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 4))
def test_no_path_is_cheaper(seed: int, m: int, n: int) -> None:
    gold, trainee = unit_rows(seed, m), unit_rows(seed + 1, n)
    gold_path, _, cost = warp_path(gold, trainee)
    distance = 1.0 - gold.astype(np.float64) @ trainee.T.astype(np.float64)
    assert cost * len(gold_path) == pytest.approx(cheapest(distance))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 30))
def test_paths_run_from_end_to_end_without_jumps(seed: int, m: int, n: int) -> None:
    gold_path, trainee_path, cost = warp_path(unit_rows(seed, m), unit_rows(seed + 1, n))
    assert (gold_path[0], trainee_path[0], gold_path[-1], trainee_path[-1]) == (0, 0, m - 1, n - 1)
    steps = set(zip(np.diff(gold_path).tolist(), np.diff(trainee_path).tolist(), strict=True))
    assert steps <= {(1, 1), (1, 0), (0, 1)}
    assert 0.0 <= cost <= 2.0


def test_a_video_against_itself_costs_nothing_and_runs_along_the_diagonal() -> None:
    rows = unit_rows(3, 12)
    gold_path, trainee_path, cost = warp_path(rows, rows)
    assert cost == pytest.approx(0.0, abs=1e-6)
    assert gold_path.tolist() == trainee_path.tolist() == list(range(12))


def test_a_slower_copy_costs_nothing() -> None:
    rows = unit_rows(3, 8)
    assert warp_path(rows, np.repeat(rows, 2, axis=0))[2] == pytest.approx(0.0, abs=1e-6)
