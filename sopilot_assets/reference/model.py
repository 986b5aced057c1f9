"""The reference of a task: what its golds say, ready to compare a video with."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from sopilot_assets.embedding.clips import ClipEmbedding, comparable, require_same_model
from sopilot_assets.embedding.stillness import frozen_clips
from sopilot_assets.errors import GoldError
from sopilot_assets.reference import REFERENCE_VERSION
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.reference.borders import Borders, contrasts, fit_borders
from sopilot_assets.reference.durations import Durations, fit_durations
from sopilot_assets.reference.evidence import Evidence, GoldClips, evidence_of, fit_evidence
from sopilot_assets.reference.motion import Motion, clip_motion, fit_motion
from sopilot_assets.segments import Segment
from sopilot_assets.texts.languages import Text

Features: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]

JOINED_S: Final = 0.5
"""Two steps with at most this much between them have a common border."""
COPY_COSINE: Final = 0.9
"""From this mean cosine of simultaneous clips on, two golds are one recording. Recordings of one performer
that share half of their footage reached 0.82, a copy encoded anew 0.92.
"""
COPY_CLIPS: Final = 2
SHORTEST_SHARE: Final = 0.3
"""A proposed step lasts at least this share of the mean step."""
WELL_INSIDE: Final = 0.75
"""A clip teaches a step when at least this share of it lies in the step."""
MOSTLY: Final = 0.5
"""A step too short for that is taught by the clip that shows most of it, if that shows it for this share."""


@dataclass(frozen=True, eq=False)
class Gold:
    """One gold recording: who and where, its embedding, and its steps in order of time, annotated
    (``confirmed``) or proposed.
    """

    video_id: str
    person: str | None
    site: str
    embedding: ClipEmbedding
    intervals: tuple[StepInterval, ...]
    confirmed: bool

    @functools.cached_property
    def live(self) -> Mask:
        """Which clips (n,) show something that moves."""
        return ~frozen_clips(self.embedding)

    @functools.cached_property
    def rows(self) -> Features:
        """The clips (n, D) as they are compared."""
        return comparable(self.embedding, self.live)

    @functools.cached_property
    def taught(self) -> npt.NDArray[np.int64]:
        """Per clip (n,) the step that it teaches, or -1."""
        return np.where(self.live, clip_steps(self.embedding, self.intervals), -1)

    @functools.cached_property
    def motion(self) -> npt.NDArray[np.float64]:
        """The motion of each clip (n,)."""
        return clip_motion(self.embedding, self.live)

    @functools.cached_property
    def contrasts(self) -> npt.NDArray[np.float64]:
        """The contrast at each place (n + 1,) between clips."""
        return contrasts(self.rows, self.live)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What the golds of a task say: step evidence, durations, legal orders and the golds themselves."""

    reference_id: str
    task_id: str
    step_ids: tuple[str, ...]
    model_id: str
    golds: tuple[Gold, ...]
    evidence: Evidence
    durations: Durations
    motion: Motion
    borders: Borders
    task_orders: tuple[tuple[int, ...], ...]
    """The orders of the steps that the task file allows."""
    orders: tuple[tuple[int, ...], ...]
    """Those, and the orders that confirmed golds show."""

    @property
    def stride_s(self) -> float:
        """The time between two clips, in seconds; a clip's length where no gold has two."""
        of_golds = (gold.embedding.clip_start_s for gold in self.golds)
        starts = next((starts for starts in of_golds if starts.size > 1), None)
        return self.golds[0].embedding.clip_length_s if starts is None else float(starts[1] - starts[0])

    @property
    def taught(self) -> Mask:
        """Which clips of all golds (m,), one gold after the other, teach a step: those of the evidence."""
        return np.concatenate([gold.taught for gold in self.golds]) >= 0

    @property
    def persons(self) -> tuple[str, ...]:
        """The known persons of the golds, by name."""
        return tuple(sorted({gold.person for gold in self.golds if gold.person is not None}))

    @property
    def confirmed(self) -> bool:
        """Whether every gold's steps were annotated by a person."""
        return all(gold.confirmed for gold in self.golds)

    def without(self, video_id: str) -> Reference | None:
        """The reference of the other golds, to score a gold that must not judge itself; None when it is the
        only one. Raises `GoldError` when the others do not show every step.
        """
        others = [gold for gold in self.golds if gold.video_id != video_id]
        if len(others) == len(self.golds):
            return self
        return self.of(others) if others else None

    def of(self, golds: Sequence[Gold]) -> Reference:
        """The reference of some of its golds, in their order here; see `evidence_of` for what stays as all
        golds say. Raises `GoldError` when they do not show every step.
        """
        _require_every_step(self.task_id, self.step_ids, golds)
        places = [self.golds.index(gold) for gold in golds]
        return _assembled(
            self.task_id, self.step_ids, tuple(golds), self.task_orders, evidence_of(self.evidence, places)
        )


