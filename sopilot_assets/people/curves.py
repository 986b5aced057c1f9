"""Learning curves of one person at one task, each with its uncertainty.

Two standard ways, both in closed form, so that no seed is needed and everybody can compute them again.

**Passed**: the share of the last `FEWEST` decided recordings that passed, with Wilson's 95 % interval
(Wilson 1927; recommended for small numbers by Brown, Cai and DasGupta 2001). It has no model of learning: it
lags behind fast learning by half its width, and is right again after a pause or a relapse. The usual model, a
logistic regression on the logarithm of the attempts (learning factors analysis, Cen, Koedinger and Junker
2006), says more than it knows where people do not learn as it expects. How often the interval held the true
probability of the last recording, of 400 simulated people each, with Jeffreys' prior for the logistic one:

===================================  ==========  =======  ========
a person who                         recordings  running  logistic
===================================  ==========  =======  ========
passes 70 % all the time                     40    0.93      0.95
learns as the logistic model says            40    0.95      0.95
gets it at once, after six                   40    0.92      0.78
learns slowly and steadily                   40    0.89      0.72
falls from 90 to 45 %, eight ago             40    0.93      0.71
===================================  ==========  =======  ========

With 10 recordings the running share holds a fast learner's newest probability in about half of the cases:
it says what happened in the last ten, and pages call it so.

**Times**: the power law of practice, T = a n^-b (Newell and Rosenbloom 1981), by least squares on the
logarithms, with the t interval of the line. For single people an exponential often fits a little better
(Heathcote, Brown and Mewhort 2000); tens of recordings cannot tell the two apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from sopilot_assets.intervals import CONFIDENCE, wilson

FEWEST: Final = 10
"""With fewer recordings no curve is drawn; and so many recordings the running share looks back on."""


@dataclass(frozen=True, slots=True)
class ShareAt:
    """How many of the `FEWEST` decided recordings up to the ``number``-th (from 1) passed, with 95 % bounds
    of the share.
    """

    number: int
    passed: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The share itself, in [0, 1]."""
        return self.passed / FEWEST


def running_shares(passed: Sequence[bool]) -> tuple[ShareAt, ...]:
    """The running share after each recording, from the `FEWEST`-th on; empty where there are fewer.

    >>> running_shares([True] * 9)
    ()
    >>> [(at.number, at.passed, round(at.low, 2)) for at in running_shares([False] + [True] * 10)]
    [(10, 9, 0.6), (11, 10, 0.72)]
    """
    ends = range(FEWEST, len(passed) + 1)
    counts = np.array([sum(passed[end - FEWEST : end]) for end in ends], dtype=float)
    low, high = wilson(counts, np.full(len(counts), float(FEWEST)))
    return tuple(
        ShareAt(end, int(count), float(its_low), float(its_high))
        for end, count, its_low, its_high in zip(ends, counts, low, high, strict=True)
    )


@dataclass(frozen=True, slots=True)
class TimeAt:
    """The usual time of the ``number``-th recording (from 1) in seconds, with 95 % bounds."""

    number: int
    seconds: float
    low_s: float
    high_s: float


@dataclass(frozen=True, slots=True)
class Practice:
    """A power law of practice: the line, and by which factor the time changes whenever the number of
    recordings doubles, with 95 % bounds; below 1 is faster.
    """

    line: tuple[TimeAt, ...]
    doubling: float
    doubling_low: float
    doubling_high: float

    @property
    def changes(self) -> bool:
        """Whether it can be said that the time changes at all."""
        return not self.doubling_low <= 1 <= self.doubling_high


def practice(times: Sequence[tuple[int, float]]) -> Practice | None:
    """The law of (number of the recording from 1, seconds), in rising order; None where there are fewer than
    `FEWEST`.

    >>> found = practice([(n, 60 * n**-0.25) for n in range(1, 13)])
    >>> round(found.doubling, 3), round(found.line[0].seconds, 3), found.changes
    (0.841, 60.0, True)
    """
    if len(times) < FEWEST:
        return None
    numbers, seconds = (np.array(column, dtype=float) for column in zip(*times, strict=True))
    x, y = np.log(numbers), np.log(seconds)
    middle, spread = x.mean(), float(((x - x.mean()) ** 2).sum())
    slope = float(((x - middle) * (y - y.mean())).sum()) / spread
    fitted = y.mean() + slope * (x - middle)
    deviation = math.sqrt(float(((y - fitted) ** 2).sum()) / (len(x) - 2))
    t = float(stats.t.isf((1 - CONFIDENCE) / 2, len(x) - 2))
    half = t * deviation * np.sqrt(1 / len(x) + (x - middle) ** 2 / spread)
    low, line, high = np.exp(fitted - half), np.exp(fitted), np.exp(fitted + half)
    of_slope = t * deviation / math.sqrt(spread)
    return Practice(
        tuple(
            TimeAt(int(number), float(at), float(its_low), float(its_high))
            for number, at, its_low, its_high in zip(numbers, line, low, high, strict=True)
        ),
        2**slope,
        2 ** (slope - of_slope),
        2 ** (slope + of_slope),
    )
