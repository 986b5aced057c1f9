"""Pictures that stand still, found on pixels: how little changes between two samples, and for how long.

An embedding cannot tell a frozen feed from a person who waits; pixels can as a rule, since a live picture
changes somewhere all the time. Strong compression removes what changes in a scene at rest, so there only what
comes afterwards tells: a camera that hung shows the work further on, a scene at rest goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from sopilot_assets.embedding.clips import ClipEmbedding, Features, Mask
from sopilot_assets.segments import Segment

GreyImage = npt.NDArray[np.uint8]

BLOCK_PX: Final = 8
WIDTH_PX: Final = 160
"""Width at which blocks of 8 x 8 pixels are compared; a hand spans several of them."""

STILL_LEVELS: Final = 1.0
"""A pair of samples is still when no block changes by this much on average, in grey levels of 255.

Measured on 136 real recordings (H.264, CRF 28): 99 % of the pairs inside 12 frozen spans lie below it, the
rest are key frames; people who stand still reach it for at most 0.9 s on end, the shortest frozen span lasts
4.3 s.
"""

PULSE_LEVELS: Final = 8.0
"""A single pair that changes by at most this much does not end a frozen span: an encoder draws a frozen
picture anew at every key frame (at most 5.3 levels seen)."""

PULSE_MARGIN_PAIRS: Final = 4
"""Still pairs wanted on both sides of such a pulse. Without them a slow recording whose frames are sampled
twice (still, moving, still, moving) would look frozen."""

DEAD_LEVELS: Final = 0.1
DEAD_SHARE: Final = 0.25
"""In a frozen span at least this share of the pairs changes by less than this: between key frames an encoder
repeats the picture exactly. Sensor noise on a scene without any motion does not (measured at CRF 18 to 28:
the lower quartile is at most 0.06 for a frozen feed with key frames every half second to ten seconds, and at
least
0.14 for noise of 1 to 4 levels)."""

SETTLED_LEVELS: Final = PULSE_LEVELS / 2
SETTLING_PAIRS: Final = 8
"""For this long an encoder may go on refining a picture that has stopped, by no more than that in a pair."""

JUMP_QUANTILE: Final = 0.9
"""A picture jumps when it changes more than in this share of the pairs that move. Measured where frozen
recordings went on: above it in all of 20, below it in 14 of 17 after a rest.
"""

JUMP_PAIRS: Final = 2
"""A jump may show in two pairs, since encoders blur a sudden change."""

MINIMUM_DURATION_S: Final = 2.0
"""Shorter stillness is not a freeze: more than twice what a waiting person was seen to do."""

HUNG_DURATION_S: Final = 1.25
"""Where the picture jumps on afterwards, this is long enough: nobody's rest of 400 recordings was longer than
0.9 s and ended in a jump; the shortest camera that hung did so for 1.5 s."""

CLIP_SHARE: Final = 0.5
"""A clip is frozen when at least this share of it is."""


def block_change(before: GreyImage, after: GreyImage) -> float:
    """The largest mean absolute difference of any 8 x 8 block between two grey images (h, w), in levels.

    Pixels right of and below the last whole block are ignored.
    """
    rows, columns = before.shape[0] // BLOCK_PX, before.shape[1] // BLOCK_PX
    if not rows or not columns:
        return float(np.abs(after.astype(np.int16) - before).mean())
    difference = np.where(after > before, after - before, before - after)
    blocks = difference[: rows * BLOCK_PX, : columns * BLOCK_PX].reshape(rows, BLOCK_PX, columns, BLOCK_PX)
    return float(blocks.sum(axis=(1, 3), dtype=np.int32).max()) / BLOCK_PX**2


def frozen_segments(embedding: ClipEmbedding, *, min_duration_s: float = MINIMUM_DURATION_S) -> list[Segment]:
    """The spans in which the picture stands still for at least ``min_duration_s`` seconds, in order; shorter
    ones, down to `HUNG_DURATION_S`, count where it jumps on afterwards.

    Where a picture could not be read (stillness NaN), the one before it stays on display.
    """
    stillness, times_s = np.nan_to_num(embedding.stillness, nan=0.0), embedding.still_time_s
    pair_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    spans = [
        Segment(max(float(times_s[first]) - pair_s, 0.0), float(times_s[last - 1]))
        for first, last in _settled(_runs(_without_pulses(stillness)), stillness)
        if np.mean(stillness[first:last] < DEAD_LEVELS) >= DEAD_SHARE
    ]
    return [
        span
        for span in spans
        if span.duration_s >= min_duration_s
        or (span.duration_s >= HUNG_DURATION_S and jumps_after(embedding, span))
    ]


def jumps_after(embedding: ClipEmbedding, span: Segment) -> bool | None:
    """Whether the picture goes on somewhere else after it stood still in ``span``, one of `frozen_segments`,
    as after a camera that hung in the middle of work; None where it does not go on. It does where pictures
    could not be read: nobody saw what happened meanwhile.
    """
    within = (embedding.still_time_s > span.start_s) & (embedding.still_time_s <= span.end_s)
    if np.isnan(embedding.stillness[within]).any():
        return True if span.end_s < embedding.still_time_s[-1] else None
    moving = embedding.stillness[embedding.stillness >= STILL_LEVELS]
    following = embedding.stillness[embedding.still_time_s > span.end_s][:JUMP_PAIRS]
    if len(following) < JUMP_PAIRS or not np.isfinite(following).all():
        return None
    return bool(following.max() > np.quantile(moving, JUMP_QUANTILE)) and span.start_s > 0


def frozen_clips(embedding: ClipEmbedding) -> Mask:
    """(n,) true for each clip of which at least half lies in frozen spans."""
    starts_s = embedding.clip_start_s
    ends_s = np.minimum(starts_s + embedding.clip_length_s, embedding.duration_s)
    hidden_s = np.zeros(len(starts_s))
    for span in frozen_segments(embedding):
        hidden_s += np.maximum(np.minimum(ends_s, span.end_s) - np.maximum(starts_s, span.start_s), 0.0)
    return np.asarray(hidden_s >= CLIP_SHARE * np.maximum(ends_s - starts_s, 1e-9), dtype=np.bool_)


def _without_pulses(stillness: Features) -> Mask:
    """(m,) true where a pair is still, or is a lone pulse between still pairs."""
    still = np.asarray(stillness < STILL_LEVELS, dtype=np.bool_)
    filled = still.copy()
    for index in np.flatnonzero(~still & (stillness <= PULSE_LEVELS)):
        before = still[max(index - PULSE_MARGIN_PAIRS, 0) : index]
        after = still[index + 1 : index + 1 + PULSE_MARGIN_PAIRS]
        if len(before) == len(after) == PULSE_MARGIN_PAIRS and before.all() and after.all():
            filled[index] = True
    return filled


def _settled(runs: Iterator[tuple[int, int]], stillness: Features) -> list[tuple[int, int]]:
    """The half-open runs, each begun while the encoder still refined the picture and ended after its last
    pulse, and joined where nothing else lies between two; one of those joined is a pulse's margin long.
    """
    found: list[tuple[int, int, int]] = []
    for first, last in runs:
        longest = last - first
        begin, end = first, last
        while begin > max(first - SETTLING_PAIRS, 0) and stillness[begin - 1] <= SETTLED_LEVELS:
            begin -= 1
        most = min(last + PULSE_MARGIN_PAIRS, len(stillness))
        while end < most and stillness[end] <= PULSE_LEVELS:
            end += 1
        if found and begin <= found[-1][1]:
            begin, _, before = found.pop()
            longest = max(longest, before)
        found.append((begin, end, longest))
    return [(begin, end) for begin, end, longest in found if longest >= PULSE_MARGIN_PAIRS]


def _runs(mask: Mask) -> Iterator[tuple[int, int]]:
    """The half-open index ranges in which ``mask`` is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
