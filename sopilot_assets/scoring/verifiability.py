"""What can be said about each step and type of deviation, from the calibration of a task's reference."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from sopilot_assets.alignment.calibration import Calibration, Tally
from sopilot_assets.alignment.explanations import PlannedEdit
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.scoring.result import Verifiability
from sopilot_assets.scoring.severity import is_critical
from sopilot_assets.scoring.text import NOTHING_TO_SAY, sentence
from sopilot_assets.tasks import DeviationType, TaskSpec

LEAST_POWER: Final = 0.5
"""A deviation that would be found less often than this cannot be ruled out."""
MOST_FALSE: Final = 0.2
"""What is reported more often than this in golds that lack it is no finding."""
_Counts: TypeAlias = Callable[[Tally], tuple[int, int]]

POOLED: Final = 2.0
"""How many golds the figures of all steps together are worth for a single step, which few golds speak for."""
VERIFIED: Final = {
    EditKind.MISSING: DeviationType.MISSING_STEP,
    EditKind.SWAP: DeviationType.ORDER_SWAP,
    EditKind.WRONG: DeviationType.WRONG_STEP,
    EditKind.EXTRA: DeviationType.STEP_DEVIATION,
    EditKind.LONG: DeviationType.OVER_TIME,
}
"""The types that golds can be edited for, step by step. A standstill is read off the pixels."""


def verifiability(task: TaskSpec, calibration: Calibration, review: float) -> tuple[Verifiability, ...]:
    """One row for each step and type, in that order.

    The absence of a critical step counts as found where the recording would not have passed: where something
    critical is at least ``review`` likely.
    """
    critical = tuple(is_critical(task, EditKind.MISSING, [step]) for step in range(len(task.steps)))
    return _rows(tuple(task.step_ids), critical, calibration, review)


@functools.lru_cache(maxsize=16)
def _rows(
    step_ids: tuple[str, ...], critical: tuple[bool, ...], calibration: Calibration, review: float
) -> tuple[Verifiability, ...]:
    tallies = tuple(_held_back(calibration, critical, review))
    return tuple(
        _row(step_id, tallies, kind, step) for step, step_id in enumerate(step_ids) for kind in VERIFIED
    )


def _held_back(calibration: Calibration, critical: Sequence[bool], review: float) -> Iterator[Tally]:
    """The tallies, where that of a critical step counts what was held back beside what was reported."""

    def matters(edit: PlannedEdit) -> bool:
        return edit.kind is EditKind.MISSING and any(critical[step] for step in edit.steps)

    held = Counter(
        case.change.steps[0]
        for case in calibration.tried
        if case.change and case.change.kind is EditKind.MISSING and case.probability(matters) >= review
    )
    for tally in calibration.tallies:
        counts = tally.kind is EditKind.MISSING and critical[tally.step]
        yield replace(tally, found=max(tally.found, held[tally.step])) if counts else tally


def _row(step_id: str, tallies: Sequence[Tally], kind: EditKind, step: int) -> Verifiability:
    tally, kind_name = next((t for t in tallies if t.kind is kind and t.step == step), None), VERIFIED[kind]
    if tally is None:
        reason, remedy = sentence("one_gold"), sentence("more_persons", golds=1)
        return Verifiability(kind_name, step_id, None, 0, None, None, 0, False, reason, remedy)
    of_kind = [other for other in tallies if other.kind is kind]
    power = _pooled(tally.found, tally.cases, of_kind, lambda t: (t.found, t.cases))
    false_rate = _pooled(tally.invented, tally.golds, of_kind, lambda t: (t.invented, t.golds))
    reason = remedy = NOTHING_TO_SAY
    if false_rate > MOST_FALSE:
        reason, remedy = sentence("golds_differ"), sentence("more_persons", golds=2)
    elif power < LEAST_POWER:
        reason, remedy = sentence("seldom_found"), sentence("more_persons", golds=2)
    return Verifiability(
        kind_name,
        step_id,
        round(power, 3),
        tally.cases,
        round(false_rate, 3),
        round(tally.invented_upper, 3),
        tally.golds,
        reason is NOTHING_TO_SAY,
        reason,
        remedy,
    )


def _pooled(hits: int, cases: int, of_kind: Iterable[Tally], counts: _Counts) -> float:
    """The posterior mean of a step's share under a beta prior around the share of all steps together, which
    itself starts at one in two cases.
    """
    totals = [counts(tally) for tally in of_kind]
    everywhere = (sum(hit for hit, _ in totals) + 0.5) / (sum(case for _, case in totals) + 1.0)
    return (hits + POOLED * everywhere) / (cases + POOLED)


def worth(calibration: Calibration, kind: EditKind, steps: Sequence[int]) -> float:
    """What a finding of a kind at these steps is worth: how many of those made on golds were right, in
    [0, 1]; the best of the steps counts.

    Found where it was made on purpose against reported where it is not, with all steps of the kind together
    as a prior that is worth `POOLED` cases and itself starts at one right finding.
    """
    of_kind = [
        tally
        for tally in calibration.tallies
        if tally.kind is (EditKind.MISSING if kind is EditKind.PARTIAL else kind)
    ]
    if not of_kind:
        return 1.0
    right, false = sum(t.found for t in of_kind), sum(t.invented for t in of_kind)
    usual = (right + 1.0) / (right + false + 1.0)
    mine = [t for t in of_kind if t.step in steps] or of_kind
    return max((t.found + POOLED * usual) / (t.found + t.invented + POOLED) for t in mine)
