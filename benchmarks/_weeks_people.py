"""Made-up recordings of many people for the benchmark of weeks: cheap, and no clip comes twice.

What a clip looks like is a direction for its step, a manner in which this person does this step, how it
went on that day, and noise. A share of the persons does one of the steps in a manner of their own, which is
further from the usual one. Edits are those that calibration makes (`alignment.counterfactual`), of
recordings that nobody else is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator

from sopilot_assets.alignment.counterfactual import Counterfactual, counterfactuals
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.embedding.clips import ClipEmbedding, clip_starts, rearranged
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import Step, TaskSpec

STEPS: Final = 6
BLOCKS: Final = {"final": 320, "mid": 320, "hof": 96}
LENGTH_S, STRIDE_S = 2.0, 0.5
STEP_S: Final = (4.0, 9.0)
MANNER, OWN_MANNER, DAY, NOISE = 0.7, 1.3, 0.35, 4.5
"""Spreads of a person's manner of a step, of one that is the person's own, of a day, and of single clips;
that of the steps' directions is 1."""
OWN_STEPS: Final = 0.15
"""The share of (person, step) that is done in a manner of its own."""
RIGHT: Final = 0.6
"""The share of recordings without a deviation."""
EDITS: Final = {
    EditKind.MISSING: 0.5,
    EditKind.SWAP: 0.15,
    EditKind.WRONG: 0.15,
    EditKind.LONG: 0.1,
    EditKind.EXTRA: 0.1,
}
"""How often each kind of deviation is made, of all deviations."""

TASK: Final = TaskSpec(
    task_id="job",
    name="Job",
    version=1,
    steps=tuple(Step(id=f"step_{number}", name=f"Step {number}") for number in range(STEPS)),
)


@dataclass(frozen=True, slots=True)
class Made:
    """A made-up recording: its embedding, when its steps are shown, and what was changed (None: nothing)."""

    video_id: str
    person: str
    embedding: ClipEmbedding
    intervals: tuple[StepInterval, ...]
    change: Counterfactual | None

    @property
    def critical(self) -> bool:
        """Whether a step is missing; all steps are critical."""
        return (
            self.change is not None
            and self.change.change is not None
            and (self.change.change.kind is EditKind.MISSING)
        )


def right_recording(person: int, number: int) -> Made:
    """A recording of the whole procedure; the same for the same numbers."""
    chance = np.random.default_rng([person, number])
    lengths = chance.uniform(*STEP_S, size=STEPS)
    edges = np.concatenate([[0.0], np.cumsum(lengths)])
    starts = clip_starts(float(edges[-1]), length_s=LENGTH_S, stride_s=STRIDE_S)
    shown = np.searchsorted(edges[1:-1], np.minimum(starts + LENGTH_S / 2, edges[-1]))
    blocks = {
        name: (_looks(person, name, size, chance)[shown] + NOISE * chance.normal(size=(starts.size, size)))
        for name, size in BLOCKS.items()
    }
    embedding = ClipEmbedding(
        model_id="made_up-1",
        clip_start_s=starts,
        clip_length_s=LENGTH_S,
        duration_s=float(edges[-1]),
        blocks={name: block.astype(np.float32) for name, block in blocks.items()},
        still_time_s=np.zeros(0),
        stillness=np.zeros(0, dtype=np.float32),
        reader="made_up",
    )
    times = edges.tolist()
    intervals = tuple(StepInterval(k, Segment(times[k], times[k + 1])) for k in range(STEPS))
    return Made(f"{person:04x}{number:08x}", f"person_{person}", embedding, intervals, None)


def _looks(person: int, block: str, size: int, chance: Generator) -> np.ndarray:
    """What each step looks like (STEPS, size) when this person does it on this day."""
    ours = np.random.default_rng(list(block.encode()))
    own = np.random.default_rng([person, *block.encode()])
    odd = np.random.default_rng([person, 1]).random(STEPS) < OWN_STEPS
    manner = np.where(odd, OWN_MANNER, MANNER)[:, None] * own.normal(size=(STEPS, size))
    looks: np.ndarray = ours.normal(size=(STEPS, size)) + manner + DAY * chance.normal(size=(STEPS, size))
    return looks


def trainee_recording(person: int, number: int) -> Made:
    """A recording that is right or has one deviation, as chance has it; the same for the same numbers."""
    chance = np.random.default_rng([person, number, 7])
    made = right_recording(person, number)
    if chance.random() < RIGHT:
        return made
    kind = chance.choice(np.array(list(EDITS)), p=list(EDITS.values()))
    edits = [
        one
        for one in counterfactuals(made.embedding.clip_middle_s, made.intervals)
        if one.change is not None and one.change.kind == kind and one.hidden is None
    ]
    edit = edits[chance.integers(len(edits))]
    return Made(made.video_id, made.person, rearranged(made.embedding, edit.clips), (), edit)
