"""The decision: one rule on the probability of a critical deviation, then the points."""

from __future__ import annotations

from collections.abc import Sequence

from sopilot_assets.scoring.compared import Compared
from sopilot_assets.scoring.limits import DecisionLimits
from sopilot_assets.scoring.result import Decision, Deviation
from sopilot_assets.scoring.text import sentence
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec
from sopilot_assets.texts.languages import Text


def decide(
    compared: Compared,
    deviations: Sequence[Deviation],
    suspected: Sequence[Deviation],
    points: float,
    *,
    seen: float,
    other_work: float,
    limits: DecisionLimits,
) -> tuple[Decision, Text]:
    """The decision and its reason.

    ``seen`` is the probability of a critical deviation by the explanations, ``other_work`` that of a
    recording of something else. In this order: golds that nothing was tried on and other work say nothing;
    what is critical and sure enough fails; a picture that stands still is filmed again; what may be critical
    or something else is looked at by a person; then the points decide.
    """
    frozen = [
        d for d in deviations if d.type is DeviationType.FREEZE and d.severity is not Severity.EFFICIENCY
    ]
    again = sentence("film_again", first=frozen[0].text) if frozen else None
    alone = compared.calibration.held_out == "nothing"
    if alone or other_work > 0.5:
        unknown = sentence("one_gold_only" if alone else "unverifiable", fit=compared.alignment.fit)
        return Decision.NOT_VERIFIABLE, again or unknown
    critical = _seen_to_be_critical(compared, deviations)
    seen = max([seen, *(d.confidence for d in critical)])
    if critical and seen >= limits.fail:
        return Decision.FAIL, sentence("fail", first=max(critical, key=lambda d: d.confidence).text)
    if again:
        return Decision.NEEDS_REVIEW, again
    if 1.0 - (1.0 - seen) * (1.0 - other_work) >= limits.review:
        if other_work > seen:
            return Decision.NEEDS_REVIEW, sentence("hardly_familiar", share=other_work)
        return Decision.NEEDS_REVIEW, _suspected([*critical, *suspected], seen)
    return _decide_on_points(compared.task, deviations, points)


def _seen_to_be_critical(compared: Compared, deviations: Sequence[Deviation]) -> list[Deviation]:
    """The critical deviations that no frozen picture can have caused."""
    return [
        d
        for d in deviations
        if d.severity is Severity.CRITICAL
        and d.type is not DeviationType.FREEZE
        and not compared.beside_still(d.trainee)
    ]


def _suspected(suspected: Sequence[Deviation], seen: float) -> Text:
    """What to look at, and how likely it is; where no single deviation is likely, how likely any is."""
    named = [d for d in suspected if d.severity is Severity.CRITICAL]
    if not named:
        return sentence("uncertain", share=seen)
    first = max(named, key=lambda d: d.confidence)
    return sentence("suspected", first=first.text, share=first.confidence)


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
