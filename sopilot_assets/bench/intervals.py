"""Confidence intervals of a share, where recordings of one performer are not independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import binomtest

RESAMPLES: Final = 2000
LEVEL: Final = 0.95
FEWEST_CLUSTERS: Final = 3

BOOTSTRAP: Final = "cluster bootstrap by performer, percentile, 2000 resamples"
WILSON: Final = "Wilson"


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval of a share, with the method that made it."""

    low: float
    high: float
    method: str


def share_interval(hits: Sequence[bool], clusters: Sequence[str], *, seed: int) -> Interval | None:
    """The interval of the share of ``hits``, one for each recording, whose performer is in ``clusters``.

    Performers are drawn with replacement, with all their recordings. With fewer than three performers, or
    where all outcomes are the same, that says nothing: it is Wilson's interval then, which takes recordings
    for independent and is therefore too narrow. None without recordings.
    """
    if not hits:
        return None
    names, member = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    found = np.asarray(hits, dtype=bool)
    if len(names) < FEWEST_CLUSTERS or found.all() or not found.any():
        return _wilson(int(found.sum()), len(found))
    size = np.bincount(member, minlength=len(names))
    positive = np.bincount(member, weights=found, minlength=len(names))
    drawn = np.random.default_rng(seed).integers(len(names), size=(RESAMPLES, len(names)))
    shares = positive[drawn].sum(axis=1) / size[drawn].sum(axis=1)
    low, high = np.quantile(shares, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    share = float(found.mean())
    return Interval(min(float(low), share), max(float(high), share), BOOTSTRAP)


def _wilson(positive: int, count: int) -> Interval:
    interval = binomtest(positive, count).proportion_ci(LEVEL, method="wilson")
    share = positive / count  # at 0 and 1 rounding can leave it outside by 1e-17
    return Interval(min(float(interval.low), share), max(float(interval.high), share), WILSON)
