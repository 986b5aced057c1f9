"""The decision: one rule on the probability of a critical deviation, then the points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.scoring.compared import Compared
from sopilot_assets.scoring.limits import DecisionLimits
from sopilot_assets.scoring.result import Cause, Decision, Deviation
from sopilot_assets.scoring.severity import is_critical
from sopilot_assets.scoring.text import percent, points_beside, sentence
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec
from sopilot_assets.texts.languages import Text


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision, what led to it, and the same in a sentence."""

    decision: Decision
    cause: Cause
    reason: Text


def decide(
    compared: Compared,
    deviations: Sequence[Deviation],
    suspected: Sequence[Deviation],
    points: float,
    *,
    seen: float,
    other_work: float,
    limits: DecisionLimits,
) -> Ruling:
    """The decision with its cause and reason.

    ``seen`` is the probability of a critical deviation by the explanations, ``other_work`` that of a
    recording of something else. In this order: golds that nothing was tried on and other work say nothing;
    what is critical and sure enough fails; what cannot be seen is filmed again; what is or may be critical,
    or something else, is looked at by a person; then the points decide.
    """
    unseen = _to_film_again(compared, deviations)
    nothing = _says_nothing(compared, other_work)
    again = None
    if unseen:
        decision = nothing.decision if nothing else Decision.NEEDS_REVIEW
        again = Ruling(decision, Cause.FILM_AGAIN, sentence("film_again", first=unseen))
    if nothing:
        return again or nothing
    critical = _seen_to_be_critical(compared, deviations)
    seen = max([seen, *(d.confidence for d in critical)])
    if critical and seen >= limits.fail:
        reason = sentence("fail", first=max(critical, key=lambda d: d.confidence).text)
        return Ruling(Decision.FAIL, Cause.CRITICAL, reason)
    if again:
        return again
    if critical or 1.0 - (1.0 - seen) * (1.0 - other_work) >= limits.review:
        if other_work > seen:
            reason = sentence("hardly_familiar", share=percent(other_work))
            return Ruling(Decision.NEEDS_REVIEW, Cause.HARDLY_FAMILIAR, reason)
        return _suspected([*critical, *suspected], seen)
    return _decide_on_points(compared.task, deviations, points)


def _to_film_again(compared: Compared, deviations: Sequence[Deviation]) -> Text | None:
    """What cannot be seen and matters: a frozen picture by the task, or whatever has something critical in it
    or beside it, of which nothing is known.
    """
    task = compared.task
    frozen = [d for d in deviations if d.type is DeviationType.FREEZE]
    matter = [d for d in frozen if d.severity is not Severity.EFFICIENCY]
    hidden = [task.step_ids.index(step_id) for d in frozen for step_id in d.step_ids]
    critical = [d.trainee for d in deviations if d.severity is Severity.CRITICAL]
    unknown = is_critical(task, EditKind.MISSING, hidden) or any(map(compared.beside_still, critical))
    if first := matter or (frozen if unknown else []):
        return first[0].text
    return sentence("damaged_end") if any(map(compared.beside_unseen, critical)) else None


def _says_nothing(compared: Compared, other_work: float) -> Ruling | None:
    """That golds which nothing was tried on, or a recording of other work, say nothing."""
    if compared.calibration.held_out == "nothing":
        return Ruling(Decision.NOT_VERIFIABLE, Cause.ONE_GOLD, sentence("one_gold_only"))
    if other_work > 0.5:
        reason = sentence("unverifiable", fit=compared.alignment.fit)
        return Ruling(Decision.NOT_VERIFIABLE, Cause.OTHER_WORK, reason)
    return None


def _seen_to_be_critical(compared: Compared, deviations: Sequence[Deviation]) -> list[Deviation]:
    """The critical deviations that nothing can have caused which is not seen."""
    return [
        d
        for d in deviations
        if d.severity is Severity.CRITICAL
        and d.type is not DeviationType.FREEZE
        and not compared.beside_unseen(d.trainee)
    ]


def _suspected(suspected: Sequence[Deviation], seen: float) -> Ruling:
    """What to look at, and how likely it is; where no single deviation is likely, how likely any is."""
    named = [d for d in suspected if d.severity is Severity.CRITICAL]
    if not named:
        return Ruling(Decision.NEEDS_REVIEW, Cause.UNCERTAIN, sentence("uncertain", share=percent(seen)))
    first = max(named, key=lambda d: d.confidence)
    reason = sentence("suspected", first=first.text, share=first.confidence)
    return Ruling(Decision.NEEDS_REVIEW, Cause.SUSPECTED, reason)


def _decide_on_points(task: TaskSpec, deviations: Sequence[Deviation], points: float) -> Ruling:
    """The decision on a recording in which nothing critical is likely."""
    if points < task.retrain_score:
        reason = _on_points("retrain", points, task.retrain_score)
        return Ruling(Decision.RETRAIN, Cause.RETRAIN_POINTS, reason)
    if points < task.pass_score:
        reason = _on_points("review_score", points, task.pass_score)
        return Ruling(Decision.NEEDS_REVIEW, Cause.REVIEW_POINTS, reason)
    quality = [d for d in deviations if d.severity is Severity.QUALITY]
    if quality:
        reason = sentence("review_deviation", first=max(quality, key=lambda d: d.confidence).text)
        return Ruling(Decision.NEEDS_REVIEW, Cause.QUALITY, reason)
    reason = _on_points("pass", points, task.pass_score)
    return Ruling(Decision.PASS, Cause.PASS_POINTS, reason)


def _on_points(key: str, points: float, limit: float) -> Text:
    return sentence(key, score=points_beside(points, limit), limit=limit)
