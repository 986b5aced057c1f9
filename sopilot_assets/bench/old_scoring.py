"""The scoring of the system that this one replaces, as the baseline column of the accuracy benchmark.

Cosine distance of four-second clips, unconstrained dynamic time warping onto one gold, fixed thresholds. Its
rule for swapped steps (a step's mean position before its predecessor's) is left out, with its part of the
penalty: a monotone path never fulfils it. It knows one gold per comparison; where a task has several, the one
with the lowest cost speaks here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sopilot_assets.alignment.dtw import Indices, cheapest_path
from sopilot_assets.embedding.clips import ClipEmbedding, Features, Floats
from sopilot_assets.embedding.color_motion import NAME, ColorMotion
from sopilot_assets.errors import GoldError
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.scoring.result import Decision
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity

BOUNDARY_Z: Final = 1.0
LEAST_GAP_CLIPS: Final = 2
DEVIATION_COST: Final = 0.25
COLLAPSE_COST: Final = 0.20
COLLAPSE_OF_GOLD: Final = 0.45
COLLAPSE_OF_EXPECTED: Final = 0.35
MOST_OVER_TIME: Final = 1.5
OVER_TIME_REPORTED: Final = 0.2
PASS_SCORE: Final = 60.0
RETRAIN_SCORE: Final = 50.0
LEAST_DTW_COST: Final = 0.025
MOST_MEAN_DISTANCE: Final = 0.11
MOST_EXPECTED_SPAN: Final = 1.5
CONTINUOUS_THRESHOLD: Final = 0.5
COSINE_LIMIT: Final = 1.0 - 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class OldClips:
    """A video as the old system saw it: L2-normalised ``rows`` (n, d), one per clip, and the seconds
    ``start_s`` and ``end_s`` (n,) between which each clip lies.
    """

    rows: Features
    start_s: Floats
    end_s: Floats


@dataclass(frozen=True, slots=True)
class OldDeviation:
    """One reported deviation: ``step_index`` counts the gold's own segments, ``step`` is the annotated step
    that overlaps the segment most; both None where no step is concerned, ``step`` also without annotations.

    ``start_s`` and ``end_s`` are seconds of the trainee; ``mean_distance`` is the mean cosine distance on the
    segment's part of the path, ``unique_positions`` the trainee's clips there, ``gold_span_clips`` the
    segment's length and ``expected_span_clips`` the length the trainee's tempo makes of it.
    """

    type: DeviationType
    severity: Severity
    step_index: int | None
    step: int | None
    start_s: float
    end_s: float
    mean_distance: float = 0.0
    unique_positions: int = 0
    gold_span_clips: int = 0
    expected_span_clips: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class OldResult:
    """What the old system says of a trainee: ``score`` in [0, 100], ``decision`` (pass, needs_review,
    retrain, fail), deviations in order of the gold's segments, and what its four detectors of critical
    recordings make of that.

    ``boundaries`` are the clips at which the gold's segments begin, but the first; the path is of clip
    indices; ``total_cost`` is its summed distance, ``dtw_normalized_cost`` that divided by its length.
    """

    score: float
    decision: Decision
    deviations: tuple[OldDeviation, ...]
    dtw_normalized_cost: float
    over_time_ratio: float
    continuous_score: float
    legacy_binary: bool
    guarded_binary_v1: bool
    guarded_binary_v2: bool
    continuous_v1: bool
    boundaries: tuple[int, ...]
    gold_path: Indices
    trainee_path: Indices
    total_cost: float
    gold: int = 0
    """Which of the golds it was compared with."""


def describe_old(path: Path) -> OldClips:
    """The clips of one video: four seconds each, 12 numbers of colour and motion; `UnreadableVideo` when no
    frame can be decoded.
    """
    return old_clips(ColorMotion().embed(path))


def old_clips(embedding: ClipEmbedding) -> OldClips:
    """The clips of a stored ``color_motion`` embedding."""
    ends = np.minimum(embedding.clip_start_s + embedding.clip_length_s, embedding.duration_s)
    return OldClips(rows=embedding.blocks[NAME], start_s=embedding.clip_start_s, end_s=ends)


def old_result(
    golds: Sequence[OldClips],
    trainee: OldClips,
    *,
    gold_steps: Sequence[Sequence[StepInterval]] | None = None,
) -> OldResult:
    """The comparison with the gold whose ``dtw_normalized_cost`` is the lowest, the first one on ties;
    ``gold_steps`` holds each gold's annotated steps. `GoldError` without golds.
    """
    if not golds:
        raise GoldError("the old scoring compares with a gold: expected at least one, found none. Add golds.")
    steps = gold_steps if gold_steps is not None else [()] * len(golds)
    results = [
        replace(old_comparison(gold, trainee, gold_steps=some), gold=index)
        for index, (gold, some) in enumerate(zip(golds, steps, strict=True))
    ]
    return min(results, key=lambda result: result.dtw_normalized_cost)


def old_comparison(
    gold: OldClips, trainee: OldClips, *, gold_steps: Sequence[StepInterval] = ()
) -> OldResult:
    """A trainee's video against one gold; ``gold_steps`` are the gold's annotated steps, to name deviations
    by.
    """
    distance = cosine_distance(gold.rows, trainee.rows)
    gold_path, trainee_path, total_cost = cheapest_path(distance)
    edges = (0, *(boundaries := step_boundaries(gold.rows)), len(gold.rows))
    spans = [
        _Span.of_path(gold_path, trainee_path, distance, first=first, stop=stop)
        for first, stop in pairwise(edges)
    ]
    over_time = max(0.0, (len(trainee.rows) - len(gold.rows)) / len(gold.rows))
    deviations = _deviations(spans, gold, trainee, gold_steps, over_time=over_time)
    score = _score(deviations, steps=len(spans), over_time=over_time)
    critical = any(deviation.severity is Severity.CRITICAL for deviation in deviations)
    cost = round(total_cost / len(gold_path), 6)
    guarded = critical and cost >= LEAST_DTW_COST
    continuous = _continuous_score(deviations, cost=cost, over_time=round(over_time, 4))
    return OldResult(
        score=score,
        decision=_decision(score, critical=critical),
        deviations=deviations,
        dtw_normalized_cost=cost,
        over_time_ratio=round(over_time, 4),
        continuous_score=continuous,
        legacy_binary=critical,
        guarded_binary_v1=guarded,
        guarded_binary_v2=guarded and not _looks_misaligned(deviations),
        continuous_v1=continuous >= CONTINUOUS_THRESHOLD,
        boundaries=boundaries,
        gold_path=gold_path,
        trainee_path=trainee_path,
        total_cost=total_cost,
    )


def cosine_distance(one: Features, other: Features) -> npt.NDArray[np.float64]:
    """(m, n) one minus the dot products of unit rows (m, d) and (n, d), in the old system's single
    precision.
    """
    return np.asarray(1.0 - np.clip(one @ other.T, -COSINE_LIMIT, COSINE_LIMIT), dtype=np.float64)


def step_boundaries(rows: Features) -> tuple[int, ...]:
    """The clips at which a new segment begins: where the cosine distance from the clip before is at least
    the mean plus one standard deviation of all such distances, each at least two clips after the last one.
    """
    if len(rows) < 2:
        return ()
    distance = 1.0 - np.clip((rows[:-1] * rows[1:]).sum(axis=1), -COSINE_LIMIT, COSINE_LIMIT)
    found: list[int] = []
    for clip in np.flatnonzero(distance >= distance.mean() + BOUNDARY_Z * distance.std()) + 1:
        if not found or clip - found[-1] >= LEAST_GAP_CLIPS:
            found.append(int(clip))
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """A segment of the gold, clips ``[first, stop)``, and the trainee's part of the path through it."""

    first: int
    stop: int
    positions: Indices
    mean_distance: float

    @classmethod
    def of_path(
        cls,
        gold_path: Indices,
        trainee_path: Indices,
        distance: npt.NDArray[np.float64],
        *,
        first: int,
        stop: int,
    ) -> _Span:
        inside = (gold_path >= first) & (gold_path < stop)
        mean = distance[gold_path[inside], trainee_path[inside]].mean()
        return cls(first, stop, trainee_path[inside], float(mean))

    @property
    def length(self) -> int:
        return self.stop - self.first

    @property
    def unique(self) -> int:
        return len(np.unique(self.positions))

    def expected(self, tempo: float) -> int:
        return max(1, round(self.length * tempo))

    def kind(self, tempo: float) -> DeviationType | None:
        if self._collapsed(tempo):
            return DeviationType.MISSING_STEP
        return DeviationType.STEP_DEVIATION if self.mean_distance > DEVIATION_COST else None

    def _collapsed(self, tempo: float) -> bool:
        too_few = (
            self.unique / self.length < COLLAPSE_OF_GOLD
            or self.unique / self.expected(tempo) < COLLAPSE_OF_EXPECTED
        )
        return (self.unique <= 1 and self.length >= 2) or (too_few and self.mean_distance > COLLAPSE_COST)


