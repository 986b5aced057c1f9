"""Embeddings made of plain numbers, for tests of what is done with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sopilot_assets.embedding.clips import ClipEmbedding, clip_starts


def made_embedding(
    *, seconds: float = 6.0, stillness: Sequence[float] | None = None, model_id: str = "made-0", seed: int = 0
) -> ClipEmbedding:
    """An embedding of two random blocks; ``stillness`` at 8 Hz, all moving when None."""
    rng = np.random.default_rng(seed)
    starts_s = clip_starts(seconds, length_s=2.0, stride_s=0.5)
    still = np.full(round(seconds * 8) - 1, 30.0) if stillness is None else np.asarray(stillness, dtype=float)
    return ClipEmbedding(
        model_id=model_id,
        clip_start_s=starts_s,
        clip_length_s=2.0,
        duration_s=seconds,
        blocks={
            "mid": rng.normal(3, 1, (len(starts_s), 5)).astype(np.float16).astype(np.float32),
            "hof": rng.normal(0, 1, (len(starts_s), 4)).astype(np.float32),
        },
        still_time_s=(np.arange(len(still)) + 1) / 8,
        stillness=still.astype(np.float32),
        reader="decord",
    )
