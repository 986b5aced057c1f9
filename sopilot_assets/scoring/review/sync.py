"""Which moment of a gold belongs to a moment of the recording, as a table that a page can interpolate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sopilot_assets.alignment.spans import Alignment, Span, SpanKind, Warp
from sopilot_assets.segments import Segment

Table: TypeAlias = list[tuple[float, float]]
"""Pairs (recording's time, gold's time) in seconds, ordered by the first; linear in between."""

_TOLERANCE_S = 0.04
"""Half a picture of the small copies: a table this close to the path cannot be told from it."""


def sync_table(alignment: Alignment, *, gold_id: str, gold_steps: Sequence[tuple[int, Segment]]) -> Table:
    """The table for one gold: the warp where it is the warp's gold, else step onto step.

    A path onto a gold goes from clip middle to clip middle; before the first and after the last both run on
    at the same pace.
    """
    if gold_id == alignment.warp.gold_id and len(alignment.warp.trainee_s):
        return _from_warp(alignment.warp, alignment.duration_s)
    return _from_steps(alignment.spans, gold_steps)


def _from_warp(warp: Warp, duration_s: float) -> Table:
    lead_s = float(min(warp.trainee_s[0], warp.gold_s[0]))
    tail_s = max(duration_s - float(warp.trainee_s[-1]), 0.0)
    times_s = np.concatenate([[warp.trainee_s[0] - lead_s], warp.trainee_s, [warp.trainee_s[-1] + tail_s]])
    gold_s = np.concatenate([[warp.gold_s[0] - lead_s], warp.gold_s, [warp.gold_s[-1] + tail_s]])
    kept = _corners(times_s, gold_s)
    return [(round(float(times_s[i]), 3), round(float(gold_s[i]), 3)) for i in kept]


def _corners(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> list[int]:
    """The points needed to stay within the tolerance of all others (Ramer-Douglas-Peucker)."""
    kept, open_ranges = {0, len(x) - 1}, [(0, len(x) - 1)]
    while open_ranges:
        first, last = open_ranges.pop()
        if last - first < 2:
            continue
        gap = _distance(x[first : last + 1], y[first : last + 1])
        middle = first + int(gap.argmax())
        if gap.max() > _TOLERANCE_S:
            kept.add(middle)
            open_ranges += [(first, middle), (middle, last)]
    return sorted(kept)


def _distance(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How far each point is from the chord through the first and the last."""
    dx, dy = x[-1] - x[0], y[-1] - y[0]
    length = float(np.hypot(dx, dy))
    if length == 0:
        return np.asarray(np.hypot(x - x[0], y - y[0]), np.float64)
    return np.asarray(np.abs(dx * (y - y[0]) - dy * (x - x[0])) / length, np.float64)


def _from_steps(spans: Sequence[Span], gold_steps: Sequence[tuple[int, Segment]]) -> Table:
    golds = dict(reversed(gold_steps))
    table: Table = []
    for span in spans:
        if span.kind is SpanKind.STEP and span.step in golds:
            gold = golds[span.step]
            table.append((round(span.segment.start_s, 3), round(gold.start_s, 3)))
            table.append((round(span.segment.end_s, 3), round(gold.end_s, 3)))
    return table or [(0.0, 0.0), (1.0, 1.0)]
