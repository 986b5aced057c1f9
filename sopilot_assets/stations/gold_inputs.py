"""What a task's reference would be made of now: its golds, their persons and their steps.

The steps of a gold are those of its newest confirmed mark; without one, of a promoted gold those that were
confirmed by promoting it, and of any other its rows in ``steps.csv``. A promotion is a word like a mark: the
later one of the two counts.

Nothing of this reads a video or an embedding, so that it can be asked at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias

import pandas as pd

from sopilot_assets.capture.marks import MarkEvent, deciding_marks, marks_chain
from sopilot_assets.capture.promotions import ConfirmedStep, confirmed_steps
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.errors import GoldError
from sopilot_assets.reference.annotations import (
    Annotations,
    GoldNames,
    StepInterval,
    read_annotations,
    shortest_name,
    told,
)
from sopilot_assets.reference.ledger import ReferenceState, reference_states
from sopilot_assets.reference.step_names import StepNames
from sopilot_assets.segments import Segment
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.tasks import Step, TaskSpec
from sopilot_assets.tasks.spec import canonical_sha256
from sopilot_assets.texts.languages import Text

EmbeddingModels: TypeAlias = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class GoldInputs:
    """The golds of a task that are not withdrawn, and their steps: ``annotations`` has what counts of marks,
    promotions and ``steps.csv``.

    ``confirmed`` is what is wrong with marks or with the steps of promoted golds. ``marks`` are the marks
    that count, by key, and ``overruled`` says where ``steps.csv`` says something else. ``embedded`` holds the
    model of each gold's embedding, by key; golds without one make no reference. ``waiting`` are the golds
    that nobody tried to embed yet, by key.
    """

    task_id: str
    golds: tuple[Recording, ...]
    annotations: Annotations
    confirmed: Text | None
    embedded: Mapping[str, str]
    waiting: tuple[str, ...]
    fingerprint: str
    """A hash of all that the reference rests on."""
    marks: Mapping[str, MarkEvent] = field(default_factory=dict)
    overruled: tuple[Text, ...] = ()

    @property
    def steps_faults(self) -> tuple[Text, ...]:
        """The first faults of ``steps.csv``, and how many more there are."""
        return tuple(told(self.annotations.faults))

    @property
    def problem(self) -> Text | None:
        """Why no reference is made of the golds' steps: of ``steps.csv``, of marks or of promoted golds;
        None where nothing is wrong with them.
        """
        listed = self.steps_faults
        if not listed:
            return self.confirmed
        en, ja = ("; ".join(one.en for one in listed), "。".join(one.ja for one in listed))
        return Text(
            f"Nothing of steps.csv is taken until this is mended: {en}.",
            f"steps.csv は次の点を直すまで使われません：{ja}。",
        )

    @property
    def unannotated(self) -> tuple[str, ...]:
        """The golds that nobody marked, as rows may call them; their steps are guessed."""
        names, steps = [gold_names(one) for one in self.golds], self.annotations.steps
        return tuple(shortest_name(one, names) for one in names if one.video_id not in steps)

    def is_renewed(self, state: ReferenceState | None) -> bool:
        """Whether making the reference now could give another one than ``state``, or another reason why
        there is none.

        Faulty steps renew nothing where there is a reference: that one counts until they are mended.
        """
        if self.waiting or state is None:
            return bool(self.golds)
        if state.inputs in (None, self.fingerprint):
            return False
        return self.problem is None or state.reference_id is None

    @property
    def promoted(self) -> tuple[str, ...]:
        """The keys of the promoted golds."""
        return tuple(str(one.key) for one in self.golds if one.promotion is not None)


def gold_inputs(home: Home, task: TaskSpec, *, registry: Registry, models: EmbeddingModels) -> GoldInputs:
    """What the reference of a task would be made of now."""
    golds = tuple(registry.golds(task.task_id))
    said, confirmed = _confirmed(home, task, golds)
    names = [gold_names(one) for one in golds if one.promotion is None]
    source = f"capture/{task.task_id}/gold/steps.csv"
    read = read_annotations(home.steps_csv(task.task_id), StepNames.of(task), names, source=source)
    annotations, overruled = _counting(read, said, names, source)
    tried = {str(one.key): models.get(str(one.key), "") for one in golds}
    embedded = {key: model for key, model in tried.items() if model}
    return GoldInputs(
        task_id=task.task_id,
        golds=golds,
        annotations=annotations,
        confirmed=confirmed,
        embedded=embedded,
        waiting=tuple(key for key, model in tried.items() if model == ""),
        fingerprint=_fingerprint(task, golds, annotations, embedded, confirmed),
        marks=said.marks,
        overruled=overruled,
    )


def unshown_steps(task: TaskSpec, inputs: GoldInputs) -> tuple[Step, ...]:
    """The steps of the task that none of its golds shows, so that nothing can be judged; none as long as
    nobody marked some gold, since all of its steps are guessed.
    """
    marked = inputs.annotations.steps
    if any(one.key.video_id not in marked for one in inputs.golds):
        return ()
    shown = {one.step for steps in marked.values() for one in steps}
    return tuple(step for place, step in enumerate(task.steps) if place not in shown)


def task_inputs(
    home: Home, tasks: Mapping[str, TaskSpec], registry: Registry | None = None
) -> dict[str, GoldInputs]:
    """What the references of these tasks would be made of now, by task; ``registry`` is what was read of the
    registered recordings already.
    """
    registry = registry or Registry.read_golds(home)
    golds = [str(one.key) for task_id in tasks for one in registry.golds(task_id)]
    models = embedding_models(home, golds)
    return {
        task_id: gold_inputs(home, task, registry=registry, models=models)
        for task_id, task in sorted(tasks.items())
    }


def reference_problems(home: Home, inputs: Mapping[str, GoldInputs]) -> dict[str, Text]:
    """Why the golds of tasks give no reference as they are now, by task; tasks that have one, or whose golds
    nobody looked at since they changed, are left out.
    """
    states = reference_states(home)
    found: dict[str, Text] = {}
    for task_id, its in inputs.items():
        state = states.get(task_id)
        if its.golds and its.problem is not None:
            found[task_id] = its.problem
        elif state is not None and state.problem is not None and not its.is_renewed(state):
            found[task_id] = state.problem
    return found


def gold_remarks(home: Home, inputs: Mapping[str, GoldInputs]) -> list[str]:
    """What is wrong with the golds of tasks, one line each, for logs: why they give no reference, and rows of
    ``steps.csv`` that are about none of them or that a mark overrules.
    """
    problems = [f"{task_id}: {one.en}" for task_id, one in reference_problems(home, inputs).items()]
    strangers = [one.en for its in inputs.values() for one in told(its.annotations.strangers)]
    overruled = [one.en for its in inputs.values() for one in told(its.overruled)]
    return [*problems, *strangers, *overruled]


def embedding_models(home: Home, keys: Sequence[str] | None = None) -> dict[str, str | None]:
    """The model of each recording's embedding, or of those with these keys, None where it could not be
    embedded; recordings that nobody tried to embed are left out.
    """
    ledger, wanted = embeddings_ledger(home), "select key, model_id, problem from latest"
    if keys is None:
        rows = ledger.query(wanted)
    else:
        named = pd.DataFrame({"key": list(keys)}, dtype="string")
        rows = ledger.query(f"{wanted} where key in (select key from named)", named=named)  # noqa: S608 - constants
    return {
        str(row["key"]): None if row["problem"] is not None else str(row["model_id"])
        for row in plain_rows(rows)
    }


@dataclass(frozen=True, slots=True)
class _Said:
    """The steps that people confirmed, by video id, and the marks among that, by key."""

    steps: Mapping[str, tuple[StepInterval, ...]] = field(default_factory=dict)
    marks: Mapping[str, MarkEvent] = field(default_factory=dict)


def _confirmed(home: Home, task: TaskSpec, golds: Sequence[Recording]) -> tuple[_Said, Text | None]:
    """The confirmed steps of golds, and what is wrong with them: a broken chain, or a step that the task has
    no more, without which the others are.
    """
    try:
        promoted = confirmed_steps(home, task.task_id)
        marks = deciding_marks(marks_chain(home).read(task.task_id))
    except GoldError as error:
        return _Said(), Text(str(error), str(error))
    steps: dict[str, tuple[ConfirmedStep, ...]] = {}
    marked: dict[str, MarkEvent] = {}
    for one in golds:
        key = str(one.key)
        if key in marks and _is_later(marks[key], one):
            marked[key], steps[key] = marks[key], marks[key].steps
        elif one.promotion is not None and key in promoted:
            # one that was demoted between the two looks has no steps here; the next look finds no gold
            steps[key] = promoted[key]
    problem: Text | None = None
    for one in golds:
        lost = sorted({step.step for step in steps.get(str(one.key), ())} - set(task.step_ids))
        if lost and problem is None:
            problem = _lost(task, one, lost)
    by_video = {one.key.video_id: one for one in golds if str(one.key) in steps}
    left = {video: step_intervals(task, steps[str(one.key)]) for video, one in by_video.items()}
    found = {video: its for video, its in left.items() if its}
    return _Said(found, marked), problem


def _is_later(mark: MarkEvent, gold: Recording) -> bool:
    """Whether the mark was made after the gold was promoted, if it was."""
    if gold.promotion is None:
        return True
    return datetime.fromisoformat(mark.at) > datetime.fromisoformat(gold.promotion.at)


def _lost(task: TaskSpec, gold: Recording, unknown: Sequence[str]) -> Text:
    """That steps were confirmed which the task has no more, and what to do."""
    name, steps = gold.original_name, ", ".join(unknown)
    return Text(
        f"{name} was marked with the steps {steps}, which task {task.task_id} has no more. Mark it anew at "
        f"the desk, or with sopilot gold import {task.task_id}.",
        f"{name} には手順 {steps} の時刻が記録されていますが、作業 {task.task_id} に"
        f"その手順はもうありません。デスクまたは sopilot gold import {task.task_id} で記録し直してください。",
    )


SAME_S: Final = 0.0015
"""Times that differ by no more say the same: marks are kept to the millisecond."""


def _counting(
    read: Annotations, said: _Said, names: Sequence[GoldNames], source: str
) -> tuple[Annotations, tuple[Text, ...]]:
    """What counts of ``steps.csv`` and of what people confirmed, and where a mark overrules the file.

    Faults of the file matter as long as a gold without confirmed steps needs it.
    """
    needs_file = [one for one in names if one.video_id not in said.steps]
    if read.faults and (needs_file or not said.steps):
        return read, ()
    overruled = [
        _overruled(one, names, source)
        for one in names
        if one.video_id in said.steps
        and one.video_id in read.steps
        and not same_steps(read.steps[one.video_id], said.steps[one.video_id])
    ]
    counting = replace(read, steps={**read.steps, **said.steps}, faults=())
    return counting, (*read.faults, *overruled)


def same_steps(one: Sequence[StepInterval], other: Sequence[StepInterval]) -> bool:
    """Whether both say the same steps at the same times, to the millisecond."""
    return len(one) == len(other) and all(
        a.step == b.step
        and abs(a.segment.start_s - b.segment.start_s) <= SAME_S
        and abs(a.segment.end_s - b.segment.end_s) <= SAME_S
        for a, b in zip(one, other, strict=True)
    )


def _overruled(gold: GoldNames, names: Sequence[GoldNames], source: str) -> Text:
    name, task_id = shortest_name(gold, names), source.split("/")[1]
    return Text(
        f"{source}: says other steps of {name} than its confirmed mark, which counts. If the file is right, "
        f"import it at the desk or with sopilot gold import {task_id}",
        f"{source}：{name} の時刻が、確定済みの記録と違います。確定済みの記録が使われます。"
        f"ファイルが正しい場合は、デスクまたは sopilot gold import {task_id} で取り込んでください",
    )


def step_intervals(task: TaskSpec, steps: Sequence[ConfirmedStep]) -> tuple[StepInterval, ...]:
    """Confirmed steps as a gold has them, without those that the task has no more."""
    return tuple(
        StepInterval(task.step_ids.index(one.step), Segment(one.start_s, one.end_s))
        for one in steps
        if one.step in task.step_ids
    )


def gold_names(gold: Recording) -> GoldNames:
    """What a row of ``steps.csv`` may call a recording."""
    folder = gold.capture_path.rpartition("/")[0]
    path = f"{folder}/{gold.original_name}" if folder else gold.original_name
    return GoldNames(gold.key.video_id, path, gold.duration_s, (str(gold.key), gold.sha256))


def _fingerprint(
    task: TaskSpec,
    golds: Sequence[Recording],
    annotations: Annotations,
    embedded: Mapping[str, str],
    confirmed: Text | None,
) -> str:
    steps: list[list[Cell]] = [
        [video_id, one.step, one.segment.start_s, one.segment.end_s]
        for video_id, intervals in sorted(annotations.steps.items())
        for one in intervals
    ]
    return canonical_sha256(
        {
            "steps": list(task.step_ids),
            "orders": [list(order) for order in task.legal_orders()],
            "golds": [
                [str(one.key), one.person, embedded[str(one.key)]]
                for one in golds
                if str(one.key) in embedded
            ],
            "annotated": steps,
            "faults": [one.en for one in (*annotations.faults, *filter(None, [confirmed]))],
        }
    )[:16]
