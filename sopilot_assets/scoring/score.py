"""From an alignment to deviations, a score and a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sopilot_assets.alignment.calibration import Calibration
from sopilot_assets.alignment.spans import Alignment, EditKind, SpanKind
from sopilot_assets.reference.model import Reference
from sopilot_assets.scoring.compared import Compared
from sopilot_assets.scoring.deciding import decide
from sopilot_assets.scoring.deviations import counts_for, deviations_of
from sopilot_assets.scoring.limits import DecisionLimits, golds_limits
from sopilot_assets.scoring.points import over_time_ratio, score_interval, score_points
from sopilot_assets.scoring.procedure import other_work_probability
from sopilot_assets.scoring.result import Decision, Deviation, Score, StepReading, Verifiability
from sopilot_assets.scoring.severity import is_critical
from sopilot_assets.scoring.suspicions import besides, critical_share, suspicions
from sopilot_assets.scoring.verifiability import verifiability
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec

LEAST_CONFIDENCE: Final = 0.5
"""What is less likely than not is suspected, and not found."""
LEAST_SHARE: Final[Mapping[DeviationType, float]] = {
    DeviationType.WRONG_STEP: 0.3,
    DeviationType.OVER_TIME: LEAST_CONFIDENCE,
}
"""How likely it has to be of one step by itself to be found: that something else was done instead, or that
it took long, where neither is critical. Where a false finding costs as much as a missed one, what is likelier
than half of the F1 that can be reached is worth reporting (Lipton et al. 2014): about .6 for wrong steps.
"""


def score_alignment(
    task: TaskSpec,
    reference: Reference,
    alignment: Alignment,
    calibration: Calibration,
    limits: DecisionLimits | None = None,
    *,
    damaged: bool = False,
) -> Score:
    """The deviations in order of time, what else is suspected, the score and the decision, by ``limits`` or
    those that follow from the task and its golds. Of a ``damaged`` recording a part is missing or cannot be
    read.
    """
    compared = Compared(task, alignment, reference, calibration, damaged)
    limits = limits or golds_limits(task)
    other_work = other_work_probability(alignment.fit, alignment.order_evidence)
    known = other_work <= 0.5 and calibration.held_out != "nothing"
    likely = suspicions(compared) if other_work <= 0.5 else ()
    found = _found(compared, likely, known=known)
    suspected = besides(likely, found)
    share = critical_share(compared)
    seen = share if known else 0.0
    if seen >= limits.fail and not any(d.severity is Severity.CRITICAL for d in found):
        # what is critical is certain, and not which of several it is: the likeliest stands for all
        found += [d for d in suspected if d.severity is Severity.CRITICAL][:1]
        suspected = tuple(d for d in suspected if d not in found)
    deviations = tuple(sorted(found, key=lambda d: (d.trainee, d.type, compared.places(d))))
    over_time = over_time_ratio(compared, deviations)
    points = score_points(task, deviations, over_time_ratio=over_time)
    ruling = decide(
        compared,
        deviations,
        suspected,
        points,
        seen=seen,
        other_work=other_work,
        limits=limits,
    )
    decided = ruling.decision is not Decision.NOT_VERIFIABLE
    confidence = max((d.confidence for d in deviations if d.severity is Severity.CRITICAL), default=0.0)
    return Score(
        video_id=alignment.video_id,
        score=points if decided else None,
        decision=ruling.decision,
        reason=ruling.reason,
        deviations=deviations,
        critical_probability=max(share, confidence),
        dtw_normalized_cost=alignment.warp.normalized_cost,
        over_time_ratio=over_time,
        fit=alignment.fit,
        interval=score_interval(compared, deviations, points) if decided else None,
        steps=tuple(step_readings(compared)),
        unverifiable=_unverifiable(compared, suspected, limits.review),
        decided_by=limits.source,
        shows_task=other_work <= 0.5,
        suspected=suspected,
        cause=ruling.cause,
    )


def _found(compared: Compared, likely: Sequence[Deviation], *, known: bool) -> list[Deviation]:
    """The deviations that are certain enough; of a recording of something else only standstills."""
    found: list[Deviation] = []
    together: list[Deviation] = []
    for edit in compared.alignment.edits:
        if edit.kind is EditKind.FROZEN:
            found += deviations_of(compared, edit)
            continue
        counted = counts_for(compared, edit.kind, edit.steps, edit.where)
        for deviation in deviations_of(compared, edit) if known else ():
            confidence = round(counted * deviation.confidence, 6)
            if _by_its_share(deviation):
                together.append(deviation)
            elif edit.reported and confidence >= LEAST_CONFIDENCE:
                found.append(replace(deviation, confidence=confidence))
    return [*found, *_likely_enough(likely, found, together)] if known else found


def _by_its_share(deviation: Deviation) -> bool:
    return deviation.type in LEAST_SHARE and deviation.severity is not Severity.CRITICAL


def _likely_enough(
    likely: Sequence[Deviation], found: Sequence[Deviation], together: Sequence[Deviation]
) -> Iterator[Deviation]:
    """Which of the ``likely`` deviations are found by their share of all explanations. What the best one has
    goes ``together``; anything else must not contradict what was ``found`` at its step.
    """
    votes = {(deviation.type, deviation.step_ids): deviation.votes for deviation in together}
    taken = {step for deviation in found for step in deviation.step_ids}
    for deviation in likely:
        if _by_its_share(deviation) and deviation.confidence >= LEAST_SHARE[deviation.type]:
            place = deviation.type, deviation.step_ids
            if place in votes or taken.isdisjoint(deviation.step_ids):
                yield replace(deviation, votes=votes.get(place, ()))


def _unverifiable(
    compared: Compared, suspected: Sequence[Deviation], review: float
) -> tuple[Verifiability, ...]:
    """What is suspected and golds do not back, and the critical steps whose absence might go unnoticed."""
    task = compared.task
    rows = {
        (row.type, row.step_id): row
        for row in verifiability(task, compared.calibration, review)
        if not row.verifiable
    }
    doubted = [(d.type, step) for d in suspected for step in d.step_ids]
    weak = [
        (DeviationType.MISSING_STEP, step_id)
        for step, step_id in enumerate(task.step_ids)
        if is_critical(task, EditKind.MISSING, [step])
    ]
    return tuple(rows[place] for place in dict.fromkeys([*doubted, *weak]) if place in rows)


def step_readings(compared: Compared) -> Iterator[StepReading]:
    """Each step's time and evidence in this recording, beside the golds'."""
    for index, step in enumerate(compared.task.steps):
        spans = [
            span for span in compared.alignment.spans if span.kind is SpanKind.STEP and span.step == index
        ]
        seconds = sum(span.segment.duration_s for span in spans)
        times = [compared.pace * time for time in compared.reference.durations.observed[index]]
        evidence = sum(span.evidence * span.segment.duration_s for span in spans)
        yield StepReading(
            step.id,
            round(seconds, 3) if spans else None,
            round(compared.usual_s(index), 3),
            round(min(times, default=compared.usual_s(index)), 3),
            round(max(times, default=compared.usual_s(index)), 3),
            round(evidence / seconds, 3) if seconds else None,
            compared.calibration.floor[index],
        )
