"""The reference station: a task's golds become its current reference."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from threadpoolctl import threadpool_limits

from sopilot_assets.alignment.calibration import (
    Calibration,
    calibrate,
    load_calibration,
    save_calibration,
)
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.embedding.clips import ClipEmbedding, load_embedding
from sopilot_assets.errors import GoldError, ModelError, SopilotError, StoreError, StoreUnavailable
from sopilot_assets.reference.annotations import StepInterval, told
from sopilot_assets.reference.ledger import (
    COLUMNS,
    current_reference_ids,
    reference_rows,
    reference_states,
    references_ledger,
)
from sopilot_assets.reference.model import Gold, Reference, build_reference, proposed_intervals, reference_id
from sopilot_assets.reference.stored import load_reference, save_reference
from sopilot_assets.scoring.limits import golds_limits
from sopilot_assets.scoring.review import verifiability_rows
from sopilot_assets.scoring.verifiability import verifiability
from sopilot_assets.stations.clip_embeddings import task_model_id
from sopilot_assets.stations.gold_inputs import GoldInputs, embedding_models, gold_inputs
from sopilot_assets.stations.outcome import ReferenceOutcome
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.tasks import TaskSpec, load_task
from sopilot_assets.texts.languages import Text

log = logging.getLogger(__name__)


def read_reference(home: Home, task_id: str, current: str | None) -> Reference:
    """The task's reference of that id; `GoldError` with the reason when it has none."""
    if current is None:
        state = reference_states(home).get(task_id)
        why = state.problem if state is not None and state.problem is not None else _no_gold(task_id)
        raise GoldError(why.en, ja=why.ja)
    return load_reference(home.reference(task_id, current), EmbeddingsOf(home, task_id))


def reference_of(home: Home, task: TaskSpec) -> Reference:
    """The task's current reference; `GoldError` with the reason when it has none, or none of its steps."""
    found = read_reference(home, task.task_id, current_reference_ids(home).get(task.task_id))
    require_steps(task, found.step_ids)
    return found


def require_steps(task: TaskSpec, known: Sequence[str]) -> None:
    """Refuse (`GoldError`) to read by the task's steps what was made of golds with the steps ``known``: they
    are called by their places.
    """
    if tuple(known) == task.step_ids:
        return
    raise GoldError(
        f"task {task.task_id}: the steps of its golds are still those from before the task was changed. Mark "
        "the golds anew at the desk, or correct steps.csv.",
        ja=f"作業 {task.task_id} は手順が変更されましたが、お手本の記録は変更前の手順のままです。"
        "デスクでお手本の手順を記録し直すか、steps.csv を修正してください。",
    )


def _no_gold(task_id: str) -> Text:
    return Text(
        f"task {task_id}: no reference yet, since there is no gold. Record golds into "
        f"capture/{task_id}/gold/<site>/.",
        f"作業 {task_id} にはお手本がないため、まだ採点できません。capture/{task_id}/gold/<場所>/ に"
        "お手本を入れてください。",
    )


def refresh_references(
    home: Home, task_ids: Sequence[str], *, run_id: str, written_at: str
) -> list[ReferenceOutcome]:
    """Bring the references of these tasks up to date with their golds, annotations and model; a task that
    fails does not stop the others.
    """
    registry = Registry.read_golds(home)
    models = embedding_models(home, list(registry.active()))
    outcomes = []
    for task_id in task_ids:
        try:
            task = load_task(home.tasks / f"{task_id}.yaml")
            inputs = gold_inputs(home, task, registry=registry, models=models)
        except SopilotError as error:
            outcomes.append(ReferenceOutcome(task_id, None, changed=False, problem=str(error)))
            continue
        try:
            outcomes.append(_refresh(home, task, inputs, run_id=run_id, written_at=written_at))
        except StoreUnavailable:  # no fault of the golds
            raise
        except SopilotError as error:
            outcomes.append(_not_made(home, inputs, error, run_id=run_id, written_at=written_at))
    return outcomes


def _not_made(
    home: Home, inputs: GoldInputs, error: SopilotError, *, run_id: str, written_at: str
) -> ReferenceOutcome:
    """The outcome with the reason, which the ledger keeps; a reference that is there counts on, as long as
    the task has any gold.
    """
    before = reference_rows(home).get(inputs.task_id) if inputs.golds else None
    problem = home.relative_text(str(error))
    ja = error.ja if isinstance(error, GoldError) else None
    row: dict[str, Cell] = {
        **(before or dict.fromkeys(COLUMNS)),
        "task_id": inputs.task_id,
        "inputs": inputs.fingerprint,
        "problem": problem,
        "problem_ja": ja,
    }
    changed = bool(references_ledger(home).append([row], run_id=run_id, written_at=written_at))
    kept = row["reference_id"]
    return ReferenceOutcome(
        inputs.task_id, None if kept is None else str(kept), changed=changed, problem=problem
    )


