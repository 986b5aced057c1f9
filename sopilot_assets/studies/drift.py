"""Whether later cases look like earlier ones: the old system's index, and one whose alarms mean something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from sopilot_assets.errors import StudyError

MIN_WINDOW: Final = 20
PSI_ALARM: Final = 0.25
SCORE_EDGES: Final = tuple(float(edge) for edge in range(0, 101, 10))
PROBABILITY_EDGES: Final = tuple(edge / 10 for edge in range(11))

_FLOOR: Final = 1e-8
_BINS: Final = 10

Floats = NDArray[np.float64]


def quantile_psi(reference: Floats, current: Floats) -> float:
    """The old system's population stability index, at least 0.

    Bins end at the distinct deciles of ``reference``; with fewer than three such edges there are ten equal
    bins over both. Values outside the edges are dropped, though shares are of all values, and shares are
    floored at 1e-8, so that an empty bin adds up to 2 to the index. `fixed_bin_drift` avoids both.
    """
    # Edges fall on values, so that the last digit decides on a value's bin: 0.30000000000000004, not 30 %.
    edges = np.unique(np.quantile(reference, np.linspace(0.0, 1.0, _BINS + 1)))
    if len(edges) < 3:
        both = np.concatenate([reference, current])
        if both.min() == both.max():
            return 0.0
        edges = np.linspace(both.min(), both.max(), _BINS + 1)
    old, new = (_floored_shares(values, edges) for values in (reference, current))
    return max(0.0, float(np.sum((new - old) * np.log(new / old))))


def halves_drift(
    scores: Floats, critical_scores: Floats, dtw_costs: Floats, detected: NDArray[np.bool_]
) -> dict[str, Any]:
    """The old system's drift of the first half of the cases (n // 2) against the rest, in time order (n,).

    All figures are None where a half holds fewer than 20 cases, and an index also where a value is NaN.
    """
    n = len(scores)
    split = n // 2
    enabled = min(split, n - split) >= MIN_WINDOW
    figures: dict[str, Any] = {
        "reference_jobs": split,
        "current_jobs": n - split,
        "min_window_jobs_required": MIN_WINDOW,
        "enabled": enabled,
        "reason": "ok" if enabled else "insufficient_jobs",
        "critical_score_psi": None,
        "score_psi": None,
        "dtw_normalized_cost_psi": None,
        "critical_detected_rate_reference": None,
        "critical_detected_rate_current": None,
        "critical_detected_rate_shift_abs": None,
    }
    if not enabled:
        return figures
    before, after = float(detected[:split].mean()), float(detected[split:].mean())
    return figures | {
        "critical_score_psi": _psi_of_halves(critical_scores, split),
        "score_psi": _psi_of_halves(scores, split),
        "dtw_normalized_cost_psi": _psi_of_halves(dtw_costs, split),
        "critical_detected_rate_reference": before,
        "critical_detected_rate_current": after,
        "critical_detected_rate_shift_abs": abs(after - before),
    }


@dataclass(frozen=True, slots=True)
class FixedBinDrift:
    """How far two windows lie apart, and how often windows without any drift lie as far.

    ``psi_p_value`` is the share of random divisions of the same values whose index is at least ``psi``;
    ``false_alarm_rate`` the share of those above the alarm limit: with few cases it is far from 0.
    ``ks`` and ``ks_p_value`` are the two-sample Kolmogorov-Smirnov test.
    """

    reference_n: int
    current_n: int
    psi: float
    psi_p_value: float
    alarm: float
    false_alarm_rate: float
    ks: float
    ks_p_value: float


def fixed_bin_drift(
    reference: Floats,
    current: Floats,
    *,
    edges: tuple[float, ...],
    seed: int,
    draws: int = 2000,
) -> FixedBinDrift | None:
    """The drift of ``current`` (c,) from ``reference`` (r,) over bins that do not depend on the values.

    The outer bins are open, and half a case is added to each bin. NaNs are left out; None where a window then
    holds fewer than 20 values. Random divisions deal out the pooled counts of the bins anew (multivariate
    hypergeometric), which takes cases for independent. Raises `StudyError` for edges that do not ascend.
    """
    if len(edges) < 3 or np.any(np.diff(edges) <= 0):
        raise StudyError(f"drift: edges {edges} have to be three or more and ascending.")
    old, new = reference[~np.isnan(reference)], current[~np.isnan(current)]
    if min(len(old), len(new)) < MIN_WINDOW:
        return None
    inner = np.asarray(edges[1:-1])
    old_counts, new_counts = (_open_counts(values, inner) for values in (old, new))
    psi = float(_smoothed_psi(old_counts, new_counts))
    rng = np.random.default_rng(seed)
    pooled = old_counts + new_counts
    dealt = rng.multivariate_hypergeometric(pooled, len(old), size=draws, method="marginals")
    without_drift = _smoothed_psi(dealt, pooled - dealt)
    test = stats.ks_2samp(old, new, method="asymp")
    return FixedBinDrift(
        reference_n=len(old),
        current_n=len(new),
        psi=psi,
        psi_p_value=float((1 + np.sum(without_drift >= psi - 1e-12)) / (1 + draws)),
        alarm=PSI_ALARM,
        false_alarm_rate=float(np.mean(without_drift > PSI_ALARM)),
        ks=float(test.statistic),
        ks_p_value=float(test.pvalue),
    )


def halves(cases: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks (n,) of the first half of the cases (n // 2) and of the rest."""
    place = np.arange(len(cases))
    first: NDArray[np.bool_] = place < len(cases) // 2
    return first, ~first


def _psi_of_halves(values: Floats, split: int) -> float | None:
    return None if np.isnan(values).any() else quantile_psi(values[:split], values[split:])


def _floored_shares(values: Floats, edges: Floats) -> Floats:
    counts = np.histogram(values, bins=edges)[0]
    shares: Floats = np.maximum(counts / len(values), _FLOOR)
    return shares


def _open_counts(values: Floats, inner: Floats) -> NDArray[np.int64]:
    return np.bincount(np.searchsorted(inner, values, side="right"), minlength=len(inner) + 1)


def _smoothed_psi(old_counts: NDArray[np.int64], new_counts: NDArray[np.int64]) -> Any:
    bins = old_counts.shape[-1]
    old = (old_counts + 0.5) / (old_counts.sum(axis=-1, keepdims=True) + 0.5 * bins)
    new = (new_counts + 0.5) / (new_counts.sum(axis=-1, keepdims=True) + 0.5 * bins)
    return np.sum((new - old) * np.log(new / old), axis=-1)
