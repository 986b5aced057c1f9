"""Where one step may end and another begin: how much a video changes there, by itself.

Whether the picture's content changes at a moment needs no gold to be seen. What golds teach is how much it
changes at a border between two steps and how much inside of a step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Features: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]

REACH: Final = 4
"""Clips on either side of a border that are compared, without the one next to it, which shows both sides."""
CLEAR: Final = 3
"""A place at least this many clips from every border counts as inside of a step."""
REGULARISATION: Final = 1.0
LIMIT: Final = 3.0
"""The most that one border can speak for or against itself, in nats."""
WEIGHT: Final = 0.7


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
    # row by row: numpy adds up columns one by one
    sums = list(accumulate(rows.astype(np.float64), initial=np.zeros(rows.shape[1])))
    for place in range(1, n):
        if usable is not None and not usable[max(place - REACH, 0) : place + REACH].all():
            continue
        before = sums[max(place - 1, 1)] - sums[max(place - REACH, 0)]
        after = sums[min(place + REACH, n)] - sums[min(place + 1, n - 1)]
        length = math.sqrt(before @ before) * math.sqrt(after @ after)
        found[place] = 1.0 - before @ after / length if length > 0 else 0.0
    return found


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
