"""What is true of a recording, from its label: which deviations have to be reported, which may be, where they
are, and whether the recording is critical.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.bench.expected import (
    NOT_THIS_TASK,
    Fault,
    RecordingLabel,
    comparable,
    expectation,
    scored_as,
)
from sopilot_assets.bench.lines import LabeledEdit, Line
from sopilot_assets.bench.recordings import BenchRecording, BenchTask
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType

CORRECT: Final = "correct"
_OTHER_WORK: Final = (*NOT_THIS_TASK, "wrong_task", "different_task", "unrelated", "unknown_work", "empty")
_CRITICAL: Final = ("missing_step", "freeze", "cut_tail", "skip_start")
_STEP_IS_LABEL: Final = ("missing_step", "over_time")
"""Types whose ``label`` names the step; elsewhere it is what was done instead."""

_UNLABELED: Final = "unlabelled"
_HIDING: Final = ("freeze", "cut_tail", "skip_start")


@dataclass(frozen=True, slots=True)
class LabeledPlace:
    """Where a labeled deviation is in the recording: the stretch that shows it, or, where something is not
    there, the moment at which it should be (a stretch without length).
    """

    fault: Fault
    segment: Segment


@dataclass(frozen=True, slots=True)
class Truth:
    """A label as results are compared with it.

    A fault without steps stands for any steps. ``critical`` is None where nothing says so, ``unscored`` are
    types of deviations that nothing is known about; ``performer`` is the cluster in intervals.
    """

    task_id: str
    file: str
    site: str
    performer: str
    variant: str
    needed: frozenset[Fault]
    allowed: frozenset[Fault]
    places: tuple[LabeledPlace, ...]
    critical: bool | None
    other_work: bool
    unscored: tuple[str, ...]

    @property
    def correct(self) -> bool:
        """Whether the recording shows the task and its label names no deviation at all."""
        return not (self.other_work or self.needed or self.allowed or self.unscored)

    @property
    def wanted(self) -> frozenset[str]:
        """The types that have to be reported."""
        return frozenset(fault.type for fault in self.needed)


def truth_of(task: BenchTask, recording: BenchRecording, line: Line) -> Truth:
    """What the label says about a recording of the task."""
    edits = tuple(_complete(_named(edit, task), line) for edit in _edits(line))
    other_work = _is_other_work(line, edits, steps=len(task.steps))
    label = RecordingLabel(
        file=line.file,
        task=task.task_id,
        role="trainee",
        variant=line.variant or "",
        site=recording.site,
        sop_steps=task.step_ids,
        deviations=() if other_work else edits,
    )
    wanted = expectation(label)
    return Truth(
        task_id=task.task_id,
        file=line.file,
        site=recording.site,
        performer=recording.person or line.file,
        variant=line.variant or "+".join(edit.type for edit in edits) or CORRECT,
        needed=wanted.needed,
        allowed=wanted.allowed,
        places=() if other_work else tuple(_places(edits, line, task)),
        critical=_critical(line, edits, task) if not other_work else True,
        other_work=other_work,
        unscored=tuple(sorted({e.type for e in edits if scored_as(e.type) is None} - set(_OTHER_WORK))),
    )


def _edits(line: Line) -> tuple[LabeledEdit, ...]:
    """The deviations; where the label lists none, what its variant says."""
    variant = line.variant or ""
    if line.deviations or (line.deviations is not None and scored_as(variant) is None):
        return line.deviations
    if variant == CORRECT:
        return ()
    return (LabeledEdit(type=variant or _UNLABELED),)


def _named(edit: LabeledEdit, task: BenchTask) -> LabeledEdit:
    """The edit with its step, where it is given by name only."""
    name = edit.gold_label or (edit.label if edit.type in _STEP_IS_LABEL else None)
    if edit.steps or edit.missing_gold_steps or name is None:
        return edit
    steps = tuple(index for index, step in enumerate(task.steps) if name in (step.id, step.name))
    return edit.model_copy(update={"gold_steps": steps[:1]})


def _complete(edit: LabeledEdit, line: Line) -> LabeledEdit:
    """The edit with the steps it hides, where only the recording as a whole says which."""
    if edit.type == "missing_step" and not edit.steps:
        return edit.model_copy(
            update={"gold_steps": edit.missing_gold_steps or line.physically_missing_gold_steps}
        )
    if edit.type in _HIDING and not (edit.missing_gold_steps or edit.partial_gold_steps):
        done = {step for other in _edits(line) if other.type not in _HIDING for step in other.steps}
        hidden = tuple(step for step in line.physically_missing_gold_steps if step not in done)
        return edit.model_copy(update={"missing_gold_steps": hidden})
    return edit


def _is_other_work(line: Line, edits: Sequence[LabeledEdit], *, steps: int) -> bool:
    """Whether the recording shows something else than the task: by its variant, by a deviation, or since it
    shows none of the steps and no deviation says why.
    """
    named = line.variant in _OTHER_WORK or any(edit.type in _OTHER_WORK for edit in edits)
    nothing = len(set(line.physically_missing_gold_steps)) == steps
    return named or (nothing and not any(scored_as(edit.type) for edit in edits))


def _critical(line: Line, edits: Sequence[LabeledEdit], task: BenchTask) -> bool | None:
    if line.critical_expected is not None:
        return line.critical_expected
    if any(_is_critical(edit, task) for edit in edits):
        return True
    return None if any(scored_as(edit.type) is None for edit in edits) else False


def _is_critical(edit: LabeledEdit, task: BenchTask) -> bool:
    """A standstill, a cut, or a missing step that is not marked as uncritical."""
    if edit.type == "missing_step" and edit.steps:
        return any(task.steps[step].critical for step in edit.steps)
    return edit.type in _CRITICAL


def _places(edits: Sequence[LabeledEdit], line: Line, task: BenchTask) -> Iterator[LabeledPlace]:
    for edit in edits:
        kind = scored_as(edit.type)
        if kind is DeviationType.MISSING_STEP:
            yield from _moments(edit, line, task)
        elif kind is not None and (segment := _extent(edit, line)) is not None:
            steps = tuple(task.step_ids[step] for step in edit.steps)
            yield LabeledPlace(comparable(Fault(kind, steps)), segment)


def _extent(edit: LabeledEdit, line: Line) -> Segment | None:
    """The stretch that shows the edit: as labeled, else from the first to the last of its steps."""
    if edit.start_sec is not None and edit.end_sec is not None:
        return Segment(edit.start_sec, edit.end_sec)
    shown = [(one.start_sec, one.end_sec) for one in line.steps or () if one.gold_step in edit.steps]
    times = edit.times or tuple(shown)
    return Segment(min(start for start, _ in times), max(end for _, end in times)) if times else None


def _moments(edit: LabeledEdit, line: Line, task: BenchTask) -> Iterator[LabeledPlace]:
    """For each step that is not in the recording, the moment at which it should be."""
    for step in edit.missing_gold_steps if edit.type in _HIDING else edit.steps:
        moment_s = _moment_s(edit, line, step)
        if moment_s is not None:
            yield LabeledPlace(
                Fault(DeviationType.MISSING_STEP, (task.step_ids[step],)), Segment(moment_s, moment_s)
            )


def _moment_s(edit: LabeledEdit, line: Line, step: int) -> float | None:
    """In seconds: the labeled moment, an end of the recording for a cut, else the start of what follows in
    the procedure or, where nothing does, the end of what precedes it.
    """
    if edit.expected_at_sec is not None:
        return edit.expected_at_sec
    if edit.type == "skip_start":
        return 0.0
    if edit.type == "cut_tail" and (edit.start_sec or line.duration_sec) is not None:
        return edit.start_sec if edit.start_sec is not None else line.duration_sec
    later = [one.start_sec for one in line.steps or () if one.gold_step is not None and one.gold_step > step]
    earlier = [one.end_sec for one in line.steps or () if one.gold_step is not None and one.gold_step < step]
    return min(later, default=max(earlier, default=None))
