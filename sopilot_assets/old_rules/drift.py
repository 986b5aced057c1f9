"""The old system's drift: the first half of the cases against the rest, over bins that follow the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_WINDOW: Final = 20
_FLOOR: Final = 1e-8
_BINS: Final = 10


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


@dataclass(frozen=True, slots=True)
class OldDrift:
    """The first half of the jobs against the rest; every figure is None where a half holds too few."""

    reference_jobs: int
    current_jobs: int
    min_window_jobs_required: int
    enabled: bool
    reason: str
    critical_score_psi: float | None = None
    score_psi: float | None = None
    dtw_normalized_cost_psi: float | None = None
    critical_detected_rate_reference: float | None = None
    critical_detected_rate_current: float | None = None
    critical_detected_rate_shift_abs: float | None = None


def halves_drift(
    scores: Floats, critical_scores: Floats, dtw_costs: Floats, detected: NDArray[np.bool_]
) -> OldDrift:
    """The old system's drift of the first half of the cases (n // 2) against the rest, in time order (n,).

    All figures are None where a half holds fewer than 20 cases, and an index also where a value is NaN.
    """
    split = len(scores) // 2
    rest = len(scores) - split
    if split < MIN_WINDOW:
        return OldDrift(split, rest, MIN_WINDOW, False, "insufficient_jobs")
    before, after = float(detected[:split].mean()), float(detected[split:].mean())
    return OldDrift(
        split,
        rest,
        MIN_WINDOW,
        True,
        "ok",
        critical_score_psi=_psi_of_halves(critical_scores, split),
        score_psi=_psi_of_halves(scores, split),
        dtw_normalized_cost_psi=_psi_of_halves(dtw_costs, split),
        critical_detected_rate_reference=before,
        critical_detected_rate_current=after,
        critical_detected_rate_shift_abs=abs(after - before),
    )


def _psi_of_halves(values: Floats, split: int) -> float | None:
    return None if np.isnan(values).any() else quantile_psi(values[:split], values[split:])


def _floored_shares(values: Floats, edges: Floats) -> Floats:
    counts = np.histogram(values, bins=edges)[0]
    shares: Floats = np.maximum(counts / len(values), _FLOOR)
    return shares
