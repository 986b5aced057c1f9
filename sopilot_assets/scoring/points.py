"""The points of a recording, and the range that they lie in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from sopilot_assets.alignment.explanations import LONG_FACTOR
from sopilot_assets.alignment.spans import Alternative, EditKind
from sopilot_assets.scoring.compared import Compared
from sopilot_assets.scoring.deviations import LONG_RATIO
from sopilot_assets.scoring.result import Deviation
from sopilot_assets.tasks import DeviationType, TaskSpec

INTERVAL: Final = (0.05, 0.95)
"""The quantiles of the score's interval."""


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


def score_interval(compared: Compared, deviations: Sequence[Deviation], points: float) -> tuple[float, float]:
    """The range of the score over the explanations' posterior, widened to hold the score itself."""
    scored = sorted(
        (_points_of(compared, deviations, other), math.exp(other.log_odds))
        for other in compared.alignment.alternatives
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


def _points_of(compared: Compared, deviations: Sequence[Deviation], other: Alternative) -> float:
    """The score if another explanation were the right one; what stands still stands still in all of them."""
    task = compared.task
    frozen = [d for d in deviations if d.type is DeviationType.FREEZE]
    missing = {step for d in frozen for step in d.step_ids}
    cut = {step for d in deviations if d.type is DeviationType.MISSING_STEP for step in d.step_ids}
    seconds = {
        d.step_ids[0]: compared.seen_s(d.trainee) for d in deviations if d.type is DeviationType.OVER_TIME
    }
    usual = {step.id: compared.usual_s(index) for index, step in enumerate(task.steps)}
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


def over_time_ratio(compared: Compared, deviations: Sequence[Deviation]) -> float:
    """Seconds beyond the usual duration of the over-long steps, against the usual duration of the whole
    procedure.
    """
    usual = {step.id: compared.usual_s(index) for index, step in enumerate(compared.task.steps)}
    lost = sum(
        max(compared.seen_s(d.trainee) - usual[d.step_ids[0]], 0.0)
        for d in deviations
        if d.type is DeviationType.OVER_TIME
    )
    return round(lost / sum(usual.values()), 6)
