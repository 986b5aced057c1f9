"""From an alignment to deviations, a score and a decision."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sopilot_assets.alignment.calibration import Calibration
from sopilot_assets.alignment.explanations import LONG_FACTOR
from sopilot_assets.alignment.spans import DOUBTFUL_LOG_ODDS, Alignment, Alternative, Edit, EditKind, SpanKind
from sopilot_assets.reference.model import Gold, Reference
from sopilot_assets.scoring.limits import GOLDS, DecisionLimits
from sopilot_assets.scoring.procedure import shows_procedure
from sopilot_assets.scoring.result import Decision, Deviation, GoldVote, Score, StepReading, Verifiability
from sopilot_assets.scoring.text import clock, sentence
from sopilot_assets.scoring.verifiability import MOST_FALSE, VERIFIED, verifiability
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec
from sopilot_assets.texts.languages import Text

UNCERTAIN: Final = 0.2
"""From this probability of a critical deviation that was not found on, a recording is not decided."""
BLIND: Final = 0.1
"""Below this power nothing can be said about a critical step, and a finding is an accident."""
SEEN: Final = 0.25
"""Below this power for a critical step nothing passes without a person having looked."""
INTERVAL: Final = (0.05, 0.95)
"""The quantiles of the score's interval."""
LONG_RATIO: Final = 1.5
"""A step is over-long from this multiple of its usual duration at the recording's own pace."""
PARTIAL_SHARE: Final = 0.6
"""A first or last step of which less than this share is in the recording counts as missing."""


def _doubtful(row: Verifiability) -> bool:
    """Whether a finding of this type at this step is more likely an accident than not."""
    if row.power is None or row.false_rate is None:
        return True
    return row.false_rate > MOST_FALSE or row.power < BLIND


