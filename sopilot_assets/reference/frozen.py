"""Which clips of a video show nothing, because the picture stands still."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from sopilot_assets.embedding.clips import ClipEmbedding
from sopilot_assets.embedding.stillness import frozen_segments

FROZEN_SHARE: Final = 0.5
"""A clip is frozen when more than this share of it stands still."""


def frozen_clips(embedding: ClipEmbedding) -> npt.NDArray[np.bool_]:
    """Per clip (n,) whether most of it stands still."""
    starts = embedding.clip_start_s
    ends = np.minimum(starts + embedding.clip_length_s, embedding.duration_s)
    still_s = np.zeros(embedding.clip_count)
    for segment in frozen_segments(embedding):
        still_s += np.maximum(np.minimum(ends, segment.end_s) - np.maximum(starts, segment.start_s), 0.0)
    return np.asarray(still_s > FROZEN_SHARE * (ends - starts))
