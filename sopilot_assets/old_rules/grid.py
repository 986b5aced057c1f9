"""The fit of a detector's constants on labeled cases, under a gate's limits on its error rates.

A candidate's violation is the sum of what its rates exceed their limits by; it is feasible without any. The
guardrails of `guarded_binary_v2` are fitted over a grid, all points at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from sopilot_assets.intervals import clustered, wilson
from sopilot_assets.old_rules.choices import FittingGrid
from sopilot_assets.old_rules.detectors import Guardrails, judged

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.object_]
Counts = npt.NDArray[np.int64]

DEFAULT_GRID: Final = FittingGrid()
"""6 DTW costs x 7 mean distances x 7 mean spans."""

FEASIBLE: Final = 1e-12
"""The greatest violation of a feasible candidate."""

_USUAL: Final = (0.025, 0.11, 1.5)
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Limits:
    """The greatest error rates a fit may have, and the greatest upper 95 % bounds; None is no limit.

    ``clustered`` says that the bounds are those of intervals clustered by person.
    """

    max_miss: float | None = None
    max_fpr: float | None = None
    max_miss_high: float | None = None
    max_fpr_high: float | None = None
    clustered: bool = False

    @classmethod
    def of(cls, thresholds: Mapping[str, float | None], *, intervals: bool) -> Limits:
        """The limits in the thresholds of a gate; the bounds only with ``intervals``."""
        by_person = any(
            thresholds.get(name) is not None
            for name in ("clustered_miss_rate_ci95_high", "clustered_false_positive_rate_ci95_high")
        )
        prefix = "clustered_" if by_person else "critical_"
        return cls(
            max_miss=thresholds.get("critical_miss_rate"),
            max_fpr=thresholds.get("critical_false_positive_rate"),
            max_miss_high=thresholds.get(f"{prefix}miss_rate_ci95_high") if intervals else None,
            max_fpr_high=thresholds.get(f"{prefix}false_positive_rate_ci95_high") if intervals else None,
            clustered=by_person and intervals,
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """The error counts and rates of one candidate, rounded to 6 digits; None where nothing was counted."""

    tp: int
    fn: int
    fp: int
    tn: int
    miss: float | None
    fpr: float | None
    miss_high: float | None
    fpr_high: float | None

    def violation(self, limits: Limits) -> float:
        """What the rates exceed the limits by, in sum; a rate that is None counts 1."""
        pairs = (
            (self.miss, limits.max_miss),
            (self.fpr, limits.max_fpr),
            (self.miss_high, limits.max_miss_high),
            (self.fpr_high, limits.max_fpr_high),
        )
        return round(sum(_excess(rate, limit) for rate, limit in pairs if limit is not None), 8)


@dataclass(frozen=True, slots=True)
class GridPoint:
    """One point of the grid: the constants, what they give, and how well that keeps the limits."""

    min_dtw: float
    max_distance: float
    max_span: float
    rates: Rates
    violation: float

    @property
    def feasible(self) -> bool:
        """Whether all limits are kept."""
        return self.violation <= FEASIBLE

    def guardrails(self) -> Guardrails:
        """The constants as a detector takes them."""
        return Guardrails(self.min_dtw, self.min_dtw, self.max_distance, self.max_span)


def fit_grid(
    cases: pd.DataFrame,
    *,
    grid: FittingGrid = DEFAULT_GRID,
    max_miss: float | None,
    max_fpr: float | None,
    intervals: bool = False,
    max_miss_high: float | None = None,
    max_fpr_high: float | None = None,
    clusters: npt.ArrayLike | None = None,
) -> list[GridPoint]:
    """All points of the grid for `guarded_binary_v2` on the labeled cases, best first.

    Ranked by violation, false-positive rate, miss rate and distance from the usual constants; grid order
    breaks ties. ``intervals`` counts the bounds too; with ``clusters`` (n,) they are clustered ones.
    """
    limits = Limits(
        max_miss,
        max_fpr,
        max_miss_high if intervals else None,
        max_fpr_high if intervals else None,
        clustered=clusters is not None,
    )
    material = _Material.of(cases, clusters)
    constants = product(grid.min_dtw, grid.max_distance, grid.max_span)
    found = material.rates(grid)
    # points that detect the same cases share one object
    violations = {key: rates.violation(limits) for key, rates in {id(one): one for one in found}.items()}
    points = [
        GridPoint(*constant, rates, violations[id(rates)])
        for constant, rates in zip(constants, found, strict=True)
    ]
    return sorted(points, key=_rank)


def rates_of(detected: Flags, expected: Flags, clusters: npt.ArrayLike | None) -> list[Rates]:
    """The rates of candidates (m,) from what each detected (m, n) in the labeled, decided cases (n,).

    The upper bounds are Wilson's, or with ``clusters`` (n,) those of `intervals.clustered`.
    """
    names = None if clusters is None else np.asarray(clusters, dtype=object)
    hits = (detected & expected).sum(axis=1), (detected & ~expected).sum(axis=1)
    return _rates(
        *hits, expected, _bounds(*hits, expected) if names is None else _clustered(detected, expected, names)
    )


def best_rates(rates: Sequence[Rates], limits: Limits) -> int:
    """The index of the best candidate: least violation, false-positive rate, miss rate; the last on ties."""
    order = range(len(rates))
    return min(order, key=lambda i: (*_errors(rates[i], rates[i].violation(limits)), -i))


@dataclass(frozen=True, slots=True)
class _Material:
    """What the grid is computed from: the labeled cases (n,) that the detector decides."""

    expected: Flags
    critical: Flags
    dtw: Floats
    missing: Flags
    distance: Floats
    span: Floats
    clusters: Names | None

    @classmethod
    def of(cls, cases: pd.DataFrame, clusters: npt.ArrayLike | None) -> _Material:
        labels = cases["expected"].to_numpy(dtype=np.float64)
        kept = np.flatnonzero(~np.isnan(labels) & judged(cases))
        dtw, missing, distance, span = (
            np.nan_to_num(cases[name].to_numpy(dtype=np.float64)[kept])
            for name in ("dtw_normalized_cost", "critical_missing", "missing_distance", "missing_span")
        )
        return cls(
            expected=labels[kept] == 1,
            critical=cases["any_critical"].to_numpy(dtype=bool)[kept],
            dtw=dtw,
            missing=missing > 0,
            distance=distance,
            span=span,
            clusters=None if clusters is None else np.asarray(clusters, dtype=object)[kept],
        )

    def rates(self, grid: FittingGrid) -> list[Rates]:
        """The rates of every point of the grid, in grid order."""
        costly = self.critical & (self.dtw >= np.array(grid.min_dtw)[:, None])
        near = self.distance <= np.array(grid.max_distance)[:, None]
        short = self.span <= np.array(grid.max_span)[:, None]
        n = len(self.expected)
        believed = ((near[:, None] & short) | ~self.missing).reshape(len(near) * len(short), n)
        if self.clusters is not None:
            detected = (costly[:, None] & believed).reshape(len(costly) * len(believed), n)
            return rates_of(detected, self.expected, self.clusters)
        # counts of the two conditions together are a matrix product; float32 is exact below 2 ** 24 cases
        rows = np.concatenate([costly & self.expected, costly & ~self.expected])[:, self.critical]
        counted = rows.astype(np.float32) @ believed[:, self.critical].astype(np.float32).T
        tp, fp = np.rint(counted).astype(np.int64).reshape(2, -1)
        return _rates(tp, fp, self.expected, _bounds(tp, fp, self.expected))


def _rates(tp: Counts, fp: Counts, expected: Flags, bounds: tuple[Floats, Floats]) -> list[Rates]:
    positives, negatives = int(expected.sum()), int((~expected).sum())
    made: dict[tuple[int, int, float, float], Rates] = {}
    result = []
    # points of a grid often detect the same cases
    for key in zip(tp.tolist(), fp.tolist(), bounds[0].tolist(), bounds[1].tolist(), strict=True):
        if key not in made:
            hits, alarms, miss_high, fpr_high = key
            made[key] = Rates(
                tp=hits,
                fn=positives - hits,
                fp=alarms,
                tn=negatives - alarms,
                miss=_share(positives - hits, positives),
                fpr=_share(alarms, negatives),
                miss_high=round(miss_high, _DIGITS) if positives else None,
                fpr_high=round(fpr_high, _DIGITS) if negatives else None,
            )
        result.append(made[key])
    return result


def _bounds(tp: Counts, fp: Counts, expected: Flags) -> tuple[Floats, Floats]:
    """Wilson's upper bounds of the miss and the false-positive rate; 1 where nothing was counted."""
    positives, negatives = int(expected.sum()), int((~expected).sum())
    errors = np.concatenate([positives - tp, fp])
    trials = np.repeat([positives, negatives], [len(tp), len(fp)])
    highs = np.nan_to_num(wilson(errors, trials)[1], nan=1.0)
    return highs[: len(tp)], highs[len(tp) :]


