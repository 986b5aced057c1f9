"""Recordings that show the same take: encoded anew, scaled, or trimmed at either end.

Two recordings of one take run side by side at a constant offset. First their clips have to look alike there,
which those of one scene do anyway. Then the picture has to change in the same moments, which is as good as a
fingerprint: people never repeat a movement to the eighth of a second. A copy in another speed is not found;
its sidecar's ``source_video`` has to say so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import correlate
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sopilot_assets.embedding.clips import ClipEmbedding, unit_rows
from sopilot_assets.embedding.stillness import frozen_clips
from sopilot_assets.errors import StudyError

Floats = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

SAME_LOOK: Final = 0.55
"""The mean cosine of clips shown at the same time that two recordings of one take have at least."""
SAME_MOTION: Final = 0.5
"""The correlation of changes of the picture that two recordings of one take have at least."""
SAME_TOGETHER: Final = 1.5
"""What cosine and correlation of one take come to together, at least.

Of 21 copies of 7 public recordings, all 7 that were encoded anew at half the size reach it, 5 of 7 that were
trimmed by 30 %, and 4 of 7 halves. Of 7,140 pairs of different simulated recordings, which are short and much
alike, none came above 1.43, and of 2,278 pairs of public ones only one, which shows the same take.
"""
SHARED: Final = 0.5
"""The share of the shorter recording's clips that has to be in the other one."""
FEWEST_CLIPS: Final = 8
"""Clips that show something and that two recordings share at least."""
FEWEST_STEPS: Final = 40
"""Values of motion that two recordings share at least: five seconds."""
MOTION_STEP_S: Final = 0.125
"""The time between two values of a recording's motion."""
SLOW_STEPS: Final = 8
"""Motion is taken against its mean over this many steps before and after: what is left are movements, not
the steps of the procedure.
"""
APPEARANCE: Final = ("final", "mid")
"""Feature blocks that show what a clip looks like; a model without them is compared by all its blocks."""
DIMENSIONS: Final = 128
"""Numbers that a clip's features are projected to, at random but always the same way."""
ANCHORS: Final = 6
"""Clips of each recording that are looked for in all others."""
SLACK: Final = 0.1
"""What single clips may look less alike than the mean along a diagonal, when candidates are sought."""
_SEED: Final = 20260223
_ANCHORS_AT_ONCE: Final = 512
_CLIPS_AT_ONCE: Final = 40_000


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """What a recording looks like: ``rows`` (n, 128) unit vectors of its clips, zero where it is frozen,
    every ``stride_s`` seconds; ``motion`` (m,) how much the picture changes every `MOTION_STEP_S`.
    """

    name: str
    model_id: str
    rows: Features
    stride_s: float
    motion: Floats

    @property
    def shown(self) -> Mask:
        """Which clips (n,) show something."""
        return np.asarray(self.rows.any(axis=1), dtype=np.bool_)


def summarised(name: str, embedding: ClipEmbedding) -> Take:
    """A recording's take by its stored embedding; ``name`` is how groups call it, e.g. its key."""
    shown = ~frozen_clips(embedding)
    names = [block for block in APPEARANCE if block in embedding.blocks] or sorted(embedding.blocks)
    chosen = shown if shown.any() else np.ones_like(shown)
    parts = [
        unit_rows(embedding.blocks[block] - embedding.blocks[block][chosen].mean(axis=0)) for block in names
    ]
    features = np.concatenate(parts, axis=1)
    rows = unit_rows(features @ _projection(features.shape[1]))
    starts = embedding.clip_start_s
    return Take(
        name=name,
        model_id=embedding.model_id,
        rows=np.where(shown[:, None], rows, np.float32(0)),
        stride_s=float(np.diff(starts).min()) if starts.shape[0] > 1 else embedding.clip_length_s,
        motion=_motion(embedding),
    )


def near_duplicate_groups(takes: Sequence[Take]) -> dict[str, str]:
    """The group of each recording that shows the same take as another one, by name; others are left out.

    A group is called after its smallest member. Raises `StudyError` for a name that occurs twice, or takes
    of different models.
    """
    _require_comparable(takes)
    pairs = [(one, other) for one, other in sorted(_candidates(takes)) if same_take(takes[one], takes[other])]
    if not pairs:
        return {}
    head, tail = np.array(pairs, dtype=np.int64).T
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), (head, tail)), shape=(len(takes), len(takes)))
    _, component = connected_components(graph, directed=False)
    linked = sorted({*head.tolist(), *tail.tolist()}, key=lambda place: takes[place].name)
    named: dict[int, str] = {}
    for place in linked:
        named.setdefault(int(component[place]), takes[place].name)
    return {takes[place].name: named[int(component[place])] for place in linked}


def same_take(one: Take, other: Take) -> bool:
    """Whether two recordings show the same take."""
    motion, later_s = motion_match(one, other)
    if motion < SAME_MOTION:
        return False
    look = look_match(one, other, later_s)
    return look >= SAME_LOOK and look + motion >= SAME_TOGETHER