@dataclass(frozen=True, eq=False)
class _Context:
    task: TaskSpec
    alignment: Alignment
    reference: Reference
    gold: Gold
    calibration: Calibration
    rows: tuple[Verifiability, ...]
    review: float

    def gold_segment(self, steps: Sequence[int]) -> Segment | None:
        """The stretch of the compared gold that shows the steps; None when it shows none of them."""
        shown = [interval.segment for interval in self.gold.intervals if interval.step in steps]
        return Segment(min(s.start_s for s in shown), max(s.end_s for s in shown)) if shown else None

    def usual_s(self, step: int) -> float:
        """The usual duration of a step at this recording's own pace, in seconds."""
        return self._usual_s[step]

    @functools.cached_property
    def _usual_s(self) -> list[float]:
        durations = self.reference.durations
        return [durations.seconds(step) * self.pace for step in range(len(self.task.steps))]

    @property
    def calibrated(self) -> bool:
        """Whether the evidence could be calibrated on golds that it had not seen."""
        return self.calibration.held_out != "nothing"

    def row(self, kind: EditKind, step: int) -> Verifiability:
        """What can be verified about edits of a kind (one of `VERIFIED`) at a step."""
        place = step * len(VERIFIED) + list(VERIFIED).index(kind)
        return self.rows[place]

    def unverifiable(self, edit: Edit) -> tuple[Verifiability, ...]:
        """The rows by which an edit is no finding: all its steps are reported too often where nothing is
        wrong; empty when it is one.
        """
        if edit.kind is EditKind.FROZEN:
            return ()
        kind = EditKind.MISSING if edit.kind is EditKind.PARTIAL else edit.kind
        last = len(self.task.steps) - 1  # something added at the very end goes with the last step
        rows = tuple(self.row(kind, min(step, last)) for step in edit.steps)
        return rows if all(_doubtful(row) for row in rows) else ()

    @functools.cached_property
    def stills(self) -> tuple[Segment, ...]:
        """Where the picture stands still, in order."""
        return tuple(edit.where for edit in self.alignment.edits if edit.kind is EditKind.FROZEN)

    def seen_s(self, where: Segment) -> float:
        """How much of a stretch can be seen, in seconds: nothing has a duration in a picture that stands
        still.
        """
        return where.duration_s - sum((where & still).duration_s for still in self.stills)

    def beside_still(self, where: Segment) -> bool:
        """Whether a stretch, or a moment, lies in a picture that stands still, or borders on one."""
        return any(where.start_s <= still.end_s and still.start_s <= where.end_s for still in self.stills)

    @functools.cached_property
    def pace(self) -> float:
        """The median over the steps that were seen whole of their duration against the usual one."""
        ratios = sorted(
            span.segment.duration_s / self.reference.durations.seconds(span.step)
            for span in self.alignment.spans
            if span.kind is SpanKind.STEP and span.step is not None and not self.beside_still(span.segment)
        )
        return ratios[len(ratios) // 2] if ratios else 1.0


def score_alignment(
    task: TaskSpec,
    reference: Reference,
    alignment: Alignment,
    calibration: Calibration,
    limits: DecisionLimits | None = None,
) -> Score:
    """The deviations in order of time, the score and the decision, by ``limits`` or the golds' own rule."""
    gold = next(gold for gold in reference.golds if gold.video_id == alignment.warp.gold_id)
    rows = verifiability(task, calibration)
    limit = limits.review if limits else UNCERTAIN
    context = _Context(task, alignment, reference, gold, calibration, rows, limit)
    known = shows_procedure(alignment, calibration)
    edits = [
        edit
        for edit in alignment.edits
        if edit.reported and (known or edit.kind is EditKind.FROZEN) and not context.unverifiable(edit)
    ]
    found = [deviation for edit in edits for deviation in _FROM_EDIT[edit.kind](context, edit)]
    deviations = tuple(sorted(found, key=lambda d: (d.trainee, d.type, d.step_ids)))
    over_time = _over_time_ratio(context, deviations)
    points = score_points(task, deviations, over_time_ratio=over_time)
    decision, reason = _decide(context, deviations, points, known=known)
    decided = decision is not Decision.NOT_VERIFIABLE
    return Score(
        video_id=alignment.video_id,
        score=points if decided else None,
        decision=decision,
        reason=reason,
        deviations=deviations,
        critical_probability=critical_probability(task, alignment, deviations),
        dtw_normalized_cost=alignment.warp.normalized_cost,
        over_time_ratio=over_time,
        fit=alignment.fit,
        interval=_interval(context, deviations, points) if decided else None,
        steps=tuple(_readings(context)),
        unverifiable=_unverifiable(context),
        decided_by=limits.source if limits else GOLDS,
        shows_task=known,
    )


def _unverifiable(context: _Context) -> tuple[Verifiability, ...]:
    """The findings that golds do not back, and the critical steps whose absence might go unnoticed."""
    rows = [row for edit in context.alignment.edits if edit.reported for row in context.unverifiable(edit)]
    return tuple(dict.fromkeys([*rows, *_weak(context)]))


def _blind(context: _Context, least_power: float) -> list[str]:
    """The critical steps whose absence would be noticed less often than ``least_power``."""
    return [row.step_id for row in _weak(context) if row.power is not None and row.power < least_power]


def _weak(context: _Context) -> list[Verifiability]:
    return [
        row
        for step in range(len(context.task.steps))
        if not (row := context.row(EditKind.MISSING, step)).verifiable
        and _severity(context.task, row.type, (step,)) is Severity.CRITICAL
    ]


def score_points(task: TaskSpec, deviations: Sequence[Deviation], *, over_time_ratio: float) -> float:
    """100 minus the weighted penalty, to two digits.

    Each share is capped at 1: missing steps of all steps, swaps of all neighbouring pairs, other deviations
    of all steps, and the time lost.
    """
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
    return _points(task, len(missing), swaps, other, over_time_ratio)


def _points(task: TaskSpec, missing: int, swaps: int, other: int, over_time_ratio: float) -> float:
    steps, weights = len(task.steps), task.weights.normalised
    penalty = (
        weights.miss * min(missing / steps, 1.0)
        + weights.swap * min(swaps / max(steps - 1, 1), 1.0)
        + weights.deviation * min(other / steps, 1.0)
        + weights.time * min(over_time_ratio, 1.0)
    )
    return round(100.0 * (1.0 - penalty), 2)


def _interval(context: _Context, deviations: Sequence[Deviation], points: float) -> tuple[float, float]:
    """The range of the score over the explanations' posterior, widened to hold the score itself."""
    scored = sorted(
        (_points_of(context, deviations, other), math.exp(other.log_odds))
        for other in context.alignment.alternatives
    )
    total = sum(weight for _, weight in scored)
    ends = []
    for quantile in INTERVAL:
        below = 0.0
        for value, weight in scored:
            below += weight
            if below >= quantile * total:
                ends.append(value)
                break
    low, high = ends or (points, points)
    return min(low, points), max(high, points)


def _points_of(context: _Context, deviations: Sequence[Deviation], other: Alternative) -> float:
    """The score if another explanation were the right one; what stands still stands still in all of them."""
    task = context.task
    frozen = [d for d in deviations if d.type is DeviationType.FREEZE]
    missing = {step for d in frozen for step in d.step_ids}
    cut = {step for d in deviations if d.type is DeviationType.MISSING_STEP for step in d.step_ids}
    seconds = {
        d.step_ids[0]: context.seen_s(d.trainee) for d in deviations if d.type is DeviationType.OVER_TIME
    }
    usual = {step.id: context.usual_s(index) for index, step in enumerate(task.steps)}
    lost, swaps, others = 0.0, 0, sum(not d.step_ids for d in frozen)
    for kind, steps in other.edits:
        names = [task.steps[step].id for step in steps if step < len(task.steps)]
        swaps += kind is EditKind.SWAP
        others += kind in (EditKind.WRONG, EditKind.EXTRA)
        if kind is EditKind.MISSING or (kind is EditKind.PARTIAL and cut.issuperset(names)):
            missing.update(names)
        if kind is EditKind.LONG:
            taken = seconds.get(names[0], LONG_FACTOR * usual[names[0]])
            lost += taken - usual[names[0]] if taken >= LONG_RATIO * usual[names[0]] else 0.0
    return _points(task, len(missing), swaps, others, lost / sum(usual.values()))


def _readings(context: _Context) -> Iterator[StepReading]:
    """Each step's time and evidence in this recording, beside the golds'."""
    for index, step in enumerate(context.task.steps):
        spans = [
            span for span in context.alignment.spans if span.kind is SpanKind.STEP and span.step == index
        ]
        seconds = sum(span.segment.duration_s for span in spans)
        times = [context.pace * time for time in context.reference.durations.observed[index]]
        evidence = sum(span.evidence * span.segment.duration_s for span in spans)
        yield StepReading(
            step.id,
            round(seconds, 3) if spans else None,
            round(context.usual_s(index), 3),
            round(min(times, default=context.usual_s(index)), 3),
            round(max(times, default=context.usual_s(index)), 3),
            round(evidence / seconds, 3) if seconds else None,
            context.calibration.floor[index],
        )


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
        votes=tuple(GoldVote(vote.gold_id, vote.log_odds) for vote in edit.votes),
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
    seconds = context.seen_s(edit.where)
    if seconds >= LONG_RATIO * usual_s:
        text = sentence("long", step=context.task.steps[step], seconds=seconds, usual=usual_s)
        yield _deviation(context, edit, DeviationType.OVER_TIME, text, edit.steps)


def _partial(context: _Context, edit: Edit) -> Iterator[Deviation]:
    step = edit.steps[0]
    share = context.seen_s(edit.where) / context.usual_s(step)
    if share < PARTIAL_SHARE and not context.beside_still(edit.where):
        text = sentence("cut", step=context.task.steps[step], share=f"{share:.0%}")
        yield _deviation(context, edit, DeviationType.MISSING_STEP, text, edit.steps)


def _frozen(context: _Context, edit: Edit) -> Iterator[Deviation]:
    times = {"start": clock(edit.where.start_s), "end": clock(edit.where.end_s)}
    names = _named(context.task, [context.task.steps[step].id for step in edit.steps])
    if edit.log_odds <= DOUBTFUL_LOG_ODDS:
        text = sentence("rests_or_frozen", steps=names, **times)
    else:
        text = sentence("frozen_hides", steps=names, **times) if edit.steps else sentence("frozen", **times)
    found = _deviation(context, edit, DeviationType.FREEZE, text, edit.steps)
    doubtful = edit.log_odds <= DOUBTFUL_LOG_ODDS and found.severity is Severity.CRITICAL
    yield replace(found, severity=Severity.QUALITY) if doubtful else found


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
        max(context.seen_s(d.trainee) - usual[d.step_ids[0]], 0.0)
        for d in deviations
        if d.type is DeviationType.OVER_TIME
    )
    return round(lost / sum(usual.values()), 6)


