"""How far stated probabilities can be relied on: errors by how many recordings are decided, and whether what
was stated is what happens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

COVERAGES: Final = (0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0)
"""The coverages at which the risk is stated."""
TENTHS: Final = tuple(number / 10 for number in range(11))
"""The edges of ten equal bins of [0, 1]."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Something that was said to happen with probability ``stated``, in [0, 1], and whether it did."""

    stated: float
    hit: bool

    @property
    def confidence(self) -> float:
        """The probability of the likelier outcome, in [0.5, 1]."""
        return max(self.stated, 1.0 - self.stated)

    @property
    def wrong(self) -> float:
        """Whether the likelier outcome is not what happened, as 0 or 1; where both are alike, a half."""
        return 0.5 if self.stated == 0.5 else float((self.stated > 0.5) is not self.hit)


@dataclass(frozen=True, slots=True)
class Bin:
    """The trials with ``low <= stated < high`` (the last bin closed): how many, the mean of what was stated
    and the share that happened.
    """

    low: float
    high: float
    n: int
    stated: float
    measured: float


def risks(trials: Sequence[Trial]) -> npt.NDArray[np.float64]:
    """The selective risk (n,): the share of wrong ones among the k most confident, for k = 1 to n.

    R. El-Yaniv and Y. Wiener 2010. Trials of equal confidence count as if each had the mean of them, so their
    order does not matter.
    """
    ordered = sorted(trials, key=lambda trial: -trial.confidence)
    confidence = np.array([trial.confidence for trial in ordered])
    wrong = np.array([trial.wrong for trial in ordered])
    _, group = np.unique(confidence, return_inverse=True)
    mean = np.bincount(group, weights=wrong) / np.bincount(group) if ordered else wrong
    found: npt.NDArray[np.float64] = np.cumsum(mean[group]) / np.arange(1, len(ordered) + 1)
    return found


def risk_at(found: npt.NDArray[np.float64], coverage: float) -> float:
    """The risk (of `risks`, not empty) when at least this share, in (0, 1], of the recordings is decided."""
    return float(found[max(math.ceil(round(coverage * found.size, 9)), 1) - 1])


def reliability(trials: Sequence[Trial], edges: Sequence[float] = TENTHS) -> Iterator[Bin]:
    """The trials by what was stated, empty bins left out.

    >>> [(one.n, one.measured) for one in reliability([Trial(0.1, False), Trial(0.95, True)])]
    [(1, 0.0), (1, 1.0)]
    """
    places = np.clip(np.searchsorted(edges, [trial.stated for trial in trials], "right"), 1, len(edges) - 1)
    for place in sorted(set(places.tolist())):
        some = [trial for trial, here in zip(trials, places, strict=True) if here == place]
        yield Bin(
            low=edges[place - 1],
            high=edges[place],
            n=len(some),
            stated=sum(trial.stated for trial in some) / len(some),
            measured=sum(trial.hit for trial in some) / len(some),
        )


def expected_calibration_error(trials: Sequence[Trial], edges: Sequence[float] = TENTHS) -> float:
    """The mean over the bins, weighted by cases, of |stated - measured| (M. P. Naeini et al. 2015); NaN of
    nothing.
    """
    if not trials:
        return math.nan
    return sum(one.n * abs(one.stated - one.measured) for one in reliability(trials, edges)) / len(trials)
