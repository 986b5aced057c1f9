"""The work instruction of a task, made from one of its golds: a picture and a sentence for each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.errors import GoldError
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.scoring.review.document import bytes_uri, render
from sopilot_assets.stations.gold_inputs import GoldInputs, task_inputs
from sopilot_assets.stations.instruction_pictures import (
    InstructionPictures,
    make_pictures,
    pictures_made,
    pictures_name,
)
from sopilot_assets.stations.marked_golds import usual_seconds
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import LockState, Step, TaskSpec, verify_task
from sopilot_assets.tasks.files import read_task
from sopilot_assets.tasks.history import task_file
from sopilot_assets.tasks.spec import canonical_sha256
from sopilot_assets.texts.languages import Language, Text

PACKAGE: Final = "sopilot_assets.stations"
"""Where the document's template and style lie."""


@dataclass(frozen=True, slots=True)
class InstructedStep:
    """One step of a work instruction: its number in the task, the numbers of the steps it comes after if
    these are not just the one above, and how long it usually takes in seconds (the golds' median; None where
    no gold shows it). ``at_s`` is the moment of its picture in the gold, None where there is none.
    """

    number: int
    step: Step
    after: tuple[int, ...] | None
    usual_s: float | None
    at_s: float | None


@dataclass(frozen=True, slots=True)
class WorkInstruction:
    """A task's work instruction: ``gold`` is where its pictures are from, ``golds`` are those that could be,
    the most usual first. ``locked_on`` is the day on which the version was locked, in this machine's zone;
    empty where it is not. ``pictures`` is None as long as nobody has made them; ``pictures_name`` changes
    with what they are made of.
    """

    task: TaskSpec
    gold: Recording | None
    golds: tuple[Recording, ...]
    shown: tuple[StepInterval, ...]
    steps: tuple[InstructedStep, ...]
    locked_on: str
    pictures: InstructionPictures | None
    pictures_name: str

    @property
    def content_id(self) -> str:
        """Eight hexadecimal digits that change with anything that the work instruction says or shows, but for
        whether it is locked.
        """
        said = {
            "task": self.task.model_dump(mode="json", exclude={"privacy"}),
            "gold": None if self.gold is None else str(self.gold.key),
            "usual": [one.usual_s for one in self.steps],
            "pictures": self.pictures_name,
        }
        return canonical_sha256(said)[:8]

    @property
    def without_sentence(self) -> int:
        """How many steps say in no language how they are done."""
        return sum(not (one.step.instruction or one.step.instruction_ja) for one in self.steps)

    @property
    def total_s(self) -> float | None:
        """How long all steps usually take together; None where that of one is not known."""
        known = [one.usual_s for one in self.steps if one.usual_s is not None]
        return sum(known) if len(known) == len(self.steps) else None


def work_instruction(home: Home, task_id: str, *, gold: str = "") -> WorkInstruction:
    """The work instruction of a task, from the gold with the key ``gold``; unless told, from the one whose
    steps take about as long as is usual.

    Raises ``TaskError`` for a task that cannot be read, and `GoldError` for a gold that there is not.
    """
    source = task_file(home, task_id)
    task = read_task(source)
    inputs = task_inputs(home, {task_id: task}, Registry.read_golds(home))[task_id]
    usual = usual_seconds(task, inputs, without="")
    golds = _by_usualness(task, inputs, usual)
    chosen = golds[0] if golds else None
    if gold:
        chosen = next((one for one in golds if str(one.key) == gold), None)
        if chosen is None:
            raise GoldError(
                f"{gold}: expected a gold of {task_id} with marked steps, found none.",
                ja=f"{gold}：作業 {task_id} の、手順が記録されたお手本ではありません。",
            )
    shown = () if chosen is None else inputs.annotations.steps[chosen.key.video_id]
    pictures = None if chosen is None else pictures_made(home, task, chosen, shown)
    moments = {} if pictures is None else pictures.moments
    return WorkInstruction(
        task=task,
        gold=chosen,
        golds=golds,
        shown=shown,
        steps=tuple(_steps(task, usual, moments)),
        locked_on=_locked_on(home, task),
        pictures=pictures,
        pictures_name="" if chosen is None else pictures_name(home, task, chosen, shown),
    )


def make_instruction_pictures(home: Home, instruction: WorkInstruction) -> bool:
    """Make the pictures where they are not made; False, and nothing made, where somebody else is at it."""
    if instruction.gold is None:
        return True
    return make_pictures(home, instruction.task, instruction.gold, instruction.shown)


def instruction_file(instruction: WorkInstruction, language: Language) -> bytes:
    """The work instruction as one HTML file that needs nothing else, pictures in it; the same of the same."""
    pictures = instruction.pictures
    sources: Mapping[str, str] = (
        {}
        if pictures is None
        else {one: bytes_uri(pictures.file(one).read_bytes(), kind="image/jpeg") for one in pictures.moments}
    )
    words = _words(language)
    values = {**words, "language": language.value, "instruction": instruction, "pictures": sources}
    return render(
        "work_instruction.html.j2",
        styles=("work_instruction.css",),
        script="work_instruction.js",
        values=values,
        package=PACKAGE,
    ).encode("utf-8")


def _words(language: Language) -> dict[str, Callable[..., str]]:
    japanese = language is Language.JA

    def said(text: Text) -> str:
        return text.ja if japanese else text.en

    return {"say": lambda en, ja: ja if japanese else en, "t": said}


def _by_usualness(task: TaskSpec, inputs: GoldInputs, usual: Mapping[str, float]) -> tuple[Recording, ...]:
    """The golds with marked steps: those that show all of the steps first, then by how far the times of their
    steps are from the usual ones.
    """

    def far(gold: Recording) -> tuple[int, float, str]:
        steps = inputs.annotations.steps[gold.key.video_id]
        took = dict[str, float]()
        for one in steps:
            step_id = task.step_ids[one.step]
            took[step_id] = took.get(step_id, 0.0) + one.segment.duration_s
        apart = sum(abs(seconds - usual[step_id]) for step_id, seconds in took.items())
        return len(task.steps) - len(took), apart, gold.original_name

    return tuple(
        sorted((one for one in inputs.golds if one.key.video_id in inputs.annotations.steps), key=far)
    )


def _steps(
    task: TaskSpec, usual: Mapping[str, float], moments: Mapping[str, float]
) -> Sequence[InstructedStep]:
    number = {step_id: place for place, step_id in enumerate(task.step_ids, start=1)}
    return [
        InstructedStep(
            number=number[step.id],
            step=step,
            after=None if step.after is None else tuple(sorted(number[one] for one in step.after)),
            usual_s=usual.get(step.id),
            at_s=moments.get(step.id),
        )
        for step in task.steps
    ]


def _locked_on(home: Home, task: TaskSpec) -> str:
    lock = verify_task(task_file(home, task.task_id))
    if lock.state is not LockState.OK:
        return ""
    return lock.locked[-1].locked_at.astimezone().date().isoformat()
