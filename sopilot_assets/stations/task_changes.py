"""What a change of a task would make out of date, counted before it is saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from sopilot_assets.capture.marks import deciding_marks, marks_chain
from sopilot_assets.capture.promotions import confirmed_steps
from sopilot_assets.capture.registry import Registry, active_keys
from sopilot_assets.errors import StudyError
from sopilot_assets.labels.chain import labels_ledger
from sopilot_assets.reference.annotations import read_annotations
from sopilot_assets.reference.ledger import reference_states
from sopilot_assets.reference.step_names import StepNames
from sopilot_assets.scoring.limits import GOLDS
from sopilot_assets.stations.adoptions import deciding_policies
from sopilot_assets.stations.gold_inputs import embedding_models, gold_inputs, gold_names
from sopilot_assets.stations.staleness import outdated_by_task
from sopilot_assets.store.home import Home
from sopilot_assets.studies.adoptions import last_adoption
from sopilot_assets.studies.registration import Registration, read_registration
from sopilot_assets.studies.spec import study_ids
from sopilot_assets.tasks import Step, TaskSpec
from sopilot_assets.tasks.compared import ToldDifference, told_differences


@dataclass(frozen=True, slots=True)
class LostStep:
    """A step that the task would have no more: golds whose confirmed steps name it, and labels that do."""

    step: Step
    golds: int
    labels: int


@dataclass(frozen=True, slots=True)
class TaskChange:
    """What a change of a task does: of ``scored`` scores ``scores`` become out of date by it, and ``already``
    are so in any case.

    ``embeddings`` are recordings that have to be embedded anew. ``reference``: it is made anew of the same
    marks. ``lost`` are steps that disappear, and ``unmarked`` counts the golds whose steps have to be said
    anew: they name one of these, lack a new one, or are called by a name in ``steps.csv`` that goes.
    ``policy`` is the adopted policy that would decide no more. ``studies`` would have to be registered again,
    and ``frozen`` ones, which have results, can take no more of them.
    """

    before: TaskSpec
    after: TaskSpec
    differences: tuple[ToldDifference, ...]
    scored: int
    scores: int
    already: int
    embeddings: int
    reference: bool
    lost: tuple[LostStep, ...]
    unmarked: int
    policy: str | None
    studies: tuple[str, ...]
    frozen: tuple[str, ...]

    @property
    def new_version(self) -> bool:
        """Whether it is saved under another version number."""
        return self.after.version != self.before.version

    @property
    def other_steps(self) -> bool:
        """Whether steps come or go, so that nothing can be judged before golds show those that there are."""
        return set(self.before.step_ids) != set(self.after.step_ids)

    @property
    def judges_otherwise(self) -> bool:
        """Whether results can come out otherwise; else only names, sentences or the version differ."""
        return self.before.fingerprint() != self.after.fingerprint()

    @property
    def harmless(self) -> bool:
        """Whether nothing that was made before is out of date by it."""
        changed = self.scores, self.embeddings, self.reference, self.lost, self.unmarked
        return not any((*changed, self.policy, self.studies, self.frozen))


def change_of(home: Home, before: TaskSpec, after: TaskSpec) -> TaskChange:
    """What the change from ``before`` to ``after`` would do, by the rules by which scores, references,
    policies and studies are out of date.
    """
    task_id, registry, models = before.task_id, Registry.read_golds(home), embedding_models(home)
    was = will = gold_inputs(home, before, registry=registry, models=models)
    if _steps_read(before) != _steps_read(after):
        will = gold_inputs(home, after, registry=registry, models=models)
    decided, decides = (
        deciding_policies(home, {task_id: task}).get(task_id, GOLDS) for task in (before, after)
    )
    outdated = outdated_by_task(home, before, after, inputs=(was, will), policies=(decided, decides))
    lost, unmarked = _golds_otherwise(home, before, after, registry)
    studies = list(_studies(home, before, after))
    other_model = before.embedder is not after.embedder
    state = reference_states(home).get(task_id)
    said = last_adoption(home, task_id) if decided not in (decides, GOLDS) else None
    return TaskChange(
        before=before,
        after=after,
        differences=told_differences(before, after),
        scored=outdated.scored,
        scores=outdated.by_it,
        already=outdated.already,
        embeddings=list(active_keys(home).values()).count(task_id) if other_model else 0,
        reference=state is not None
        and state.reference_id is not None
        and not unmarked
        and (other_model or (will.is_renewed(state) and not was.is_renewed(state))),
        lost=lost,
        unmarked=unmarked,
        policy=None if said is None else said.policy_id,
        studies=tuple(one.study_id for one in studies if not one.frozen),
        frozen=tuple(one.study_id for one in studies if one.frozen),
    )


def _steps_read(task: TaskSpec) -> list[object]:
    """What the steps of golds are read by."""
    return [[step.id, step.name, step.name_ja] for step in task.steps] + [task.predecessors()]


def _golds_otherwise(
    home: Home, before: TaskSpec, after: TaskSpec, registry: Registry
) -> tuple[tuple[LostStep, ...], int]:
    """The steps that disappear, and of how many golds the steps have to be said anew."""
    if _steps_read(before) == _steps_read(after):
        return (), 0
    gone = [step for step in before.steps if step.id not in after.step_ids]
    new = set(after.step_ids) - set(before.step_ids)
    named, then = (_steps_of_golds(home, task, registry) for task in (before, after))
    labels = _labels_naming(home, before.task_id, [step.id for step in gone]) if gone else []
    lost = tuple(
        LostStep(step, sum(step.id in its for its in named), labels[place]) for place, step in enumerate(gone)
    )
    ids = {step.id for step in gone}
    anew = [its for its, will in zip(named, then, strict=True) if its and (new or its & ids or its != will)]
    return lost, len(anew)


def _steps_of_golds(home: Home, task: TaskSpec, registry: Registry) -> list[set[str]]:
    """The steps that each gold's mark, promotion or rows of ``steps.csv`` name."""
    task_id, golds = task.task_id, registry.golds(task.task_id)
    marks, promoted = deciding_marks(marks_chain(home).read(task_id)), confirmed_steps(home, task_id)
    names = [gold_names(one) for one in golds]
    sheet = read_annotations(home.steps_csv(task_id), StepNames.of(task), names, source="steps.csv")
    found = []
    for gold in golds:
        key = str(gold.key)
        confirmed = marks[key].steps if key in marks else promoted.get(key, ())
        rows = () if confirmed else sheet.steps.get(gold.key.video_id, ())
        found.append({one.step for one in confirmed} | {task.step_ids[one.step] for one in rows})
    return found


def _labels_naming(home: Home, task_id: str, steps: Sequence[str]) -> list[int]:
    """How many label events name each of these steps."""
    wanted = pd.DataFrame({"step": pd.Series([f'"{step}"' for step in steps], dtype="string")})
    rows = labels_ledger(home).query(
        f"select step, count(event_id) as named from wanted left join all_rows on task_id = '{task_id}' and "  # noqa: S608 - task ids hold no quotes
        "(contains(seen, step) or contains(deviations, step)) group by step",
        wanted=wanted,
    )
    counts = dict(zip(rows["step"], rows["named"], strict=True))
    return [int(counts[f'"{step}"']) for step in steps]


def _studies(home: Home, before: TaskSpec, after: TaskSpec) -> Iterator[Registration]:
    """The registered studies of the task that are as registered now, and would not be after the change."""
    if before.fingerprint() == after.fingerprint():
        return
    for study_id in study_ids(home):
        try:
            found = read_registration(home, study_id)
        except StudyError:
            continue  # of a damaged registration doctor tells
        if found is None or found.current.task != before.task_id:
            continue
        if found.current.task_fingerprint == before.fingerprint():
            yield found
