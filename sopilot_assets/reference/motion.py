"""How much moves in a clip, and how much usually moves in each step: what tells a pause from a step that
looks the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from sopilot_assets.embedding.clips import ClipEmbedding

Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

NOISE: Final = 0.5
"""Grey levels of picture noise that are added to every motion before its logarithm is taken."""
PRIOR_SPREAD: Final = 0.45
"""Spread of a step's log-motion that is assumed before any gold is seen."""
PRIOR_GOLDS: Final = 2.0
"""How many golds that assumption is worth."""
IDLE_MEAN: Final = -1.0
"""The log-motion of a pause: about a third of what is usual in the video."""
IDLE_SPREAD: Final = 0.6
ANYTHING_SPREAD: Final = 0.9
"""Spread of the log-motion of whatever may be seen."""
LIMIT: Final = 4.0
"""The most that one clip's motion can speak for or against a state, in nats before weighting."""
WEIGHT: Final = 0.3
"""How much a clip's motion counts: neighbouring clips move alike, so they are far from independent."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Per step the mean and spread of the log of a clip's motion against the video's median."""

    mean: tuple[float, ...]
    spread: tuple[float, ...]

    def log_ratio(self, motion: Floats) -> Floats:
        """Log-likelihood ratios (n, K + 2) of each step, of something unknown (0) and last of idling, against
        any motion at all.
        """
        steps = [_log_normal(motion, m, s) for m, s in zip(self.mean, self.spread, strict=True)]
        anything = _log_normal(motion, float(np.mean(self.mean)), ANYTHING_SPREAD)
        # less motion than usual for a pause is still a pause
        idle = _log_normal(np.maximum(motion, IDLE_MEAN), IDLE_MEAN, IDLE_SPREAD)
        columns = np.stack([*steps, anything, idle], axis=1) - anything[:, None]
        return WEIGHT * np.clip(columns, -LIMIT, LIMIT)


def clip_motion(embedding: ClipEmbedding, usable: Mask | None = None) -> Floats:
    """Log of each clip's motion (n,) against the median of the usable ones; 0 where none was measured."""
    starts, length = embedding.clip_start_s, embedding.clip_length_s
    low = np.searchsorted(embedding.still_time_s, starts, side="right")
    high = np.searchsorted(embedding.still_time_s, starts + length, side="right")
    found = np.full(starts.shape[0], np.nan, dtype=embedding.stillness.dtype)
    for count in np.unique(high - low).tolist():  # nearly all clips have as many samples
        if count:
            clips = high - low == count
            found[clips] = np.median(embedding.stillness[low[clips, None] + np.arange(count)], axis=1)
    if not np.isfinite(found).any():
        return np.zeros(starts.shape[0])
    logs = np.log(found + NOISE)
    known = logs[usable] if usable is not None and usable.any() else logs
    usual = np.nanmedian(known) if np.isfinite(known).any() else np.nanmedian(logs)
    return np.asarray(np.nan_to_num(logs - usual))


def fit_motion(motions: Sequence[Floats], steps: Sequence[npt.NDArray[np.int64]], step_count: int) -> Motion:
    """From each gold's `clip_motion` and the step of each of its clips (-1: none)."""
    mean, spread = [], []
    for step in range(step_count):
        of_golds = [m[s == step] for m, s in zip(motions, steps, strict=True) if (s == step).any()]
        middles = np.array([float(np.mean(values)) for values in of_golds])
        within = float(np.mean([np.var(values) for values in of_golds])) if of_golds else 0.0
        between = float(((middles - middles.mean()) ** 2).sum()) if middles.size else 0.0
        votes = max(middles.size - 1, 0)
        variance = (PRIOR_GOLDS * PRIOR_SPREAD**2 + between + votes * within) / (PRIOR_GOLDS + votes)
        mean.append(float(middles.mean()) if middles.size else 0.0)
        spread.append(float(np.sqrt(variance)))
    return Motion(tuple(mean), tuple(spread))


def _log_normal(x: Floats, mean: float, spread: float) -> Floats:
    return np.asarray(-0.5 * ((x - mean) / spread) ** 2 - np.log(spread))