_SEVERITY: Final = {
    DeviationType.MISSING_STEP: Severity.CRITICAL,
    DeviationType.STEP_DEVIATION: Severity.QUALITY,
    DeviationType.OVER_TIME: Severity.EFFICIENCY,
}


def _deviations(
    spans: Sequence[_Span],
    gold: OldClips,
    trainee: OldClips,
    gold_steps: Sequence[StepInterval],
    *,
    over_time: float,
) -> tuple[OldDeviation, ...]:
    tempo = len(trainee.rows) / len(gold.rows)
    found = []
    for index, span in enumerate(spans):
        kind = span.kind(tempo)
        if kind is None:
            continue
        where = Segment(float(gold.start_s[span.first]), float(gold.end_s[span.stop - 1]))
        found.append(
            OldDeviation(
                type=kind,
                severity=_SEVERITY[kind],
                step_index=index,
                step=annotated_step(where, gold_steps),
                start_s=float(trainee.start_s[span.positions[0]]),
                end_s=float(trainee.end_s[span.positions[-1]]),
                mean_distance=round(span.mean_distance, 6),
                unique_positions=span.unique,
                gold_span_clips=span.length,
                expected_span_clips=span.expected(tempo),
            )
        )
    if over_time > OVER_TIME_REPORTED:
        whole = (float(trainee.start_s[0]), float(trainee.end_s[-1]))
        late = DeviationType.OVER_TIME
        found.append(OldDeviation(late, _SEVERITY[late], None, None, *whole))
    return tuple(found)