def _refresh(
    home: Home, task: TaskSpec, inputs: GoldInputs, *, run_id: str, written_at: str
) -> ReferenceOutcome:
    task_id = task.task_id
    if inputs.problem is not None:
        raise GoldError(inputs.problem.en, ja=inputs.problem.ja)
    golds, left_out = _golds(home, inputs, task)
    orders = task.legal_orders()
    wanted = reference_id(task_id, task.step_ids, golds, orders=orders)
    path = home.reference(task_id, wanted)
    if path.exists():
        reference = load_reference(path, EmbeddingsOf(home, task_id))
    else:
        reference = build_reference(task_id, task.step_ids, golds, orders=orders)
        save_reference(path, reference)
    calibration = _calibration(home, reference)
    row: dict[str, Cell] = {
        "task_id": task_id,
        "reference_id": reference.reference_id,
        "model_id": reference.model_id,
        "golds": len(reference.golds),
        "persons": len(reference.persons),
        "confirmed": reference.confirmed,
        "held_out": reference.evidence.held_out,
        "promoted": _promoted(inputs, reference),
        "inputs": inputs.fingerprint,
        "problem": None,
        "problem_ja": None,
    }
    changed = bool(references_ledger(home).append([row], run_id=run_id, written_at=written_at))
    return ReferenceOutcome(
        task_id,
        wanted,
        changed,
        metadata={**row, **_left_out(inputs, left_out)},
        table=_step_rows(task, reference),
        verifiability=verifiability_rows(verifiability(task, calibration, golds_limits(task).review)),
    )


def _calibration(home: Home, reference: Reference) -> Calibration:
    """The stored calibration of a reference, made anew where there is none of this version."""
    path = home.calibration(reference.task_id, reference.reference_id)
    if path.exists():
        try:
            return load_calibration(path)
        except StoreError as outdated:
            log.info("%s", outdated)
    # one thread: sums come out the same on every machine
    with threadpool_limits(limits=1):
        calibration = calibrate(reference)
    save_calibration(path, calibration)
    return calibration


def current_calibration(home: Home, reference: Reference) -> Calibration:
    """The calibration of a task's current reference; `StoreError` when there is none."""
    return load_calibration(home.calibration(reference.task_id, reference.reference_id))


def _promoted(inputs: GoldInputs, reference: Reference) -> str | None:
    """The keys of the promoted golds that the reference rests on; None where there are none."""
    resting = {gold.video_id for gold in reference.golds}
    found = [key for key in inputs.promoted if PartitionKey.parse(key).video_id in resting]
    return ",".join(found) or None


def _left_out(inputs: GoldInputs, without_embedding: str) -> dict[str, Cell]:
    """What of the golds and of ``steps.csv`` the reference does not rest on, for the web page."""
    return {
        "golds_left_out": without_embedding or None,
        "steps_guessed_of": ", ".join(inputs.unannotated) or None,
        "rows_of_no_gold": "; ".join(one.en for one in told(inputs.annotations.strangers)) or None,
    }


def _golds(home: Home, inputs: GoldInputs, task: TaskSpec) -> tuple[list[Gold], str]:
    """The task's golds that have an embedding, and the names of those that have none."""
    if not inputs.golds:
        return [], ""
    embedding_of = EmbeddingsOf(home, task.task_id)
    golds, left_out = [], []
    for recording in inputs.golds:
        try:
            embedding = embedding_of(recording.key.video_id)
        except ModelError:
            left_out.append(recording.original_name)
            continue
        annotation = inputs.annotations.steps.get(recording.key.video_id)
        golds.append(_gold(recording, embedding, annotation, len(task.steps)))
    return golds, ", ".join(left_out)


def _gold(
    recording: Recording,
    embedding: ClipEmbedding,
    annotation: tuple[StepInterval, ...] | None,
    step_count: int,
) -> Gold:
    return Gold(
        video_id=recording.key.video_id,
        person=recording.person,
        site=recording.site,
        embedding=embedding,
        intervals=annotation if annotation is not None else proposed_intervals(embedding, step_count),
        confirmed=annotation is not None,
    )


class EmbeddingsOf:
    """Loads the embedding of a video by a task's model."""

    def __init__(self, home: Home, task_id: str) -> None:
        self.home, self.model_id = home, task_model_id(home, task_id)

    def __call__(self, video_id: str) -> ClipEmbedding:
        return load_embedding(self.home.embedding(self.model_id, video_id))


def _step_rows(task: TaskSpec, reference: Reference) -> list[dict[str, Cell]]:
    clips = reference.evidence.clips
    return [
        {
            "step": step.id,
            "critical": step.critical,
            "usual_s": round(reference.durations.seconds(index), 2),
            "spread": round(reference.durations.spread[index], 3),
            "gold_clips": int((clips.step == index).sum()),
            "golds": len(set(clips.gold[clips.step == index].tolist())),
        }
        for index, step in enumerate(task.steps)
    ]
