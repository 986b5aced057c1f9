"""The golds of a task as whoever marks them sees them: who said what of their steps, and how far apart two
people are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from sopilot_assets.capture.marks import MarkEvent, marks_chain
from sopilot_assets.capture.registry import Recording, active_keys
from sopilot_assets.errors import GoldError
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.reference.border_agreement import BorderAgreement, border_agreement
from sopilot_assets.stations.gold_inputs import GoldInputs, step_intervals, task_inputs, unshown_steps
from sopilot_assets.store.chain import NO_EVENT
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.texts.languages import Text


@dataclass(frozen=True, slots=True)
class SaidSteps:
    """A mark in the history of a gold, and how it agrees with the steps that count: None for these."""

    event: MarkEvent
    agreement: BorderAgreement | None


@dataclass(frozen=True, slots=True)
class MarkedGold:
    """A gold: the steps that count (empty: nobody marked it), who says so and when (ISO 8601 in UTC, empty
    for ``steps.csv``), and everything that was said of it, the newest first.
    """

    recording: Recording
    steps: tuple[StepInterval, ...]
    who: str
    at: str
    history: tuple[SaidSteps, ...]
    mark: MarkEvent | None

    @property
    def based_on(self) -> str:
        """The event that a new mark is based on; 64 zeros for none."""
        return NO_EVENT if self.mark is None else self.mark.event_id

    @property
    def seconds_apart(self) -> float | None:
        """The median absolute difference of borders between the steps that count and those of whoever marked
        the gold independently last, in seconds; None where nobody did.
        """
        found = (one.agreement for one in self.history if one.event.independent and one.agreement is not None)
        newest = next(found, None)
        return None if newest is None else newest.median_s


@dataclass(frozen=True, slots=True)
class MarkedTask:
    """A task with its golds by name, and what is wrong with their steps; None where nothing is. ``remarks``
    are on rows of ``steps.csv``. ``scored`` is how many recordings are judged by the golds.
    """

    task: TaskSpec
    golds: tuple[MarkedGold, ...]
    problem: Text | None
    remarks: tuple[Text, ...]
    inputs: GoldInputs
    scored: int

    @property
    def name(self) -> Text:
        """The task's name."""
        return self.task.names

    @property
    def step_names(self) -> tuple[Text, ...]:
        """The names of its steps, in the order of the file."""
        return tuple(step.names for step in self.task.steps)

    @property
    def unshown(self) -> tuple[Text, ...]:
        """The names of the steps that none of its golds shows (see `unshown_steps`)."""
        return tuple(step.names for step in unshown_steps(self.task, self.inputs))

    def gold(self, key: str) -> MarkedGold:
        """The gold with this key; raises `GoldError` where it is none of them."""
        found = next((one for one in self.golds if str(one.recording.key) == key), None)
        if found is None:
            raise GoldError(
                f"{key}: expected a gold of {self.task.task_id} that counts, found none.",
                ja=f"{key}：作業 {self.task.task_id} の使用中のお手本ではありません。",
            )
        return found


def marked_tasks(home: Home, tasks: Mapping[str, TaskSpec]) -> list[MarkedTask]:
    """The golds of tasks, by their ids, and what was said of their steps."""
    inputs, active = task_inputs(home, tasks), Counter(active_keys(home).values())
    return [_marked_task(home, tasks[task_id], its, active[task_id]) for task_id, its in inputs.items()]


def marked_task(home: Home, task: TaskSpec) -> MarkedTask:
    """The golds of a task and what was said of their steps."""
    return marked_tasks(home, {task.task_id: task})[0]


def _marked_task(home: Home, task: TaskSpec, inputs: GoldInputs, scored: int) -> MarkedTask:
    said, problem = _said(home, task.task_id)
    golds = tuple(
        sorted(
            (_marked(task, inputs, said, one) for one in inputs.golds),
            key=lambda one: (one.recording.original_name, str(one.recording.key)),
        )
    )
    remarks = (*inputs.annotations.strangers, *inputs.overruled)
    return MarkedTask(task, golds, problem or inputs.problem, remarks, inputs, scored)


def _said(home: Home, task_id: str) -> tuple[list[MarkEvent], Text | None]:
    """The events of the task's marks; where the chain is broken none, and why."""
    try:
        return marks_chain(home).read(task_id), None
    except GoldError as error:
        return [], Text(str(error), error.ja or str(error))


def _marked(
    task: TaskSpec, inputs: GoldInputs, said: Sequence[MarkEvent], recording: Recording
) -> MarkedGold:
    key = str(recording.key)
    steps = inputs.annotations.steps.get(recording.key.video_id, ())
    mark, promotion = inputs.marks.get(key), recording.promotion
    who, at = "steps.csv" if steps else "", ""
    if mark is not None:
        who, at = mark.who, mark.at
    elif promotion is not None:
        who, at = promotion.who, promotion.at
    history = tuple(
        SaidSteps(event, None if event == mark else _agreement(task, steps, event))
        for event in reversed([event for event in said if event.key == key])
    )
    return MarkedGold(recording, steps, who, at, history, mark)


def _agreement(task: TaskSpec, counts: Sequence[StepInterval], event: MarkEvent) -> BorderAgreement | None:
    """How a mark agrees with the steps that count; None where one of them has steps of a task of before."""
    known = set(task.step_ids)
    if not counts or any(one.step not in known for one in event.steps):
        return None
    return border_agreement(counts, step_intervals(task, event.steps))


def usual_seconds(task: TaskSpec, inputs: GoldInputs, *, without: str) -> dict[str, float]:
    """How long each step takes in the golds that have steps, by step: the median over the golds but the one
    with the video id ``without``; steps that none of them shows are left out.
    """
    totals: dict[int, list[float]] = {}
    for video_id, steps in inputs.annotations.steps.items():
        if video_id == without:
            continue
        for step in {one.step for one in steps}:
            lasted = sum(one.segment.duration_s for one in steps if one.step == step)
            totals.setdefault(step, []).append(lasted)
    return {task.step_ids[step]: median(values) for step, values in sorted(totals.items())}