def proposed_intervals(embedding: ClipEmbedding, step_count: int) -> tuple[StepInterval, ...]:
    """Steps in the task's order at the embedding's change points, for a gold without annotations."""
    borders = change_points(comparable(embedding), step_count)
    middles = embedding.clip_middle_s
    last = len(middles) - 1
    inner = [float(middles[max(b - 1, 0)] + middles[min(b, last)]) / 2 for b in borders[1:-1]]
    edges = [0.0, *inner, embedding.duration_s]
    found = (StepInterval(step, Segment(edges[step], edges[step + 1])) for step in range(step_count))
    return tuple(interval for interval in found if interval.segment)


def build_reference(
    task_id: str,
    step_ids: Sequence[str],
    golds: Sequence[Gold],
    *,
    orders: Sequence[Sequence[int]] | None = None,
) -> Reference:
    """The reference of a task's golds, whatever order they come in.

    ``orders`` are those the task allows; unless told, only the one it is written in.

    Raises `GoldError` when there is no gold, when a step is shown by none of them, and `ModelMismatch` when
    their embeddings are of different models.
    """
    if not golds:
        raise GoldError(
            f"task {task_id}: no gold recording. Put at least one into capture/{task_id}/gold/<site>/ "
            "and wait for its intake.",
            ja=f"作業 {task_id} には使えるお手本がありません。"
            f"capture/{task_id}/gold/<場所>/ に入れてください。",
        )
    allowed = tuple(tuple(order) for order in orders or [range(len(step_ids))])
    for gold in golds[1:]:
        require_same_model(golds[0].embedding, gold.embedding)
    ordered = _without_copies(golds)
    _require_every_step(task_id, step_ids, ordered)
    return _assembled(
        task_id, tuple(step_ids), ordered, allowed, fit_evidence(_gold_clips(ordered, len(step_ids)))
    )


def _require_every_step(task_id: str, step_ids: Sequence[str], golds: Sequence[Gold]) -> None:
    seen = {step for gold in golds for step in gold.taught.tolist()}
    unseen = [step for step in range(len(step_ids)) if step not in seen]
    if unseen:
        why = [_why_unseen(step_ids[step], step, golds) for step in unseen]
        raise GoldError(
            f"task {task_id}: {'; '.join(one.en for one in why)}.",
            ja=f"作業 {task_id}：{'。'.join(one.ja for one in why)}。",
        )


def _assembled(
    task_id: str,
    step_ids: tuple[str, ...],
    golds: tuple[Gold, ...],
    allowed: tuple[tuple[int, ...], ...],
    evidence: Evidence,
) -> Reference:
    """The reference of golds without copies, with everything but the evidence fitted to them."""
    return Reference(
        reference_id=_id(task_id, step_ids, golds, allowed),
        task_id=task_id,
        step_ids=step_ids,
        model_id=golds[0].embedding.model_id,
        golds=golds,
        evidence=evidence,
        durations=fit_durations(
            [gold.intervals for gold in golds],
            len(step_ids),
            persons=len({_person(gold) for gold in golds}),
        ),
        motion=fit_motion([gold.motion for gold in golds], [gold.taught for gold in golds], len(step_ids)),
        borders=_borders(golds),
        task_orders=allowed,
        orders=_orders(golds, allowed),
    )


