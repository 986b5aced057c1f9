"""A threshold whose miss rate stays within a target, at a stated confidence.

The risk is the share of persons of whose critical recordings at least one is missed; it is never below the
miss rate averaged over persons. It rises with the threshold, so the highest threshold whose Clopper-Pearson
bound stays within the target keeps it with the stated confidence for persons drawn like those seen
(A. Bates et al., Distribution-free, risk-controlling prediction sets, 2021; Angelopoulos et al., Learn then
Test, 2021). Since one threshold is an order statistic, this is Wilks' tolerance limit of 1941.

With probabilities from cross-fitting the guarantee is approximate in one respect: the model that is used
afterwards is fitted on all cases, those that judged the others' threshold included.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict
from scipy.stats import beta

_DIGITS: Final = 6


class RiskControl(BaseModel):
    """The threshold, and what it rests on.

    ``persons`` with a positive case; ``allowed`` of them may be missed; ``upper_bound`` (one-sided, at the
    confidence) is on the share of persons missed. Infeasible without a threshold: then ``more_needed`` more
    persons with a positive would do, none of them missed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    target: float
    confidence: float
    persons: int
    allowed: int
    upper_bound: float
    threshold: float | None
    more_needed: int


def control_miss_rate(
    probability: npt.ArrayLike, clusters: npt.ArrayLike, *, target: float, confidence: float
) -> RiskControl:
    """The highest threshold on the probabilities (m,) of the positive cases that controls misses.

    ``clusters`` (m,) names the person of each; the empty name is one person, since nobody knows how many
    they are. A case is detected at a probability of at least the threshold; a NaN is always missed.
    """
    p = np.nan_to_num(np.asarray(probability, dtype=np.float64), nan=-1.0)
    codes = pd.factorize(np.asarray(clusters, dtype=object))[0]
    # a person is missed when the least probable of their positive cases is
    lowest = np.sort(pd.Series(p).groupby(codes).min().to_numpy())
    persons = len(lowest)
    allowed = most_misses(persons, target=target, confidence=confidence)
    kept = allowed if allowed is not None else 0
    threshold = float(lowest[kept]) if allowed is not None and lowest[kept] >= 0 else None
    return RiskControl(
        target=target,
        confidence=confidence,
        persons=persons,
        allowed=kept,
        upper_bound=round(miss_bound(kept, persons, confidence=confidence), _DIGITS),
        threshold=threshold,
        more_needed=max(0, persons_needed(target=target, confidence=confidence) - persons),
    )


def miss_bound(missed: int, persons: int, *, confidence: float) -> float:
    """The one-sided upper bound on a share, ``missed`` of ``persons`` seen (Clopper and Pearson 1934)."""
    if missed >= persons:
        return 1.0
    return float(beta.ppf(confidence, missed + 1, persons - missed))


def most_misses(persons: int, *, target: float, confidence: float) -> int | None:
    """How many of so many persons may be missed with the bound within the target; None when not even none."""
    if persons == 0:
        return None
    counts = np.arange(persons)
    within = np.flatnonzero(beta.ppf(confidence, counts + 1, persons - counts) <= target)
    return int(within[-1]) if len(within) else None


def persons_needed(*, target: float, confidence: float) -> int:
    """The fewest persons with whom a target can be shown, when none of them is missed.

    >>> persons_needed(target=0.05, confidence=0.9)
    45
    """
    return math.ceil(math.log1p(-confidence) / math.log1p(-target) - 1e-9)
