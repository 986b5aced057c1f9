"""What a task's reference would be made of now: its golds, their persons and their steps in ``steps.csv``.

Nothing of this reads a video or an embedding, so that it can be asked at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

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
from sopilot_assets.segments import Segment
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.tasks.spec import canonical_sha256
from sopilot_assets.texts.languages import Text

EmbeddingModels: TypeAlias = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class GoldInputs:
    """The golds of a task that are not withdrawn, and their steps: what ``steps.csv`` says, and of promoted
    golds what was confirmed by promoting them.

    ``promotions`` is what is wrong with the steps of promoted golds. ``embedded`` holds the model of each
    gold's embedding, by key; golds without one make no reference. ``waiting`` are the golds that nobody tried
    to embed yet, by key.
    """

    task_id: str
    golds: tuple[Recording, ...]
    annotations: Annotations
    promotions: Text | None
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
        """Why no reference is made of the golds' steps: of ``steps.csv`` or of promoted golds; None where
        nothing is wrong with them.
        """
        listed = self.steps_faults
        if not listed:
            return self.promotions
        en, ja = ("; ".join(one.en for one in listed), "。".join(one.ja for one in listed))
        return Text(
            f"Nothing of steps.csv is taken until this is mended: {en}.",
            f"steps.csv は次の点を直すまで使われません：{ja}。",
        )

    @property
    def unannotated(self) -> tuple[str, ...]:
        """The golds that have no rows, as rows may call them; their steps are guessed."""
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
    names = [gold_names(one) for one in golds if one.promotion is None]
    source = f"capture/{task.task_id}/gold/steps.csv"
    annotations = read_annotations(home.steps_csv(task.task_id), task.step_ids, names, source=source)
    of_promoted, promotions = _promoted_steps(home, task, golds)
    if not annotations.faults:
        annotations = replace(annotations, steps={**annotations.steps, **of_promoted})
    tried = {str(one.key): models.get(str(one.key), "") for one in golds}
    embedded = {key: model for key, model in tried.items() if model}
    return GoldInputs(
        task_id=task.task_id,
        golds=golds,
        annotations=annotations,
        promotions=promotions,
        embedded=embedded,
        waiting=tuple(key for key, model in tried.items() if model == ""),
        fingerprint=_fingerprint(task, golds, annotations, embedded, promotions),
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


def _promoted_steps(
    home: Home, task: TaskSpec, golds: Sequence[Recording]
) -> tuple[dict[str, tuple[StepInterval, ...]], Text | None]:
    """The steps of the promoted golds by video id, and what is wrong with them: a broken chain, or a step
    that the task has no more.
    """
    try:
        confirmed = confirmed_steps(home, task.task_id)
    except GoldError as error:
        return {}, Text(str(error), str(error))
    promoted = [one for one in golds if one.promotion is not None]
    lost = {
        one.original_name: unknown
        for one in promoted
        if (unknown := sorted({step.step for step in confirmed.get(str(one.key), ())} - set(task.step_ids)))
    }
    if lost:
        name, unknown = next(iter(lost.items()))
        again = f"sopilot gold demote {name}, then sopilot gold promote {name} --steps FILE"
        return {}, Text(
            f"{name} was promoted with the steps {', '.join(unknown)}, which task {task.task_id} has no "
            f"more. Confirm its steps anew: {again}.",
            f"{name} は手順 {', '.join(unknown)} とともにお手本にされましたが、作業 {task.task_id} に"
            f"その手順はもうありません。手順を確認し直してください：{again}。",
        )
    # one that was demoted between the two looks has no steps here; the next look finds that it is no gold
    there = [one for one in promoted if str(one.key) in confirmed]
    return {one.key.video_id: step_intervals(task, confirmed[str(one.key)]) for one in there}, None


def step_intervals(task: TaskSpec, steps: Sequence[ConfirmedStep]) -> tuple[StepInterval, ...]:
    """Confirmed steps as a gold has them."""
    return tuple(
        StepInterval(task.step_ids.index(one.step), Segment(one.start_s, one.end_s)) for one in steps
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
    promotions: Text | None,
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
            "faults": [one.en for one in (*annotations.faults, *filter(None, [promotions]))],
        }
    )[:16]
