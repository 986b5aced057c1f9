"""The statistics that a dossier states, from the standard library: intervals, quantiles, exact tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Final

CONFIDENCE: Final = 0.95
_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


def wilson_bounds(k: float, n: float) -> tuple[float, float] | None:
    """Wilson's 95 % interval of k / n; None where n is 0."""
    if n <= 0:
        return None
    p, z2 = k / n, _Z * _Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class ClusteredBounds:
    """The share of ``hits`` among n cases of so many ``clusters``, with its 95 % interval and what that is
    made from; None where there is no case.
    """

    hits: int
    n: int
    clusters: int
    point: float | None = None
    low: float | None = None
    high: float | None = None
    effective_n: float | None = None
    effective_clusters: float | None = None

    def as_json(self) -> dict[str, float | None]:
        """As ``results/evaluations.json`` states it."""
        return {
            "point": self.point,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "clusters": self.clusters,
            "effective_n": self.effective_n,
            "effective_clusters": self.effective_clusters,
        }


def clustered_bounds(hits: Sequence[bool], clusters: Sequence[str]) -> ClusteredBounds:
    """The share of hits with a 95 % interval that treats cases of one cluster as related.

    Linearised variance of the ratio, effective n with Korn and Graubard's correction for few clusters,
    Wilson's interval with it, and neither bound sharper than as many independent cases as there are clusters
    allow, clusters of unequal size counting as fewer (Kish).
    """
    n = len(hits)
    sizes: dict[str, int] = {}
    found: dict[str, int] = {}
    for hit, cluster in zip(hits, clusters, strict=True):
        sizes[cluster] = sizes.get(cluster, 0) + 1
        found[cluster] = found.get(cluster, 0) + bool(hit)
    c, k = len(sizes), sum(map(bool, hits))
    if n == 0:
        return ClusteredBounds(0, 0, 0)
    p = k / n
    diverse = n**2 / sum(size**2 for size in sizes.values())
    effective = _effective_n(p, n, [(found[one], sizes[one]) for one in sizes], diverse)
    low, high = wilson_bounds(p * effective, effective) or (0.0, 1.0)
    all_hit, none_hit = wilson_bounds(diverse, diverse) or (0.0, 1.0), wilson_bounds(0, diverse) or (0.0, 1.0)
    return ClusteredBounds(
        k,
        n,
        c,
        point=p,
        low=min(low, all_hit[0]),
        high=max(high, none_hit[1]),
        effective_n=effective,
        effective_clusters=diverse,
    )


def _effective_n(p: float, n: int, clusters: Sequence[tuple[int, int]], diverse: float) -> float:
    c = len(clusters)
    if c == 1:
        return 1.0
    if p in (0.0, 1.0):
        return diverse
    variance = c / (c - 1) * sum((hits - p * size) ** 2 for hits, size in clusters) / n**2
    independent = p * (1 - p) / n
    if variance <= independent / n:
        return float(n)
    few = (t_quantile(n - 1) / t_quantile(max(1.0, diverse - 1))) ** 2
    return min(float(n), max(1.0, n * independent / variance * few))


@cache
def t_quantile(df: float) -> float:
    """The upper 2.5 % point of Student's t with ``df`` degrees of freedom, by bisection."""
    tail = (1 - CONFIDENCE) / 2
    low, high = 0.0, 1.0
    while _t_tail(high, df) > tail:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if _t_tail(middle, df) > tail:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _t_tail(t: float, df: float) -> float:
    return _beta_share(df / (df + t * t), df / 2, 0.5) / 2


def _beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b) by its continued fraction (Lentz's method)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_share(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    fraction = d
    for m in range(1, 100_000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + step * d
            d = 1 / (d if abs(d) > tiny else tiny)
            c = 1 + step / c
            c = c if abs(c) > tiny else tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * fraction / a


def quantile(values: Sequence[float], q: float) -> float:
    """The q quantile, linear between neighbours."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def statistics_of(values: Sequence[float]) -> dict[str, float | None]:
    """Mean, median, 90 % quantile, least and greatest; None where there is no value."""
    if not values:
        return {"mean": None, "p50": None, "p90": None, "min": None, "max": None}
    return {
        "mean": math.fsum(values) / len(values),
        "p50": quantile(values, 0.5),
        "p90": quantile(values, 0.9),
        "min": min(values),
        "max": max(values),
    }


def mcnemar_p(fixed: int, broken: int) -> float:
    """The exact two-sided p value of a fair coin for ``fixed`` heads and ``broken`` tails."""
    n, few = fixed + broken, min(fixed, broken)
    return float(min(1.0, 2 * sum(math.comb(n, i) for i in range(few + 1)) / 2**n))


def auc(scores: Sequence[float], positive: Sequence[bool]) -> float | None:
    """The chance that a positive scores higher than a negative, a tie counting half; None with one class."""
    pairs = sorted(zip(scores, positive, strict=True))
    positives = sum(positive)
    negatives = len(pairs) - positives
    if not positives or not negatives:
        return None
    ranks, place = 0.0, 0
    while place < len(pairs):
        end = place
        while end < len(pairs) and pairs[end][0] == pairs[place][0]:
            end += 1
        ranks += (place + 1 + end) / 2 * sum(one for _, one in pairs[place:end])
        place = end
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)