def _decide(
    context: _Context, deviations: Sequence[Deviation], points: float, *, known: bool
) -> tuple[Decision, Text]:
    """The decision and its reason: whether the golds can judge the recording at all, what they say about it,
    and, before anything but a critical deviation that was seen, whether it has to be filmed again.
    """
    frozen = [
        d for d in deviations if d.type is DeviationType.FREEZE and d.severity is not Severity.EFFICIENCY
    ]
    again = sentence("film_again", first=frozen[0].text) if frozen else None
    if not context.calibrated:
        return Decision.NOT_VERIFIABLE, again or sentence("one_gold_only")
    if not known:
        return Decision.NOT_VERIFIABLE, again or sentence("unverifiable", fit=context.alignment.fit)
    if again and not _seen_to_fail(context, deviations):
        return Decision.NEEDS_REVIEW, again
    return _decide_by_golds(context, deviations, points)


def _seen_to_fail(context: _Context, deviations: Sequence[Deviation]) -> list[Deviation]:
    """The critical deviations that no frozen picture can have caused."""
    return [
        d
        for d in deviations
        if d.severity is Severity.CRITICAL
        and d.type is not DeviationType.FREEZE
        and not context.beside_still(d.trainee)
    ]


def _decide_by_golds(
    context: _Context, deviations: Sequence[Deviation], points: float
) -> tuple[Decision, Text]:
    """The decision on a recording that the golds can judge: critical deviations, what cannot be ruled out,
    the score, and anything else that a person should see.
    """
    task = context.task
    critical = _seen_to_fail(context, deviations)
    if critical:
        return Decision.FAIL, sentence("fail", first=max(critical, key=lambda d: d.confidence).text)
    if (likely := critical_probability(task, context.alignment)) >= context.review:
        return Decision.NOT_VERIFIABLE, sentence("uncertain", share=likely)
    if blind := _blind(context, BLIND):
        return Decision.NOT_VERIFIABLE, sentence("blind", steps=_named(task, blind))
    decision, reason = _decide_on_points(task, deviations, points)
    return _held_back(context) or (decision, reason) if decision is Decision.PASS else (decision, reason)


def _held_back(context: _Context) -> tuple[Decision, Text] | None:
    """Why a person has to look although nothing was found; None when nobody has to."""
    nameless = any(gold.person is None for gold in context.reference.golds)
    if nameless and len(context.reference.persons) <= 1:  # they may all be of the same person, or not
        return Decision.NEEDS_REVIEW, sentence("review_unknown_persons")
    if context.calibration.held_out == "gold":
        return Decision.NEEDS_REVIEW, sentence("review_one_person")
    if hardly := _blind(context, SEEN):
        return Decision.NEEDS_REVIEW, sentence("review_blind", steps=_named(context.task, hardly))
    return None


def _named(task: TaskSpec, step_ids: Sequence[str]) -> Text:
    steps = [step for step in task.steps if step.id in step_ids]
    return Text(
        ", ".join(f"“{step.name}”" for step in steps),
        "、".join(f"「{step.name_ja or step.name}」" for step in steps),
    )


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
