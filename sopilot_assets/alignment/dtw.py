"""Dynamic time warping of a video onto a gold (Sakoe & Chiba 1978), with its path."""

from __future__ import annotations

from typing import TypeAlias

import numba
import numpy as np
import numpy.typing as npt

Features: TypeAlias = npt.NDArray[np.float32]
Distances: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.int64]


def warp_path(gold: Features, trainee: Features) -> tuple[Indices, Indices, float]:
    """The cheapest monotone path between unit vectors (m, D) and (n, D): gold and trainee indices (p,) and
    the cost divided by the path's length.

    The cost of a pair is its cosine distance. Ties go to the diagonal, then to the gold, then to the trainee.
    """
    distance = 1.0 - np.clip(gold.astype(np.float64) @ trainee.T.astype(np.float64), -1.0, 1.0)
    gold_path, trainee_path, total = cheapest_path(distance)
    return gold_path, trainee_path, total / len(gold_path)


def cheapest_path(distance: Distances) -> tuple[Indices, Indices, float]:
    """The monotone path with the smallest sum of ``distance`` (m, n), finite numbers, from one corner to the
    other: gold and trainee indices (p,) and the sum.

    Ties go to the diagonal, then to the gold, then to the trainee. `ValueError` for a matrix without cells.
    """
    if distance.ndim != 2 or distance.size == 0:
        raise ValueError(f"distance: expected a matrix with rows and columns, found shape {distance.shape}.")
    gold_path, trainee_path, total = _cheapest(np.ascontiguousarray(distance, dtype=np.float64))
    return gold_path, trainee_path, float(total)


@numba.njit(cache=True)
def _cheapest(distance):  # type: ignore[no-untyped-def]
    m, n = distance.shape
    cost = np.full((m + 1, n + 1), np.inf)
    cost[0, 0] = 0.0
    for i in range(m):
        left = np.inf
        for j in range(n):
            # the cell on the left comes last: the others are known while it is still being computed
            left = distance[i, j] + min(cost[i, j], cost[i, j + 1], left)
            cost[i + 1, j + 1] = left
    gold, trainee = _traced(cost)
    return gold, trainee, cost[m, n]


@numba.njit(cache=True)
def _traced(cost):  # type: ignore[no-untyped-def]
    i, j = cost.shape[0] - 1, cost.shape[1] - 1
    place = i + j - 1
    gold, trainee = np.empty(place, dtype=np.int64), np.empty(place, dtype=np.int64)
    while i > 0 and j > 0:
        place -= 1
        gold[place], trainee[place] = i - 1, j - 1
        diagonal, above, left = cost[i - 1, j - 1], cost[i - 1, j], cost[i, j - 1]
        from_left = left < min(diagonal, above)
        from_above = not from_left and above < diagonal
        i -= not from_left
        j -= not from_above
    return gold[place:], trainee[place:]
