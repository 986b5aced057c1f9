"""Made-up embeddings of a procedure: a direction for every step, a shift for every person, and noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sopilot_assets.embedding.clips import ClipEmbedding, clip_starts
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.reference.model import Gold
from sopilot_assets.segments import Segment

STEP_IDS = ("open", "clean", "fill", "close")
DIMENSIONS = 24
LENGTH_S, STRIDE_S = 2.0, 0.5
STRANGE = -1
"""Something that is none of the steps."""

OTHER_WAY = 10
"""Added to a step: the step done in a way that looks entirely different."""

Shown = Sequence[tuple[int, float]]
Spans = Sequence[tuple[float, float]]
MOVING, QUIET, FROZEN = 20.0, 4.0, 0.0
"""Stillness of a picture in which somebody works, waits, and of one that stands still."""


def embedding(
    shown: Shown,
    *,
    seed: int,
    person: int = 0,
    model_id: str = "made_up-1",
    noise: float = 0.4,
    work: int = 1,
    quiet: Spans = (),
    frozen: Spans = (),
) -> ClipEmbedding:
    """The embedding of a video that shows these steps for these seconds.

    Another ``work`` has other steps. In ``quiet`` and ``frozen`` spans (seconds) little or nothing moves.
    """
    directions = np.random.default_rng(work).normal(size=(2 * len(STEP_IDS) + 1, DIMENSIONS))
    shift = 0.3 * np.random.default_rng(100 + person).normal(size=DIMENSIONS)
    moments = np.concatenate([np.full(round(seconds * 10), _row(look)) for look, seconds in shown])
    starts = clip_starts(len(moments) / 10, length_s=LENGTH_S, stride_s=STRIDE_S)
    rng = np.random.default_rng(seed)
    rows = [directions[moments[round(s * 10) : round((s + LENGTH_S) * 10)]].mean(axis=0) for s in starts]
    scatter = noise * rng.normal(size=(len(starts), DIMENSIONS))
    times = np.arange(0.125, len(moments) / 10, 0.125)
    stillness = np.full(times.shape, MOVING, dtype=np.float32)
    for spans, level in ((quiet, QUIET), (frozen, FROZEN)):
        for start_s, end_s in spans:
            stillness[(times > start_s) & (times <= end_s)] = level
    return ClipEmbedding(
        model_id=model_id,
        clip_start_s=starts,
        clip_length_s=LENGTH_S,
        duration_s=len(moments) / 10,
        blocks={"made_up": (np.array(rows) + shift + scatter).astype(np.float32)},
        still_time_s=times,
        stillness=stillness,
        reader="made_up",
    )


def _row(look: int) -> int:
    steps = len(STEP_IDS)
    return steps if look == STRANGE else look if look < OTHER_WAY else steps + 1 + look - OTHER_WAY


def intervals(shown: Shown) -> tuple[StepInterval, ...]:
    """The true steps of such a video."""
    edges = np.concatenate([[0.0], np.cumsum([seconds for _, seconds in shown])])
    return tuple(
        StepInterval(step % OTHER_WAY, Segment(float(edges[index]), float(edges[index + 1])))
        for index, (step, _) in enumerate(shown)
        if step != STRANGE
    )


def in_order(*steps: int, seconds: float = 5.0) -> list[tuple[int, float]]:
    """These steps, each equally long."""
    return [(step, seconds) for step in steps]


def gold(
    number: int,
    *,
    person: str | None = None,
    shown: Shown | None = None,
    confirmed: bool = True,
    model_id: str = "made_up-1",
    noise: float = 0.4,
) -> Gold:
    """A gold recording of the whole procedure."""
    shown = shown or in_order(0, 1, 2, 3, seconds=4.5 + 0.25 * number)
    return Gold(
        video_id=f"{number:012x}",
        person=person if person is not None else f"person_{number % 2}",
        site="site",
        embedding=embedding(shown, seed=number, person=number % 2, model_id=model_id, noise=noise),
        intervals=intervals(shown),
        confirmed=confirmed,
    )
