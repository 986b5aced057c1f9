"""Whether later cases look like earlier ones, by an index whose alarms mean something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.drift import MIN_WINDOW

PSI_ALARM: Final = 0.25
SIGNIFICANT: Final = 0.05
RECENT_DAYS: Final = 7
SEED: Final = 0
DRAWS: Final = 2000
SCORE_EDGES: Final = tuple(float(edge) for edge in range(0, 101, 10))
PROBABILITY_EDGES: Final = tuple(edge / 10 for edge in range(11))


Floats = NDArray[np.float64]


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

    def alarms_among(self, comparisons: int) -> bool:
        """Whether the windows lie further apart than the alarm limit and chance allow, being one of so many
        comparisons: without drift one of all alarms with a probability of at most 5 % (Bonferroni).
        """
        return self.psi > self.alarm and self.psi_p_value < SIGNIFICANT / comparisons

    def alarms_among_looks(self, values: int) -> bool:
        """The same where one looks again with every value that comes in, of which there are ``values`` by
        now, at least 20: chance alone then alarms with a probability of 5 % in all looks together.

        Of that, the look at n values gets the share 20 / (n (n + 1)), which add up to 1 (alpha spending:
        K. Lan, D. DeMets, Biometrika 70, 1983). It is spent on the Kolmogorov-Smirnov test, whose p-value
        has no least value.
        """
        level = SIGNIFICANT * MIN_WINDOW / (values * (values + 1))
        return self.alarms_among(1) and self.ks_p_value < level


def fixed_bin_drift(
    reference: Floats,
    current: Floats,
    *,
    edges: tuple[float, ...],
    seed: int,
    draws: int = DRAWS,
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


def _open_counts(values: Floats, inner: Floats) -> NDArray[np.int64]:
    return np.bincount(np.searchsorted(inner, values, side="right"), minlength=len(inner) + 1)


def _smoothed_psi(old_counts: NDArray[np.int64], new_counts: NDArray[np.int64]) -> Floats:
    bins = old_counts.shape[-1]
    old = (old_counts + 0.5) / (old_counts.sum(axis=-1, keepdims=True) + 0.5 * bins)
    new = (new_counts + 0.5) / (new_counts.sum(axis=-1, keepdims=True) + 0.5 * bins)
    return np.asarray(np.sum((new - old) * np.log(new / old), axis=-1))
