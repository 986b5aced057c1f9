"""Dynamic time warping of a video onto a gold (Sakoe & Chiba 1978), with its path."""

from __future__ import annotations

from typing import TypeAlias

import numba
import numpy as np
import numpy.typing as npt

Features: TypeAlias = npt.NDArray[np.float32]
Indices: TypeAlias = npt.NDArray[np.int64]


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
    m, n = distance.shape
    cost = np.full((m + 1, n + 1), np.inf)
    cost[0, 0] = 0.0
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            cost[i, j] = distance[i - 1, j - 1] + min(cost[i - 1, j - 1], cost[i - 1, j], cost[i, j - 1])
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
