"""How much an edit of the procedure matters by the task's rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec

TYPE_OF: Final = {
    EditKind.MISSING: DeviationType.MISSING_STEP,
    EditKind.SWAP: DeviationType.ORDER_SWAP,
    EditKind.WRONG: DeviationType.WRONG_STEP,
    EditKind.EXTRA: DeviationType.STEP_DEVIATION,
    EditKind.LONG: DeviationType.OVER_TIME,
    EditKind.PARTIAL: DeviationType.STEP_DEVIATION,
    EditKind.FROZEN: DeviationType.FREEZE,
}


def is_critical(task: TaskSpec, kind: EditKind, steps: Sequence[int]) -> bool:
    return severity_of(task, TYPE_OF[kind], steps) is Severity.CRITICAL


def severity_of(task: TaskSpec, kind: DeviationType, steps: Sequence[int]) -> Severity:
    """The task's severity of the type; a critical one about steps that are none becomes a matter of
    quality.
    """
    severity = task.severity[kind]
    harmless = kind is DeviationType.MISSING_STEP and not any(
        task.steps[step].critical for step in steps if step < len(task.steps)
    )
    return Severity.QUALITY if severity is Severity.CRITICAL and harmless else severity
