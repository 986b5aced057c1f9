"""From an alignment to deviations, a score and a decision."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.alignment.spans import Alignment, Edit, EditKind, SpanKind
from sopilot_assets.reference.model import Gold, Reference
from sopilot_assets.scoring.result import Decision, Deviation, Score, Text
from sopilot_assets.scoring.text import clock, sentence
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec

SCORING_VERSION: Final = "scoring-1"
LEAST_LOG_ODDS: Final = 0.5
"""An edit whose log-odds (nats) are below this is not reported: odds of 1.6 to 1 are no finding."""
LEAST_LOG_ODDS_EXTRA: Final = 1.0
"""The same for something added between the steps, which a pause or a clumsy moment resembles."""
LEAST_LOG_ODDS_UNCALIBRATED: Final = 3.0
"""The same where the golds could not calibrate the evidence (a single gold): only what is plain."""
LEAST_FIT: Final = 0.5
"""Below this share of the golds' own match nothing is said about a recording."""
LIKELY: Final = 0.5
"""From this probability of a critical deviation on, a recording is never passed without a person having
looked.
"""
LONG_RATIO: Final = 1.5
"""A step is over-long from this multiple of its usual duration at the recording's own pace."""
PARTIAL_SHARE: Final = 0.6
"""A first or last step of which less than this share is in the recording counts as missing."""
PARTIAL_LOG_ODDS: Final = 1.5


