"""Intervals of a share: Wilson's, and one for cases that come in clusters (several from the same person).

Reads what it is given; writes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from sopilot_assets.errors import StudyError

Floats = npt.NDArray[np.float64]

CONFIDENCE: Final = 0.95
MOST_NEEDED: Final = 1_000_000


@overload
def wilson(k: float, n: float) -> tuple[float, float]: ...


@overload
def wilson(k: np.ndarray, n: np.ndarray) -> tuple[Floats, Floats]: ...


def wilson(k: float | np.ndarray, n: float | np.ndarray) -> tuple[float, float] | tuple[Floats, Floats]:
    """Lower and upper 95 % bound of the share k / n (Wilson 1927), NaN where n is 0.

    Arrays are taken elementwise, scalars give floats. ``k`` and ``n`` may be fractions, as an effective
    sample size is.
    """
    count, total = np.broadcast_arrays(np.asarray(k, dtype=float), np.asarray(n, dtype=float))
    known = total > 0
    low, high = proportion_confint(
        np.where(known, count, 0.0), np.where(known, total, 1.0), alpha=1 - CONFIDENCE, method="wilson"
    )
    low = np.where(known, np.clip(low, 0.0, 1.0), np.nan)
    high = np.where(known, np.clip(high, 0.0, 1.0), np.nan)
    if low.ndim == 0:
        return float(low), float(high)
    return low, high


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of an interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClusteredInterval:
    """A share with bounds that hold although cases of one cluster resemble each other; None where n is 0.

    ``effective_n`` independent cases would say as much as these n do; ``design_effect`` is n / effective_n
    before the correction for few clusters. ``effective_clusters`` of one size would be as diverse as these.
    """

    point: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int
    design_effect: float | None
    effective_n: float | None
    effective_clusters: float | None


def clustered(
    successes: np.ndarray | pd.Series,
    clusters: np.ndarray | pd.Series | Sequence[str],
) -> ClusteredInterval:
    """The share of successes (m,) with an interval that treats the cases of one cluster (m,) as related.

    1. Variance of the ratio by linearisation, V = c/(c-1) sum((s_j - p n_j)^2) / n^2 over c clusters with
       s_j successes of n_j.
    2. Effective n = p(1-p)/V x (t[n-1] / t[c*-1])^2, at least 1 and at most n (Korn and Graubard 1998), n - 1
       where nobody has two cases. It is c* where the share is 0 or 1, and 1 with a single cluster: neither
       shows how related the cases are.
    3. Wilson's interval with the effective n (Dean and Pagano 2015).
    4. Neither bound says more than c* independent cases with the most extreme result would: the upper one is
       at least Wilson's for 0 of c*, the lower one at most that for c* of c*. c* = n^2 / sum(n_j^2) (Kish
       1965) is c where all clusters are of one size, and little above 1 where one of them holds most cases:
       a thousand recordings of one person do not dilute what others do. Without it, few errors that happen
       to lie apart would suggest independence, and one error would give a lower bound than none; with 24
       clusters of 20 and a correlation of 0.5, 85 % of the intervals held a share of 5 %, with it 98 %.

    An empty cluster name is an unknown person; all unknown persons count as one cluster, the careful reading.
    Raises `StudyError` when the two differ in length.
    """
    hits = np.asarray(successes, dtype=float)
    codes, names = pd.factorize(np.asarray(clusters, dtype=object), use_na_sentinel=False)
    if len(codes) != len(hits):
        raise StudyError(
            f"clustered interval: {len(hits)} outcomes but {len(codes)} clusters; give one each."
        )
    n, c = len(hits), len(names)
    if n == 0:
        return ClusteredInterval(None, None, None, 0, 0, None, None, None)
    point = float(hits.mean())
    sizes = np.bincount(codes, minlength=c)
    diverse = n**2 / int(sizes @ sizes)
    design_effect, effective_n = _effective_n(hits, codes, sizes, diverse)
    low, high = wilson(point * effective_n, effective_n)
    none_failed, all_failed = wilson(0.0, diverse)[1], wilson(diverse, diverse)[0]
    return ClusteredInterval(
        point=point,
        low=min(low, all_failed),
        high=max(high, none_failed),
        n=n,
        clusters=c,
        design_effect=design_effect,
        effective_n=effective_n,
        effective_clusters=diverse,
    )


def _effective_n(
    hits: np.ndarray, codes: np.ndarray, sizes: np.ndarray, diverse: float
) -> tuple[float, float]:
    n, c = len(hits), len(sizes)
    if c == 1:
        return float(n), 1.0
    found = np.bincount(codes, weights=hits, minlength=c)
    point = float(hits.mean())
    if point in (0.0, 1.0):
        return n / diverse, diverse
    residual = found - point * sizes
    variance = c / (c - 1) * float(residual @ residual) / n**2
    independent = point * (1 - point) / n
    if variance <= independent / n:
        return 1.0, float(n)
    design_effect = variance / independent
    tail = (1 - CONFIDENCE) / 2
    few = (stats.t.isf(tail, n - 1) / stats.t.isf(tail, max(1.0, diverse - 1))) ** 2
    return design_effect, float(min(n, max(1.0, n / design_effect * few)))


def more_needed(k: float, n: float, limit: float) -> int | None:
    """How many more cases without an error bring Wilson's upper bound to ``limit`` or below.

    0 where it is there already. None where no number below 1,000,000 does, e.g. at a limit of 0. The bound is
    a quadratic inequality in sqrt(n): N limit - z sqrt(limit (1 - limit) N) - k >= 0.
    """
    if limit >= 1:
        return 0
    if limit <= 0:
        return None
    z = float(stats.norm.isf((1 - CONFIDENCE) / 2))
    spread = z * math.sqrt(limit * (1 - limit))
    root = (spread + math.sqrt(spread**2 + 4 * limit * k)) / (2 * limit)
    more = max(0, math.ceil(root**2 - n - 1e-9))
    return more if more < MOST_NEEDED else None