def annotated_step(segment: Segment, steps: Sequence[StepInterval]) -> int | None:
    """The step that shares most time with a segment of the same video, the first one on ties; None when
    none does.
    """
    shared = [(segment & interval.segment).duration_s for interval in steps]
    longest = max(shared, default=0.0)
    return steps[shared.index(longest)].step if longest > 0 else None


def _count(deviations: Sequence[OldDeviation], kind: DeviationType) -> int:
    return sum(deviation.type is kind for deviation in deviations)


def _score(deviations: Sequence[OldDeviation], *, steps: int, over_time: float) -> float:
    penalty = (
        0.40 * _count(deviations, DeviationType.MISSING_STEP) / steps
        + 0.25 * _count(deviations, DeviationType.STEP_DEVIATION) / steps
        + 0.10 * min(over_time, MOST_OVER_TIME)
    )
    return round(100.0 * (1.0 - penalty), 2)


def _decision(score: float, *, critical: bool) -> Decision:
    if critical:
        return Decision.FAIL
    if score >= PASS_SCORE:
        return Decision.PASS
    return Decision.RETRAIN if score < RETRAIN_SCORE else Decision.NEEDS_REVIEW


def _looks_misaligned(deviations: Sequence[OldDeviation]) -> bool:
    """Whether the missing steps look like a failed alignment rather than like steps left out."""
    missing = [deviation for deviation in deviations if deviation.type is DeviationType.MISSING_STEP]
    return bool(missing) and (
        float(np.mean([deviation.mean_distance for deviation in missing])) > MOST_MEAN_DISTANCE
        or float(np.mean([deviation.expected_span_clips for deviation in missing])) > MOST_EXPECTED_SPAN
    )


def _continuous_score(deviations: Sequence[OldDeviation], *, cost: float, over_time: float) -> float:
    severities = [deviation.severity for deviation in deviations]
    raw = (
        2.5 * severities.count(Severity.CRITICAL)
        + 0.35 * severities.count(Severity.QUALITY)
        + 0.15 * severities.count(Severity.EFFICIENCY)
        + 0.2 * _count(deviations, DeviationType.MISSING_STEP)
        + 0.15 * _count(deviations, DeviationType.STEP_DEVIATION)
        + 3.0 * max(0.0, cost - 0.08)
        + 0.8 * max(0.0, over_time - 0.2)
    )
    return round(1.0 - math.exp(-raw), 6)
