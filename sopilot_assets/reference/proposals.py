"""Proposed steps for a gold that nobody has annotated: change points of its embedding."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

SHORTEST_SHARE: Final = 0.3
"""A proposed step lasts at least this share of the mean step."""


def change_points(rows: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """The borders (count + 1,) that cut clips (n, D) into ``count`` runs with the least scatter within a run.

    Exact dynamic programming over all segmentations (Bellman 1961; kernel change-point detection, Harchaoui
    & Cappé 2007, with a linear kernel). Borders are clip indices from 0 to n; with fewer clips than runs,
    some runs are empty.
    """
    n = rows.shape[0]
    shortest = max(1, int(SHORTEST_SHARE * n / count)) if n >= count else 0
    scatter = _scatter(rows.astype(np.float64))
    cost = np.full((count + 1, n + 1), np.inf)
    cut = np.zeros((count + 1, n + 1), dtype=np.int64)
    cost[0, 0] = 0.0
    for run in range(1, count + 1):
        for end in range(run * shortest, n + 1):
            starts = np.arange(0, end - shortest + 1)
            total = cost[run - 1, starts] + scatter[starts, end]
            cut[run, end] = starts[int(np.argmin(total))]
            cost[run, end] = total.min()
    borders = [n]
    for run in range(count, 0, -1):
        borders.append(int(cut[run, borders[-1]]))
    return np.array(borders[::-1], dtype=np.int64)


def _scatter(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Squared distances to the mean, summed, of every run [i, j): (n + 1, n + 1)."""
    sums = np.vstack([np.zeros(rows.shape[1]), np.cumsum(rows, axis=0)])
    squares = np.concatenate([[0.0], np.cumsum((rows**2).sum(axis=1))])
    gram = sums @ sums.T
    norm = np.diag(gram)
    length = np.arange(len(sums))[None, :] - np.arange(len(sums))[:, None]
    between = norm[None, :] + norm[:, None] - 2 * gram
    with np.errstate(divide="ignore", invalid="ignore"):
        scatter = (squares[None, :] - squares[:, None]) - between / length
    return np.where(length > 0, scatter, np.where(length == 0, 0.0, np.inf))
