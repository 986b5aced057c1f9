"""From an embedding to what its clips say about each state of the procedure."""

from __future__ import annotations

from typing import Final

import numpy as np

from sopilot_assets.alignment.decode import ClipScores, Floats, Mask
from sopilot_assets.embedding.clips import ClipEmbedding, Features
from sopilot_assets.reference.borders import contrasts
from sopilot_assets.reference.model import Reference

FULL_TRUST_FIT: Final = 0.65
"""From this fit on, clips count in full; a recording that matches less (another site, an unusual person) is
judged with more caution.
"""
LEAST_FIT: Final = 0.05
"""A lower fit counts as this one, so that some evidence is left."""


def clip_scores(
    reference: Reference,
    rows: Features,
    log_posterior: Floats,
    motion: Floats,
    *,
    usable: Mask,
    fit: float,
    ends: tuple[float, float],
) -> ClipScores:
    """The scores of one video's clips from its comparable rows (n, D), their `Evidence.log_posterior`
    (n, K + 1), their motion (n,), the video's fit and what its first and last clip stand for beside their own
    stride (see `strides_at_ends`).
    """
    moving = reference.motion.log_ratio(motion)
    return ClipScores(
        states=reference.evidence.emission(log_posterior) + moving[:, :-1],
        idle=moving[:, -1],
        border=reference.borders.log_ratio(contrasts(rows, usable)),
        frozen=~usable,
        trust=min(max(fit, LEAST_FIT) / FULL_TRUST_FIT, 1.0) ** 2,
        lead=ends[0],
        trail=ends[1],
    )


def clip_edges(embedding: ClipEmbedding) -> Floats:
    """The times (n + 1,) between which each clip speaks: half-way between clip middles, and the video's
    ends.
    """
    middles = embedding.clip_middle_s
    first_s = float(embedding.clip_start_s[0])
    begin_s = first_s if first_s >= embedding.clip_length_s / 4 else 0.0  # less is a shift of the sampling
    return np.concatenate([[begin_s], (middles[1:] + middles[:-1]) / 2, [embedding.duration_s]])


def strides_at_ends(embedding: ClipEmbedding, stride_s: float) -> tuple[float, float]:
    """How many strides the first clip speaks for beside its own, and the last one.

    A clip speaks for the time around its middle, so nearly half a clip at either end has no clip of its own.
    Uncounted, first and last steps would seem shorter than they are, and cut short.
    """
    edges = clip_edges(embedding)
    trail_s = edges[-1] - edges[-2] - stride_s if embedding.clip_count > 1 else 0.0
    return float(edges[1] - edges[0] - stride_s) / stride_s, float(trail_s) / stride_s
