"""How long each step takes, and how much people differ in pace, from the golds' annotated steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sopilot_assets.reference.annotations import StepInterval

PRIOR_SPREAD: Final = 0.2
"""Spread of the log of a step's duration that is assumed before any gold is seen (about 20 %)."""
PRIOR_GOLDS: Final = 4.0
"""How many golds that assumption is worth."""
LEAST_TEMPO_SPREAD: Final = 0.2


@dataclass(frozen=True, slots=True)
class Durations:
    """Per step the mean and spread of the log of its duration in seconds, in a recording of somebody else,
    and ``tempo_spread``: how much whole recordings differ in pace (log).
    """

    log_mean: tuple[float, ...]
    spread: tuple[float, ...]
    tempo_spread: float
    observed: tuple[tuple[float, ...], ...]
    """Per step the seconds that the golds took for it, at the usual pace."""

    def seconds(self, step: int) -> float:
        """The usual duration of a step, in seconds."""
        return math.exp(self.log_mean[step])


def fit_durations(golds: Sequence[Sequence[StepInterval]], step_count: int, *, persons: int) -> Durations:
    """The priors from each gold's steps; a step that no gold shows gets the usual duration of the others.

    Durations are log-normal. A gold's overall pace is the median of its steps' deviations and is taken out
    before steps are compared. What is usual is itself the mean of no more than ``persons`` people's ways, so
    the spread is that of a prediction for one more: its square is 1 + 1 / persons times theirs.
    """
    logs = np.full((len(golds), step_count), np.nan)
    for row, intervals in enumerate(golds):
        for interval in intervals:
            so_far = np.exp(logs[row, interval.step]) if np.isfinite(logs[row, interval.step]) else 0.0
            logs[row, interval.step] = math.log(so_far + interval.segment.duration_s)
    usual = _median(logs, float(np.nanmedian(logs)))
    tempo = np.nan_to_num(np.array([_finite_median(row) for row in logs - usual]))
    steady = logs - tempo[:, None]
    mean = _median(steady, float(np.nanmedian(steady)))
    seen = np.isfinite(steady).sum(axis=0)
    squares = np.nansum((steady - mean) ** 2, axis=0)
    variance = (PRIOR_GOLDS * PRIOR_SPREAD**2 + squares) / (PRIOR_GOLDS + np.maximum(seen - 1, 0))
    spread = np.sqrt(variance * (1.0 + 1.0 / persons))
    return Durations(
        tuple(float(value) for value in mean),
        tuple(float(value) for value in spread),
        max(LEAST_TEMPO_SPREAD, float(tempo.std())),
        tuple(
            tuple(round(float(value), 6) for value in np.exp(column[np.isfinite(column)]))
            for column in steady.T
        ),
    )


def _median(
    logs: np.ndarray[tuple[int, ...], np.dtype[np.float64]], default: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array([_finite_median(column, default) for column in logs.T])


def _finite_median(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], default: float = 0.0) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else default
