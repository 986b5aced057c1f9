"""Dynamic time warping of a video onto a gold (Sakoe & Chiba 1978), with its path."""

from __future__ import annotations

from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

Features: TypeAlias = npt.NDArray[np.float32]
Indices: TypeAlias = npt.NDArray[np.int64]

ROWS: Final = 6
"""Rows of the cost matrix that `_fill_rows` works through together."""


def warp_path(gold: Features, trainee: Features) -> tuple[Indices, Indices, float]:
    """The cheapest monotone path between unit vectors (m, D) and (n, D): gold and trainee indices (p,) and
    the cost divided by the path's length.

    The cost of a pair is its cosine distance. Ties go to the diagonal, then to the gold, then to the trainee.
    """
    distance = 1.0 - np.clip(gold.astype(np.float64) @ trainee.T.astype(np.float64), -1.0, 1.0)
    gold_path, trainee_path, total = cheapest_path(distance)
    return gold_path, trainee_path, total / len(gold_path)


def cheapest_path(distance: npt.NDArray[np.float64]) -> tuple[Indices, Indices, float]:
    """The monotone path with the smallest sum of ``distance`` (m, n) from one corner to the other: gold and
    trainee indices (p,) and the sum.

    Ties go to the diagonal, then to the gold, then to the trainee.
    """
    gold_path, trainee_path, total = _warp(distance)
    return gold_path, trainee_path, float(total)


@numba.njit(cache=True)
def _warp(distance):  # type: ignore[no-untyped-def]
    """Indices into the rows and columns of ``distance`` (m, n) along its cheapest path, and the path's sum."""
    m, n = distance.shape
    cost = np.empty((m + 1, n + 1))
    cost[0, :] = np.inf
    cost[:, 0] = np.inf
    cost[0, 0] = 0.0
    together = m // ROWS * ROWS if n >= ROWS else 0
    for i in range(0, together, ROWS):
        _fill_rows(cost, distance, i)
    for i in range(together, m):
        for j in range(n):
            _fill_cell(cost, distance, i, j)
    return _trace_back(cost)


@numba.njit(cache=True)
def _fill_cell(cost, distance, i, j):  # type: ignore[no-untyped-def]
    cost[i + 1, j + 1] = distance[i, j] + min(cost[i, j], cost[i, j + 1], cost[i + 1, j])


@numba.njit(cache=True)
def _fill_rows(cost, distance, i):  # type: ignore[no-untyped-def]
    """Fill the costs of the rows i to i + 5 of ``distance``, each row one column behind the row above it.

    A cell needs the cell to its left, so that a row on its own waits for every addition before it can begin
    the next. Six staggered rows depend only on the step before: the processor works on them at once.
    Every cell is the same minimum and the same sum as row by row, so the costs are the same to the last bit.
    """
    n = distance.shape[1]
    for row in range(ROWS - 1):  # the upper rows' head start
        for j in range(ROWS - 1 - row):
            _fill_cell(cost, distance, i + row, j)
    # Costs to the left of each row's next cell (a, from the top, to f), and those above these: its diagonal.
    a, b, c = cost[i + 1, 5], cost[i + 2, 4], cost[i + 3, 3]
    d, e, f = cost[i + 4, 2], cost[i + 5, 1], cost[i + 6, 0]
    over_a, over_b, over_c = cost[i, 5], cost[i + 1, 4], cost[i + 2, 3]
    over_d, over_e, over_f = cost[i + 3, 2], cost[i + 4, 1], cost[i + 5, 0]
    for j in range(ROWS - 1, n):
        above = cost[i, j + 1]
        next_a = distance[i, j] + min(over_a, above, a)
        next_b = distance[i + 1, j - 1] + min(over_b, a, b)
        next_c = distance[i + 2, j - 2] + min(over_c, b, c)
        next_d = distance[i + 3, j - 3] + min(over_d, c, d)
        next_e = distance[i + 4, j - 4] + min(over_e, d, e)
        next_f = distance[i + 5, j - 5] + min(over_f, e, f)
        over_a, over_b, over_c, over_d, over_e, over_f = above, a, b, c, d, e
        a, b, c, d, e, f = next_a, next_b, next_c, next_d, next_e, next_f
        cost[i + 1, j + 1], cost[i + 2, j], cost[i + 3, j - 1] = a, b, c
        cost[i + 4, j - 2], cost[i + 5, j - 3], cost[i + 6, j - 4] = d, e, f
    for row in range(1, ROWS):  # the lower rows' remainder
        for j in range(n - row, n):
            _fill_cell(cost, distance, i + row, j)


@numba.njit(cache=True)
def _trace_back(cost):  # type: ignore[no-untyped-def]
    m, n = cost.shape[0] - 1, cost.shape[1] - 1
    gold = np.empty(m + n, dtype=np.int64)
    trainee = np.empty(m + n, dtype=np.int64)
    i, j, length = m, n, 0
    while i > 0 and j > 0:
        gold[length] = i - 1
        trainee[length] = j - 1
        length += 1
        diagonal, up, left = cost[i - 1, j - 1], cost[i - 1, j], cost[i, j - 1]
        if diagonal <= up and diagonal <= left:
            i -= 1
            j -= 1
        elif up <= left:
            i -= 1
        else:
            j -= 1
    return gold[:length][::-1].copy(), trainee[:length][::-1].copy(), cost[m, n]
