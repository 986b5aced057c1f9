"""Where one step may end and another begin: how much a video changes there, by itself.

Whether the picture's content changes at a moment needs no gold to be seen. What golds teach is how much it
changes at a border between two steps and how much inside of a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Features: TypeAlias = npt.NDArray[np.float32]
Indices: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

REACH: Final = 4
"""Clips on either side of a border that are compared, without the one next to it, which shows both sides."""
CLEAR: Final = 3
"""A place at least this many clips from every border counts as inside of a step."""
REGULARISATION: Final = 1.0
LIMIT: Final = 3.0
"""The most that one border can speak for or against itself, in nats."""
WEIGHT: Final = 0.7
ROUNDING: Final = 1e-6
"""Sums of clips whose lengths have a smaller product show nothing that could differ."""


@dataclass(frozen=True, slots=True)
class Borders:
    """A logistic model of the contrast at borders: log-likelihood ratio = ``slope`` x contrast +
    ``level``.
    """

    slope: float
    level: float

    def log_ratio(self, contrast: Floats) -> Floats:
        """Per place (n + 1,) the log-likelihood ratio that a border is there against that none is; 0 where
        nothing could be compared."""
        ratio = np.clip(self.slope * contrast + self.level, -LIMIT, LIMIT)
        return WEIGHT * np.nan_to_num(ratio)


def contrasts(rows: Features, usable: Mask | None = None) -> Floats:
    """The cosine distance between the clips (n, D) before and after each place (n + 1,).

    NaN at both ends, and where one of the clips compared shows nothing (``usable`` (n,) is false).
    """
    n = rows.shape[0]
    found = np.full(n + 1, np.nan)
    # the product of two sums of clips is the sum of a block of the clips' products
    blocks = np.zeros((n + 1, n + 1))
    blocks[1:, 1:] = (rows @ rows.T).astype(np.float64).cumsum(axis=0).cumsum(axis=1)
    place = np.arange(1, n)
    if usable is not None:
        place = place[[usable[max(one - REACH, 0) : one + REACH].all() for one in place]]
    before = np.maximum(place - REACH, 0), np.maximum(place - 1, 1)
    after = np.minimum(place + 1, n - 1), np.minimum(place + REACH, n)
    lengths = np.sqrt(np.maximum(_summed(blocks, before, before) * _summed(blocks, after, after), 0.0))
    product = _summed(blocks, before, after)
    apart = lengths > ROUNDING
    found[place] = np.where(apart, 1.0 - product / np.where(apart, lengths, 1.0), 0.0)
    return found


def _summed(blocks: Floats, rows: tuple[Indices, Indices], columns: tuple[Indices, Indices]) -> Floats:
    """The sums of blocks, each from its first row and column to before its last, of a summed-area table
    (Crow 1984).
    """
    (top, bottom), (left, right) = rows, columns
    return np.asarray(blocks[bottom, right] - blocks[top, right] - blocks[bottom, left] + blocks[top, left])


def fit_borders(golds: Sequence[tuple[Floats, Sequence[int]]]) -> Borders:
    """From each gold's `contrasts` and the places of its borders."""
    values, labels, weights = [], [], []
    for contrast, places in golds:
        inside = [
            place
            for place in np.flatnonzero(np.isfinite(contrast)).tolist()
            if all(abs(place - border) >= CLEAR for border in places)
        ]
        for label, chosen in ((1, [place for place in places if np.isfinite(contrast[place])]), (0, inside)):
            values += [float(contrast[place]) for place in chosen]
            labels += [label] * len(chosen)
            weights += [1.0 / max(len(chosen), 1)] * len(chosen)
    if len(set(labels)) < 2:
        return Borders(0.0, 0.0)
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - slow to import, used by fits only

    scale = 10.0  # effective observations of each kind in a gold
    model = LogisticRegression(C=REGULARISATION).fit(
        np.array(values)[:, None], labels, sample_weight=scale * np.array(weights)
    )
    return Borders(float(model.coef_[0, 0]), float(model.intercept_[0]))