def _without_copies(golds: Sequence[Gold]) -> tuple[Gold, ...]:
    """The golds by their ids, without those that are another one once more (encoded anew, a few frames
    longer): a copy is no second opinion, and it must not vouch for its original when golds are held out. An
    annotated one is kept rather than one that is not.
    """
    kept: list[Gold] = []
    unique = {gold.video_id: gold for gold in golds}.values()
    for gold in sorted(unique, key=lambda gold: (not gold.confirmed, gold.video_id)):
        if not any(_same_recording(gold.rows, other.rows) for other in kept):
            kept.append(gold)
    return tuple(sorted(kept, key=lambda gold: gold.video_id))


def _same_recording(rows: Features, others: Features) -> bool:
    count = min(rows.shape[0], others.shape[0])
    if abs(rows.shape[0] - others.shape[0]) > COPY_CLIPS:
        return False
    return float((rows[:count] * others[:count]).sum(axis=1).mean()) >= COPY_COSINE


def reference_id(
    task_id: str, step_ids: Sequence[str], golds: Sequence[Gold], *, orders: Sequence[Sequence[int]]
) -> str:
    """What the reference is made of, as 16 hex digits: the same golds, annotations, model and code give the
    same id.
    """
    return _id(task_id, step_ids, _without_copies(golds), orders)