def _clustered(detected: Flags, expected: Flags, clusters: Names) -> tuple[Floats, Floats]:
    """The same bounds, clustered."""
    return (
        _clustered_highs(~detected[:, expected], clusters[expected]),
        _clustered_highs(detected[:, ~expected], clusters[~expected]),
    )


def _clustered_highs(errors: Flags, clusters: Names) -> Floats:
    """The clustered upper bound of each row (m, n); grid points often err on the same cases."""
    if not errors.shape[1]:
        return np.ones(len(errors))
    packed = np.packbits(errors, axis=1)
    distinct, row = np.unique(packed, axis=0, return_inverse=True)
    first = np.full(len(distinct), len(errors))
    np.minimum.at(first, row.ravel(), np.arange(len(errors)))
    highs = np.array([clustered(errors[i], clusters).high for i in first], dtype=np.float64)
    return highs[row.ravel()]


def _rank(point: GridPoint) -> tuple[float, ...]:
    dtw, distance, span = _USUAL
    usual = abs(point.min_dtw - dtw) + abs(point.max_distance - distance) + abs(point.max_span - span)
    return (*_errors(point.rates, point.violation), usual)


def _errors(rates: Rates, violation: float) -> tuple[float, float, float, float]:
    return (
        float(violation > FEASIBLE),
        violation,
        1.0 if rates.fpr is None else rates.fpr,
        1.0 if rates.miss is None else rates.miss,
    )


def _excess(rate: float | None, limit: float) -> float:
    return 1.0 if rate is None else max(0.0, rate - limit)


def _share(errors: int, n: int) -> float | None:
    return round(errors / n, _DIGITS) if n else None
