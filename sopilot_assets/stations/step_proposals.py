"""Steps proposed for a gold that nobody marked: what a person corrects instead of starting from nothing.

Where other golds of the task have steps, the recording is decoded against those; a gold shows every step, so
only the orders that are allowed are compared. For the first gold there is nothing to compare with: the
recording is cut where its picture changes most, into as many stretches as the task has steps.

``python -m benchmarks.proposals`` says how far proposals are from true borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from sopilot_assets.alignment.clip_scores import FULL_TRUST_FIT, clip_scores
from sopilot_assets.alignment.decode import DecodedExplanation, decode
from sopilot_assets.alignment.explanations import Prices
from sopilot_assets.capture.registry import Recording
from sopilot_assets.embedding.clips import ClipEmbedding, comparable, load_embedding
from sopilot_assets.embedding.stillness import frozen_clips
from sopilot_assets.errors import GoldError
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.reference.model import Gold, Reference, build_reference, proposed_intervals
from sopilot_assets.reference.motion import clip_motion
from sopilot_assets.segments import Segment
from sopilot_assets.stations.gold_inputs import GoldInputs
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import TaskSpec


@dataclass(frozen=True, slots=True)
class StepProposal:
    """Steps in order of time, and what they come from: ``golds``, by the video ids of the golds that the
    recording was compared with, or change points, where there are none.
    """

    steps: tuple[StepInterval, ...]
    golds: tuple[str, ...] = ()

    @property
    def by(self) -> str:
        """What events say that the proposal came from."""
        return f"golds {', '.join(self.golds)}" if self.golds else "change points"


def propose_steps(home: Home, task: TaskSpec, inputs: GoldInputs, recording: Recording) -> StepProposal:
    """Steps for a gold of the task, by the other golds that have some.

    Raises `GoldError` where the recording has no embedding yet, or none can be made of it.
    """
    model_id = inputs.embedded.get(str(recording.key))
    if model_id is None:
        raise GoldError(
            f"{recording.original_name}: proposals come when the recording has been looked at. That happens "
            "by itself while Sopilot runs; until then, mark from nothing.",
            ja=f"{recording.original_name}：手順の候補は、録画の解析が終わると表示されます。"
            "解析は自動で行われます。それまでは候補なしで記録してください。",
        )
    video_id = recording.key.video_id
    embedding = load_embedding(home.embedding(model_id, video_id))
    others = [
        Gold(
            video_id=one.key.video_id,
            person=one.person,
            site=one.site,
            embedding=load_embedding(home.embedding(model_id, one.key.video_id)),
            intervals=inputs.annotations.steps[one.key.video_id],
            confirmed=True,
        )
        for one in inputs.golds
        if one.key.video_id != video_id
        and one.key.video_id in inputs.annotations.steps
        and inputs.embedded.get(str(one.key)) == model_id
    ]
    return proposed_steps(embedding, others, task.step_ids, task_id=task.task_id, orders=task.legal_orders())


def proposed_steps(
    embedding: ClipEmbedding,
    golds: Sequence[Gold],
    step_ids: Sequence[str],
    *,
    task_id: str,
    orders: Sequence[Sequence[int]],
) -> StepProposal:
    """Steps for a recording with this embedding, by ``golds`` with steps; by its change points where these
    do not show every step.
    """
    try:
        # one thread: sums come out the same on every machine
        with threadpool_limits(limits=1):
            reference = build_reference(task_id, step_ids, golds, orders=orders)
            steps = _decoded(embedding, reference)
            return StepProposal(steps, tuple(gold.video_id for gold in reference.golds))
    except GoldError:
        return StepProposal(proposed_intervals(embedding, len(step_ids)))


def _decoded(embedding: ClipEmbedding, reference: Reference) -> tuple[StepInterval, ...]:
    """The complete procedure, in the order and at the times that explain the recording best."""
    live = ~frozen_clips(embedding)
    rows = comparable(embedding, live)
    log_posterior, fit = reference.evidence.judge(reference.evidence.compare(rows), usable=live)
    clips = clip_scores(
        reference,
        rows,
        log_posterior,
        clip_motion(embedding, live),
        usable=live,
        # it is known to be this procedure: a person or a place that golds do not show makes it no other one
        fit=max(fit, FULL_TRUST_FIT),
    )
    decoding = decode(
        clips,
        durations=reference.durations,
        prices=Prices(),
        orders=reference.orders,
        stride_s=reference.stride_s,
        max_edits=0,
    )
    return _intervals(decoding.candidates[0], embedding)


def _intervals(best: DecodedExplanation, embedding: ClipEmbedding) -> tuple[StepInterval, ...]:
    """The runs of clips as times: between the middles of two clips, and at the ends of the recording."""
    middles = embedding.clip_middle_s
    edges = np.concatenate([[0.0], (middles[1:] + middles[:-1]) / 2, [embedding.duration_s]])
    found = (
        StepInterval(state.step, Segment(float(edges[start]), float(edges[end])))
        for state, start, end in zip(best.explanation.states, best.start, best.end, strict=True)
    )
    return tuple(interval for interval in found if interval.segment)