def _id(task_id: str, step_ids: Sequence[str], golds: Sequence[Gold], orders: Sequence[Sequence[int]]) -> str:
    content = {
        "version": REFERENCE_VERSION,
        "task": task_id,
        "steps": list(step_ids),
        "orders": [list(order) for order in orders],
        "golds": [_identity(gold) for gold in golds],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _identity(gold: Gold) -> Mapping[str, object]:
    return {
        "video": gold.video_id,
        "model": gold.embedding.model_id,
        "person": gold.person,
        "confirmed": gold.confirmed,
        "intervals": [(i.step, i.segment.start_s, i.segment.end_s) for i in gold.intervals],
    }


def clip_steps(embedding: ClipEmbedding, intervals: Sequence[StepInterval]) -> npt.NDArray[np.int64]:
    """Per clip (n,) the step that it lies well inside of, or -1; a step that is too short for that has the
    clip that shows most of it, where it fills half of it.
    """
    steps = np.full(embedding.clip_count, -1, dtype=np.int64)
    starts = embedding.clip_start_s
    ends = np.minimum(starts + embedding.clip_length_s, embedding.duration_s)
    shares = [
        (np.minimum(ends, one.segment.end_s) - np.maximum(starts, one.segment.start_s)) / (ends - starts)
        for one in intervals
    ]
    for interval, share in zip(intervals, shares, strict=True):
        steps[share >= WELL_INSIDE] = interval.step
    for interval, share in zip(intervals, shares, strict=True):
        best = int(np.argmax(share))
        if share[best] >= MOSTLY and not (steps == interval.step).any():
            steps[best] = interval.step
    return steps


def _why_unseen(name: str, step: int, golds: Sequence[Gold]) -> Text:
    """Why no clip of any gold teaches a step, and what to do."""
    lengths = [
        interval.segment.duration_s for gold in golds for interval in gold.intervals if interval.step == step
    ]
    guessed = [gold for gold in golds if not gold.confirmed]
    if any((clip_steps(gold.embedding, gold.intervals) == step).any() for gold in golds):
        return Text(
            f"in every gold the picture stands still during {name}. Film the golds again",
            f"どのお手本でも手順 {name} の間、映像が止まっています。お手本を撮り直してください",
        )
    if guessed:
        return Text(
            f"no gold is known to show {name} for long enough: where steps begin and end is guessed in "
            f"{len(guessed)} of {len(golds)} golds. Write it into steps.csv",
            f"手順 {name} を十分な長さで示すお手本がありません。お手本 {len(golds)} 本中 {len(guessed)} 本の"
            "手順の時刻は推定です。steps.csv に時刻を書いてください",
        )
    if not lengths:
        return Text(
            f"no row of steps.csv says when {name} is done. Add its times, or record a gold that shows it",
            f"steps.csv に手順 {name} の行がありません。時刻を書くか、その手順を含むお手本を撮ってください",
        )
    clip = golds[0].embedding
    return Text(
        f"no gold shows {name} for long enough: {max(lengths):.1f} s at most, and it has to fill half of a "
        f"clip of {clip.clip_length_s:g} s (model {clip.model_id}). Correct its times in steps.csv, do it "
        "more slowly in a gold, or make it one step with its neighbour",
        f"手順 {name} を十分な長さで示すお手本がありません。最長 {max(lengths):.1f} 秒ですが、"
        f"{clip.clip_length_s:g} 秒の区間（モデル {clip.model_id}）の半分以上が必要です。"
        "steps.csv の時刻を直すか、ゆっくり行うお手本を撮るか、隣の手順と一つにまとめてください",
    )


def _gold_clips(golds: Sequence[Gold], step_count: int) -> GoldClips:
    persons = {name: index for index, name in enumerate(sorted({_person(gold) for gold in golds}))}
    rows, steps, owners, people = [], [], [], []
    for index, gold in enumerate(golds):
        chosen = gold.taught >= 0
        rows.append(gold.rows[chosen])
        steps.append(gold.taught[chosen])
        owners.append(np.full(int(chosen.sum()), index, dtype=np.int64))
        people.append(np.full(int(chosen.sum()), persons[_person(gold)], dtype=np.int64))
    return GoldClips(
        np.concatenate(rows),
        np.concatenate(steps),
        np.concatenate(owners),
        np.concatenate(people),
        step_count,
    )


def _borders(golds: Sequence[Gold]) -> Borders:
    examples = []
    for gold in golds:
        ordered = sorted(gold.intervals, key=lambda interval: interval.segment.start_s)
        times = [
            (before.segment.end_s + after.segment.start_s) / 2
            for before, after in pairwise(ordered)
            if after.segment.start_s - before.segment.end_s < JOINED_S
        ]
        places = np.searchsorted(gold.embedding.clip_middle_s, times)
        examples.append((gold.contrasts, [int(place) for place in places]))
    return fit_borders(examples)


def _person(gold: Gold) -> str:
    # golds of unknown persons are assumed to show the same one: the cautious reading
    return gold.person or ""


def _orders(golds: Sequence[Gold], allowed: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    """What the task allows, then every complete order that a confirmed gold shows."""
    seen = {tuple(interval.step for interval in gold.intervals) for gold in golds if gold.confirmed}
    complete = {order for order in seen if sorted(order) == sorted(allowed[0])}
    return (*allowed, *sorted(complete - set(allowed)))


def change_points(rows: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """The borders (count + 1,) that cut clips (n, D) into ``count`` runs with the least scatter within a run.

    Exact dynamic programming over all segmentations (Bellman 1961; kernel change-point detection, Harchaoui
    & Cappé 2007, with a linear kernel). Borders are clip indices from 0 to n; with fewer clips than runs,
    some runs are empty.
    """
    n = rows.shape[0]
    shortest = max(1, int(SHORTEST_SHARE * n / count)) if n >= count else 0
    scatter = _scatter(rows.astype(np.float64))
    cost = np.full((count + 1, n + 1), np.inf)
    cut = np.zeros((count + 1, n + 1), dtype=np.int64)
    cost[0, 0] = 0.0
    for run in range(1, count + 1):
        for end in range(run * shortest, n + 1):
            starts = np.arange(0, end - shortest + 1)
            total = cost[run - 1, starts] + scatter[starts, end]
            cut[run, end] = starts[int(np.argmin(total))]
            cost[run, end] = total.min()
    borders = [n]
    for run in range(count, 0, -1):
        borders.append(int(cut[run, borders[-1]]))
    return np.array(borders[::-1], dtype=np.int64)


def _scatter(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Squared distances to the mean, summed, of every run [i, j): (n + 1, n + 1)."""
    sums = np.vstack([np.zeros(rows.shape[1]), np.cumsum(rows, axis=0)])
    squares = np.concatenate([[0.0], np.cumsum((rows**2).sum(axis=1))])
    gram = sums @ sums.T
    norm = np.diag(gram)
    length = np.arange(len(sums))[None, :] - np.arange(len(sums))[:, None]
    between = norm[None, :] + norm[:, None] - 2 * gram
    with np.errstate(divide="ignore", invalid="ignore"):
        scatter = (squares[None, :] - squares[:, None]) - between / length
    return np.where(length > 0, scatter, np.where(length == 0, 0.0, np.inf))