def motion_match(one: Take, other: Take) -> tuple[float, float]:
    """The best correlation of both motions at a constant offset, over the offsets at which enough of the
    shorter recording is in the other (-1 where there is none), and how many seconds later ``other`` shows it.
    """
    n, m = one.motion.shape[0], other.motion.shape[0]
    fewest = max(math.ceil(SHARED * min(n, m)), FEWEST_STEPS)
    if min(n, m) < fewest:
        return -1.0, 0.0
    lag = np.arange(fewest - n, m - fewest + 1)
    first, second = np.maximum(0, -lag), np.maximum(0, lag)
    count = np.minimum(n - first, m - second)
    product = correlate(other.motion, one.motion, mode="full")[lag + n - 1]
    energy = _energy(one.motion, first, count) * _energy(other.motion, second, count)
    correlation = np.where(energy > 0, product / np.sqrt(np.maximum(energy, 1e-12)), -1.0)
    best = int(correlation.argmax())
    return float(correlation[best]), float(lag[best]) * MOTION_STEP_S


def look_match(one: Take, other: Take, later_s: float) -> float:
    """The mean cosine of clips that show the same when ``other`` runs ``later_s`` seconds later, to within
    one clip; -1 where they share too few that show something.
    """
    middle = round(later_s / one.stride_s)
    return max(_diagonal(one, other, offset) for offset in (middle - 1, middle, middle + 1))


def _diagonal(one: Take, other: Take, offset: int) -> float:
    first, second = max(0, -offset), max(0, offset)
    count = max(0, min(one.rows.shape[0] - first, other.rows.shape[0] - second))
    cosine = (one.rows[first : first + count] * other.rows[second : second + count]).sum(axis=1)
    both = one.shown[first : first + count] & other.shown[second : second + count]
    return float(cosine[both].mean()) if both.sum() >= FEWEST_CLIPS else -1.0


def _energy(motion: Floats, start: Indices, count: Indices) -> Floats:
    total = np.concatenate([[0.0], np.cumsum(motion**2)])
    return np.asarray(total[start + count] - total[start], dtype=np.float64)


def _motion(embedding: ClipEmbedding) -> Floats:
    if embedding.still_time_s.shape[0] < 2:
        return np.zeros(0)
    times = np.arange(embedding.still_time_s[0], embedding.still_time_s[-1] + 1e-6, MOTION_STEP_S)
    changes = np.interp(times, embedding.still_time_s, np.log1p(embedding.stillness.astype(np.float64)))
    # two samplings of one take are up to half a step apart
    smooth = np.convolve(np.pad(changes, 1, mode="edge"), (0.25, 0.5, 0.25), mode="valid")
    width = 2 * SLOW_STEPS + 1
    slow = np.convolve(np.pad(smooth, SLOW_STEPS, mode="edge"), np.full(width, 1 / width), mode="valid")
    return np.asarray(smooth - slow, dtype=np.float64)


def _candidates(takes: Sequence[Take]) -> set[tuple[int, int]]:
    """Pairs of which one has half of its anchors in the other, about as well as copies do."""
    anchors = [_anchors(take) for take in takes]
    usable = [place for place, one in enumerate(anchors) if one.shape[0] == ANCHORS]
    found: set[tuple[int, int]] = set()
    per_chunk = _ANCHORS_AT_ONCE // ANCHORS
    for start in range(0, len(usable), per_chunk):
        chunk = usable[start : start + per_chunk]
        sought = np.concatenate([anchors[place] for place in chunk])
        for others, rows, starts in _blocks(takes, usable):
            best = np.maximum.reduceat(sought @ rows.T, starts, axis=1)
            best = best.reshape(len(chunk), ANCHORS, len(others))
            half = np.sort(best, axis=1)[:, ANCHORS // 2 :].mean(axis=1)
            for at, where in np.argwhere(half >= SAME_LOOK - SLACK).tolist():
                pair = sorted((chunk[at], others[where]))
                if pair[0] != pair[1]:
                    found.add((pair[0], pair[1]))
    return found


def _anchors(take: Take) -> Features:
    shown = np.flatnonzero(take.shown)
    if shown.shape[0] < FEWEST_CLIPS:
        return take.rows[:0]
    # not the very ends, which are what is trimmed
    places = (np.arange(ANCHORS) + 0.5) / ANCHORS * shown.shape[0]
    return take.rows[shown[places.astype(np.int64)]]


def _blocks(takes: Sequence[Take], usable: Sequence[int]) -> Iterator[tuple[list[int], Features, Indices]]:
    """Recordings by chunks: which, every second clip of them, and where in those each begins."""
    chunk: list[int] = []
    size = 0
    for place in usable:
        chunk.append(place)
        size += (takes[place].rows.shape[0] + 1) // 2
        if size >= _CLIPS_AT_ONCE or place == usable[-1]:
            rows = [takes[one].rows[::2] for one in chunk]
            starts = np.cumsum([0, *(part.shape[0] for part in rows[:-1])])
            yield chunk, np.concatenate(rows), starts
            chunk, size = [], 0


def _require_comparable(takes: Sequence[Take]) -> None:
    names = {take.name for take in takes}
    models = sorted({take.model_id for take in takes})
    if len(names) != len(takes):
        raise StudyError(
            f"near-duplicates: expected each recording once, found {len(takes) - len(names)} again."
        )
    if len(models) > 1:
        raise StudyError(
            f"near-duplicates: expected embeddings of one model, found {', '.join(models)}. Embed all "
            "recordings of the task with its embedder first."
        )


def _projection(features: int) -> Features:
    generator = np.random.default_rng([_SEED, features])
    return np.asarray(generator.standard_normal((features, DIMENSIONS)) / DIMENSIONS**0.5, dtype=np.float32)
