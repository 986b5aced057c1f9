"""What a task's reference would be made of now: its golds, their persons and their steps in ``steps.csv``.

Nothing of this reads a video or an embedding, so that it can be asked at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.reference.annotations import (
    Annotations,
    GoldNames,
    read_annotations,
    shortest_name,
    told,
)
from sopilot_assets.reference.ledger import ReferenceState, reference_states
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.tasks.spec import canonical_sha256
from sopilot_assets.texts.languages import Text

EmbeddingModels: TypeAlias = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class GoldInputs:
    """The golds of a task that are not withdrawn, and what ``steps.csv`` says of them.

    ``embedded`` holds the model of each gold's embedding, by key; golds without one make no reference.
    ``waiting`` are the golds that nobody tried to embed yet, by key.
    """

    task_id: str
    golds: tuple[Recording, ...]
    annotations: Annotations
    embedded: Mapping[str, str]
    waiting: tuple[str, ...]
    fingerprint: str
    """A hash of all that the reference rests on."""

    @property
    def steps_faults(self) -> tuple[Text, ...]:
        """The first faults of ``steps.csv``, and how many more there are."""
        return tuple(told(self.annotations.faults))

    @property
    def problem(self) -> Text | None:
        """Why nothing of ``steps.csv`` is taken; None where it has no fault."""
        listed = self.steps_faults
        if not listed:
            return None
        en, ja = ("; ".join(one.en for one in listed), "。".join(one.ja for one in listed))
        return Text(
            f"Nothing of steps.csv is taken until this is mended: {en}.",
            f"steps.csv は次の点を直すまで使われません：{ja}。",
        )

    @property
    def unannotated(self) -> tuple[str, ...]:
        """The golds that have no rows, as rows may call them; their steps are guessed."""
        names, steps = [_names(one) for one in self.golds], self.annotations.steps
        return tuple(shortest_name(one, names) for one in names if one.video_id not in steps)

    def is_renewed(self, state: ReferenceState | None) -> bool:
        """Whether making the reference now could give another one than ``state``, or another reason why
        there is none.

        A faulty ``steps.csv`` renews nothing where there is a reference: that one counts until it is mended.
        """
        if self.waiting or state is None:
            return bool(self.golds)
        if state.inputs in (None, self.fingerprint):
            return False
        return not (self.annotations.faults and state.reference_id is not None)


def gold_inputs(home: Home, task: TaskSpec, *, registry: Registry, models: EmbeddingModels) -> GoldInputs:
    """What the reference of a task would be made of now."""
    golds = tuple(one for one in registry.golds(task.task_id) if one.retired is None)
    names = [_names(one) for one in golds]
    source = f"capture/{task.task_id}/gold/steps.csv"
    annotations = read_annotations(home.steps_csv(task.task_id), task.step_ids, names, source=source)
    tried = {str(one.key): models.get(str(one.key), "") for one in golds}
    embedded = {key: model for key, model in tried.items() if model}
    return GoldInputs(
        task_id=task.task_id,
        golds=golds,
        annotations=annotations,
        embedded=embedded,
        waiting=tuple(key for key, model in tried.items() if model == ""),
        fingerprint=_fingerprint(task, golds, annotations, embedded),
    )


def task_inputs(
    home: Home, tasks: Mapping[str, TaskSpec], registry: Registry | None = None
) -> dict[str, GoldInputs]:
    """What the references of these tasks would be made of now, by task; ``registry`` is what was read of the
    registered recordings already.
    """
    registry, models = registry or Registry.read(home), embedding_models(home)
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
    ``steps.csv`` that are about none of them.
    """
    problems = [f"{task_id}: {one.en}" for task_id, one in reference_problems(home, inputs).items()]
    strangers = [one.en for its in inputs.values() for one in told(its.annotations.strangers)]
    return [*problems, *strangers]


def embedding_models(home: Home) -> dict[str, str | None]:
    """The model of each recording's embedding, by key, None where it could not be embedded; recordings that
    nobody tried to embed are left out.
    """
    rows = embeddings_ledger(home).query("select key, model_id, problem from latest")
    return {
        str(row["key"]): None if row["problem"] is not None else str(row["model_id"])
        for row in plain_rows(rows)
    }


def _names(gold: Recording) -> GoldNames:
    folder = gold.capture_path.rpartition("/")[0]
    path = f"{folder}/{gold.original_name}" if folder else gold.original_name
    return GoldNames(gold.key.video_id, path, gold.duration_s, (str(gold.key), gold.sha256))


def _fingerprint(
    task: TaskSpec, golds: Sequence[Recording], annotations: Annotations, embedded: Mapping[str, str]
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
            "faults": [one.en for one in annotations.faults],
        }
    )[:16]
