"""The alignment of one video against a reference: evidence, decoded steps, edits and the warp onto the most
similar gold.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from sopilot_assets.alignment.clip_scores import clip_scores
from sopilot_assets.alignment.decode import DecodedExplanation, Decoding, decode, order_evidence
from sopilot_assets.alignment.dtw import Indices, cheapest_path
from sopilot_assets.alignment.explanations import UNKNOWN, PlannedEdit, Prices, Procedure
from sopilot_assets.alignment.spans import (
    DOUBTFUL_LOG_ODDS,
    FROZEN_LOG_ODDS,
    Alignment,
    Alternative,
    Edit,
    EditKind,
    Span,
    SpanKind,
    Warp,
)
from sopilot_assets.alignment.votes import GoldVotes
from sopilot_assets.embedding.clips import ClipEmbedding, comparable, require_same_model
from sopilot_assets.embedding.stillness import frozen_clips, frozen_segments, jumps_after
from sopilot_assets.reference.evidence import ClipComparison
from sopilot_assets.reference.model import Gold, Reference
from sopilot_assets.reference.motion import clip_motion
from sopilot_assets.segments import Segment

Floats: TypeAlias = npt.NDArray[np.float64]

HIDDEN_SHARE: Final = 0.75
"""A step counts as hidden when at least this share of its span is frozen."""


def align(
    video_id: str, embedding: ClipEmbedding, reference: Reference, *, prices: Prices | None = None
) -> Alignment:
    """How ``embedding`` compares with the reference; the video must not be one of its golds (see
    `Reference.without`). ``prices`` are those of the reference's `Calibration`, the defaults without one.

    Raises `ModelMismatch` when the embedding is of another model than the golds.
    """
    require_same_model(reference.golds[0].embedding, embedding)
    prices = prices or Prices()
    live = ~frozen_clips(embedding)
    stills = tuple(frozen_segments(embedding))
    rows = comparable(embedding, live)
    compared = reference.evidence.compare(rows)
    log_posterior, fit = reference.evidence.judge(compared, usable=live)
    clips = clip_scores(reference, rows, log_posterior, clip_motion(embedding, live), usable=live, fit=fit)
    decoding = decode(
        clips,
        durations=reference.durations,
        prices=prices,
        orders=reference.orders,
        stride_s=reference.stride_s,
    )
    edges = _clip_edges(embedding)
    best = decoding.best
    frozen = tuple(_frozen(embedding, stills, _hidden_steps(decoding.best, edges, stills)))
    votes = GoldVotes(reference, compared, clips, decoding, log_posterior, usable=live, scale=prices.scale)
    spans = _spans(best, edges, log_posterior, stills)
    return Alignment(
        video_id=video_id,
        reference_id=reference.reference_id,
        spans=tuple(
            sorted(
                (*spans, *(Span(SpanKind.FROZEN, edit.where, None, 0.0) for edit in frozen)),
                key=lambda span: span.segment,
            )
        ),
        edits=(*_edits(decoding, edges, votes), *frozen),
        log_odds=decoding.log_odds,
        fit=fit,
        order_evidence=order_evidence(
            clips,
            decoding.candidates[0],
            durations=reference.durations,
            prices=prices,
            orders=reference.orders,
            stride_s=reference.stride_s,
        ),
        warp=_nearest_warp(embedding, compared, reference),
        clip_middle_s=embedding.clip_middle_s,
        posterior=np.exp(log_posterior).astype(np.float32),
        duration_s=embedding.duration_s,
        held_out=reference.evidence.held_out,
        alternatives=tuple(_alternatives(decoding, edges)),
    )


def _alternatives(decoding: Decoding, edges: Floats) -> Iterator[Alternative]:
    for candidate in decoding.candidates:
        log_odds = candidate.score - decoding.best.score
        if log_odds > -NEGLIGIBLE:
            changes = candidate.explanation.changes
            yield Alternative(
                tuple((change.kind, change.steps) for change in changes),
                log_odds,
                tuple(_where(change, candidate, edges) for change in changes),
            )


NEGLIGIBLE: Final = 12.0
"""Explanations this many nats below the best are not kept."""


def _clip_edges(embedding: ClipEmbedding) -> Floats:
    """The times (n + 1,) between which each clip speaks: half-way between clip middles, and the video's
    ends.
    """
    middles = embedding.clip_middle_s
    first_s = float(embedding.clip_start_s[0])
    begin_s = first_s if first_s >= embedding.clip_length_s / 4 else 0.0  # less is a shift of the sampling
    return np.concatenate([[begin_s], (middles[1:] + middles[:-1]) / 2, [embedding.duration_s]])


def _spans(
    best: DecodedExplanation, edges: Floats, log_posterior: Floats, stills: tuple[Segment, ...]
) -> Iterator[Span]:
    for index, state in enumerate(best.explanation.states):
        start, end = int(best.start[index]), int(best.end[index])
        if start == end:
            continue  # no explanation fits a recording this short or long: nothing was found anywhere
        column = log_posterior.shape[1] - 1 if state.step == UNKNOWN else state.step
        evidence = float(log_posterior[start:end, column].mean())
        for piece in _outside(_segment(edges, start, end), stills):
            yield Span(
                SpanKind.STEP if state.expected else SpanKind.UNKNOWN,
                piece,
                state.stands_for,
                evidence,
            )


def _edits(decoding: Decoding, edges: Floats, votes: GoldVotes) -> Iterator[Edit]:
    best = decoding.best
    for change in best.explanation.changes:
        yield Edit(
            change.kind,
            change.steps,
            _where(change, best, edges),
            decoding.change_log_odds(change),
            reported=change in decoding.reported,
            votes=votes(change),
        )


def _frozen(
    embedding: ClipEmbedding, stills: tuple[Segment, ...], hidden: list[tuple[int, Segment]]
) -> Iterator[Edit]:
    """An edit for each span in which the picture hung, or may have; a scene at rest is none.

    It hung where it goes on somewhere else, or does not go on and hides what should have come.
    """
    for still in stills:
        steps = tuple(step for step, where in hidden if (where & still).duration_s > 0)
        jumped = jumps_after(embedding, still)
        if jumped or steps:
            doubtful = jumped is False
            odds = DOUBTFUL_LOG_ODDS if doubtful else FROZEN_LOG_ODDS
            yield Edit(EditKind.FROZEN, steps, still, odds, reported=True)


def _hidden_steps(
    best: DecodedExplanation, edges: Floats, stills: tuple[Segment, ...]
) -> list[tuple[int, Segment]]:
    found = []
    for index, state in enumerate(best.explanation.states):
        where = _segment(edges, int(best.start[index]), int(best.end[index]))
        covered = sum((where & still).duration_s for still in stills)
        if state.expected and covered >= HIDDEN_SHARE * where.duration_s:
            found.append((state.step, where))
    return found


def _where(change: PlannedEdit, best: DecodedExplanation, edges: Floats) -> Segment:
    """The stretch of video that shows a change: the spans of its steps, what stands in for them, or the
    moment where they are missing.
    """
    states = best.explanation.states
    concerned = [
        index
        for index, state in enumerate(states)
        if (state.stands_for in change.steps and state.expected is (change.kind is not EditKind.WRONG))
    ]
    if change.kind is EditKind.EXTRA:
        concerned = _added(change.steps[0], states)
    if change.kind is EditKind.MISSING or not concerned:
        moment = _moment_before(change.steps[-1], best, edges)
        return Segment(moment, moment)
    return Segment(float(edges[best.start[concerned[0]]]), float(edges[best.end[concerned[-1]]]))


def _added(before: int, states: Procedure) -> list[int]:
    """Which states are what was added before a step, or at the end; all that was added where neither is left
    as it was.
    """
    added = [index for index, state in enumerate(states) if state.stands_for is None]
    followed_by = [states[index + 1].stands_for if index + 1 < len(states) else None for index in added]
    step = before if before in followed_by else None
    return [i for i, following in zip(added, followed_by, strict=True) if following == step] or added


def _moment_before(step: int, best: DecodedExplanation, edges: Floats) -> float:
    """When a step should have begun, the last of those that are missing together: the end of the last state
    that belongs before it.
    """
    states = best.explanation.states
    before = [i for i, one in enumerate(states) if one.stands_for is not None and one.stands_for < step]
    return float(edges[best.end[before[-1]]]) if before else 0.0


def _segment(edges: Floats, start: int, end: int) -> Segment:
    return Segment(float(edges[start]), float(edges[end]))


def _outside(segment: Segment, stills: tuple[Segment, ...]) -> list[Segment]:
    pieces = [segment]
    for still in stills:
        pieces = [
            rest
            for piece in pieces
            for rest in (
                Segment(piece.start_s, min(piece.end_s, still.start_s)),
                Segment(max(piece.start_s, still.end_s), piece.end_s),
            )
            if rest
        ]
    return pieces


def _nearest_warp(embedding: ClipEmbedding, compared: ClipComparison, reference: Reference) -> Warp:
    """The warp onto the gold with the lowest normalised cost; of equal golds the first by id."""
    taught = reference.taught
    cosines = np.empty((taught.size, compared.points.shape[0]))
    # most gold clips have been compared with already: those that teach a step
    cosines[taught] = compared.cosines.T
    cosines[~taught] = _untaught(reference) @ compared.points.T
    distance = 1.0 - np.clip(cosines, -1.0, 1.0, out=cosines)
    ends = np.cumsum([gold.embedding.clip_count for gold in reference.golds])
    found: list[tuple[float, str, Gold, Indices, Indices]] = []
    for gold, of_gold in zip(reference.golds, np.split(distance, ends[:-1]), strict=True):
        gold_path, trainee_path, total = cheapest_path(of_gold)
        found.append((total / len(gold_path), gold.video_id, gold, gold_path, trainee_path))
    cost, gold_id, gold, gold_path, trainee_path = min(found, key=lambda one: one[:2])
    return Warp(gold_id, gold.embedding.clip_middle_s[gold_path], embedding.clip_middle_s[trainee_path], cost)


@functools.lru_cache(maxsize=4)
def _untaught(reference: Reference) -> Floats:
    """The clips of all golds that teach no step, along the components (u, P), for one video after the
    other.
    """
    rows = np.concatenate([gold.rows for gold in reference.golds])
    return reference.evidence.points(rows[~reference.taught])
