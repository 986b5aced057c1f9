"""From an embedding to what its clips say about each state of the procedure."""

from __future__ import annotations

from typing import Final

from sopilot_assets.alignment.decode import ClipScores, Floats, Mask
from sopilot_assets.embedding.clips import Features
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
) -> ClipScores:
    """The scores of one video's clips from its comparable rows (n, D), their `Evidence.log_posterior`
    (n, K + 1), their motion (n,) and the video's fit.
    """
    moving = reference.motion.log_ratio(motion)
    return ClipScores(
        states=reference.evidence.emission(log_posterior) + moving[:, :-1],
        idle=moving[:, -1],
        border=reference.borders.log_ratio(contrasts(rows, usable)),
        frozen=~usable,
        trust=min(max(fit, LEAST_FIT) / FULL_TRUST_FIT, 1.0) ** 2,
    )