@dataclass(frozen=True, slots=True)
class _Context:
    task: TaskSpec
    alignment: Alignment
    reference: Reference
    gold: Gold

    def gold_segment(self, steps: Sequence[int]) -> Segment | None:
        """The stretch of the compared gold that shows the steps; None when it shows none of them."""
        shown = [interval.segment for interval in self.gold.intervals if interval.step in steps]
        return Segment(min(s.start_s for s in shown), max(s.end_s for s in shown)) if shown else None

    def usual_s(self, step: int) -> float:
        """The usual duration of a step at this recording's own pace, in seconds."""
        return self.reference.durations.seconds(step) * self.pace

    @property
    def calibrated(self) -> bool:
        """Whether the evidence could be calibrated on golds that it had not seen."""
        return self.alignment.held_out != "nothing"

    def least_log_odds(self, kind: EditKind) -> float:
        """From which log-odds on an edit is reported, in nats."""
        if not self.calibrated:
            return LEAST_LOG_ODDS_UNCALIBRATED
        return LEAST_LOG_ODDS_EXTRA if kind is EditKind.EXTRA else LEAST_LOG_ODDS

    @property
    def pace(self) -> float:
        """The median over the seen steps of their duration against the usual one."""
        ratios = sorted(
            span.segment.duration_s / self.reference.durations.seconds(span.step)
            for span in self.alignment.spans
            if span.kind is SpanKind.STEP and span.step is not None
        )
        return ratios[len(ratios) // 2] if ratios else 1.0


def score_alignment(task: TaskSpec, reference: Reference, alignment: Alignment) -> Score:
    """The deviations, score and decision of one recording; deviations are in order of time."""
    gold = next(gold for gold in reference.golds if gold.video_id == alignment.warp.gold_id)
    context = _Context(task, alignment, reference, gold)
    deviations = tuple(sorted(_deviations(context), key=lambda d: (d.trainee, d.type, d.step_ids)))
    over_time = _over_time_ratio(context, deviations)
    points = score_points(task, deviations, over_time_ratio=over_time)
    decision, reason = _decide(context, deviations, points)
    return Score(
        video_id=alignment.video_id,
        score=None if decision is Decision.NOT_VERIFIABLE else points,
        decision=decision,
        reason=reason,
        deviations=deviations,
        critical_probability=critical_probability(task, alignment, deviations),
        dtw_normalized_cost=alignment.warp.normalized_cost,
        over_time_ratio=over_time,
        fit=alignment.fit,
    )


def score_points(task: TaskSpec, deviations: Sequence[Deviation], *, over_time_ratio: float) -> float:
    """100 minus the weighted penalty, to two digits.

    Each share is capped at 1: missing steps of all steps, swaps of all neighbouring pairs, other deviations
    of all steps, and the time lost.
    """
    steps = len(task.steps)
    missing = {
        step
        for d in deviations
        if d.type in (DeviationType.MISSING_STEP, DeviationType.FREEZE)
        for step in d.step_ids
    }
    swaps = sum(d.type is DeviationType.ORDER_SWAP for d in deviations)
    other = sum(
        d.type in (DeviationType.WRONG_STEP, DeviationType.STEP_DEVIATION)
        or (d.type is DeviationType.FREEZE and not d.step_ids)
        for d in deviations
    )
    weights = task.weights.normalised
    penalty = (
        weights.miss * min(len(missing) / steps, 1.0)
        + weights.swap * min(swaps / max(steps - 1, 1), 1.0)
        + weights.deviation * min(other / steps, 1.0)
        + weights.time * min(over_time_ratio, 1.0)
    )
    return round(100.0 * (1.0 - penalty), 2)


def critical_probability(task: TaskSpec, alignment: Alignment, deviations: Sequence[Deviation] = ()) -> float:
    """The probability that the recording holds a critical deviation, in [0, 1].

    It is the share of the explanations' posterior mass with one, and at least the confidence of each that was
    found: frozen pictures and steps cut short are not told apart by the explanations.
    """
    found = max((d.confidence for d in deviations if d.severity is Severity.CRITICAL), default=0.0)
    weights = [
        (math.exp(other.log_odds), any(_is_critical(task, kind, steps) for kind, steps in other.edits))
        for other in alignment.alternatives
    ]
    total = sum(weight for weight, _ in weights)
    mass = sum(weight for weight, critical in weights if critical) / total if total else 0.0
    return round(max(mass, found), 6)


_TYPE_OF: Final = {
    EditKind.MISSING: DeviationType.MISSING_STEP,
    EditKind.SWAP: DeviationType.ORDER_SWAP,
    EditKind.WRONG: DeviationType.WRONG_STEP,
    EditKind.EXTRA: DeviationType.STEP_DEVIATION,
    EditKind.LONG: DeviationType.OVER_TIME,
    EditKind.PARTIAL: DeviationType.STEP_DEVIATION,
    EditKind.FROZEN: DeviationType.FREEZE,
}


def _is_critical(task: TaskSpec, kind: EditKind, steps: Sequence[int]) -> bool:
    return _severity(task, _TYPE_OF[kind], steps) is Severity.CRITICAL


def _severity(task: TaskSpec, kind: DeviationType, steps: Sequence[int]) -> Severity:
    """The task's severity of the type; a critical one about steps that are none becomes a matter of
    quality.
    """
    severity = task.severity[kind]
    harmless = kind is DeviationType.MISSING_STEP and not any(
        task.steps[step].critical for step in steps if step < len(task.steps)
    )
    return Severity.QUALITY if severity is Severity.CRITICAL and harmless else severity


def _deviations(context: _Context) -> Iterator[Deviation]:
    for edit in context.alignment.edits:
        if edit.log_odds >= context.least_log_odds(edit.kind):
            yield from _FROM_EDIT[edit.kind](context, edit)


def _deviation(
    context: _Context, edit: Edit, kind: DeviationType, text: Text, steps: Sequence[int]
) -> Deviation:
    return Deviation(
        type=kind,
        severity=_severity(context.task, kind, steps),
        step_ids=tuple(context.task.steps[step].id for step in steps),
        trainee=edit.where,
        gold_id=context.gold.video_id,
        gold=context.gold_segment(steps) or _mapped(context, edit.where),
        confidence=round(1.0 / (1.0 + math.exp(-edit.log_odds)), 6),
        text=text,
    )


def _mapped(context: _Context, where: Segment) -> Segment:
    warp = context.alignment.warp
    return Segment(warp.to_gold_s(where.start_s), warp.to_gold_s(where.end_s))


def _missing(context: _Context, edit: Edit) -> Iterator[Deviation]:
    last = len(context.task.steps) - 1
    run = set(edit.steps)
    for step in edit.steps:
        at_start = edit.where.start_s <= 0.0 and set(range(step + 1)) <= run
        at_end = edit.where.end_s >= context.alignment.duration_s and set(range(step, last + 1)) <= run
        key = "missing_start" if at_start else "missing_end" if at_end else "missing"
        text = sentence(key, step=context.task.steps[step], start=clock(edit.where.start_s))
        yield _deviation(context, edit, DeviationType.MISSING_STEP, text, (step,))


def _swap(context: _Context, edit: Edit) -> Iterator[Deviation]:
    one, other = (context.task.steps[step] for step in edit.steps)
    yield _deviation(
        context, edit, DeviationType.ORDER_SWAP, sentence("swap", step=one, other=other), edit.steps
    )


def _wrong(context: _Context, edit: Edit) -> Iterator[Deviation]:
    step = context.task.steps[edit.steps[0]]
    text = sentence("wrong", step=step, start=clock(edit.where.start_s), end=clock(edit.where.end_s))
    yield _deviation(context, edit, DeviationType.WRONG_STEP, text, edit.steps)


def _extra(context: _Context, edit: Edit) -> Iterator[Deviation]:
    text = sentence("extra", start=clock(edit.where.start_s), end=clock(edit.where.end_s))
    yield _deviation(context, edit, DeviationType.STEP_DEVIATION, text, ())


def _long(context: _Context, edit: Edit) -> Iterator[Deviation]:
    step = edit.steps[0]
    usual_s = context.usual_s(step)
    if edit.where.duration_s >= LONG_RATIO * usual_s:
        text = sentence("long", step=context.task.steps[step], seconds=edit.where.duration_s, usual=usual_s)
        yield _deviation(context, edit, DeviationType.OVER_TIME, text, edit.steps)


def _partial(context: _Context, edit: Edit) -> Iterator[Deviation]:
    step = edit.steps[0]
    share = edit.where.duration_s / context.usual_s(step)
    if share < PARTIAL_SHARE and edit.log_odds >= PARTIAL_LOG_ODDS:
        text = sentence("cut", step=context.task.steps[step], share=f"{share:.0%}")
        yield _deviation(context, edit, DeviationType.MISSING_STEP, text, edit.steps)


def _frozen(context: _Context, edit: Edit) -> Iterator[Deviation]:
    times = {"start": clock(edit.where.start_s), "end": clock(edit.where.end_s)}
    steps = [context.task.steps[step] for step in edit.steps]
    names = Text(
        ", ".join(f"“{step.name}”" for step in steps),
        "、".join(f"「{step.name_ja or step.name}」" for step in steps),
    )
    text = sentence("frozen_hides", steps=names, **times) if steps else sentence("frozen", **times)
    yield _deviation(context, edit, DeviationType.FREEZE, text, edit.steps)


_FROM_EDIT: Final = {
    EditKind.MISSING: _missing,
    EditKind.SWAP: _swap,
    EditKind.WRONG: _wrong,
    EditKind.EXTRA: _extra,
    EditKind.LONG: _long,
    EditKind.PARTIAL: _partial,
    EditKind.FROZEN: _frozen,
}


def _over_time_ratio(context: _Context, deviations: Sequence[Deviation]) -> float:
    """Seconds beyond the usual duration of the over-long steps, against the usual duration of the whole
    procedure.
    """
    usual = {step.id: context.usual_s(index) for index, step in enumerate(context.task.steps)}
    lost = sum(
        max(d.trainee.duration_s - usual[d.step_ids[0]], 0.0)
        for d in deviations
        if d.type is DeviationType.OVER_TIME
    )
    return round(lost / sum(usual.values()), 6)


def _decide(context: _Context, deviations: Sequence[Deviation], points: float) -> tuple[Decision, Text]:
    """The decision and its reason: a critical standstill of the picture first, since it needs no gold to be
    seen; then whether the golds can judge the recording at all, critical deviations, the score, and anything
    else that a person should see.
    """
    task, fit = context.task, context.alignment.fit
    critical = [d for d in deviations if d.severity is Severity.CRITICAL]
    still = [d for d in critical if d.type is DeviationType.FREEZE]
    if still:
        return Decision.FAIL, sentence("fail", first=still[0].text)
    if fit < LEAST_FIT:
        return Decision.NOT_VERIFIABLE, sentence("unverifiable", fit=fit, least=LEAST_FIT)
    if critical:
        return Decision.FAIL, sentence("fail", first=max(critical, key=lambda d: d.confidence).text)
    if not context.calibrated:
        return Decision.NEEDS_REVIEW, sentence("review_uncalibrated")
    if (likely := critical_probability(task, context.alignment)) >= LIKELY:
        return Decision.NEEDS_REVIEW, sentence("review_likely", share=likely)
    return _decide_on_points(task, deviations, points)


def _decide_on_points(
    task: TaskSpec, deviations: Sequence[Deviation], points: float
) -> tuple[Decision, Text]:
    """The decision on a recording in which nothing critical is likely."""
    if points < task.retrain_score:
        return Decision.RETRAIN, sentence("retrain", score=points, limit=task.retrain_score)
    if points < task.pass_score:
        return Decision.NEEDS_REVIEW, sentence("review_score", score=points, limit=task.pass_score)
    quality = [d for d in deviations if d.severity is Severity.QUALITY]
    if quality:
        return Decision.NEEDS_REVIEW, sentence(
            "review_deviation", first=max(quality, key=lambda d: d.confidence).text
        )
    return Decision.PASS, sentence("pass", score=points, limit=task.pass_score)
