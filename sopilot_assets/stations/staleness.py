"""Which scores are out of date, and why: what made each against what would make it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd

from sopilot_assets.capture.ledgers import ACTIVE, videos_ledger
from sopilot_assets.capture.promotions import promoted_golds
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.reference.ledger import ReferenceState, reference_states
from sopilot_assets.scoring.ledger import algorithm_version, recording_cells, row_source, scores_ledger
from sopilot_assets.scoring.limits import GOLDS
from sopilot_assets.stations.adoptions import deciding_policies
from sopilot_assets.stations.clip_embeddings import embeddings_ledger, task_model_id, task_model_if_made
from sopilot_assets.stations.gold_inputs import (
    GoldInputs,
    embedding_models,
    gold_inputs,
)
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, plain_rows, query_together
from sopilot_assets.tasks import TaskSpec, find_tasks
from sopilot_assets.tasks.spec import canonical_sha256
from sopilot_assets.times.ledger import MADE_BY, TIMES_VERSION, step_times_ledger

STALE_COLUMNS: Final = ("key", "task_id", "video_id", "why", "also", "scored_with", "current", "embedded")
REASONS: Final = ("missing", "algorithm", "task", "model", "reference", "policy", "recording", "times")
"""Why a score is stale, the first that holds is the one named in ``why``."""
RENEWED: Final = "golds or steps.csv changed"
"""What stands for the reference that would be made now, as long as nobody made it."""

_Row = Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class _Now:
    """What would make the scores of a task now."""

    algorithm: str
    task: str
    model: str | None
    reference: str
    policy: str


@dataclass(frozen=True, slots=True)
class OutdatedScores:
    """What a change makes of a task's scores: how many there are, how many it makes out of date, and how many
    are so already.
    """

    scored: int
    by_it: int
    already: int


def stale_scores(home: Home, *, make_models: bool = True) -> pd.DataFrame:
    """The active recordings whose newest score was made by something older than what would make it now.

    Columns ``key``, ``task_id``, ``video_id``, ``why`` (missing, algorithm, task, model, reference, policy:
    one was adopted or decides no more, recording: its person or place was corrected, or times: its step times
    were not made with it), ``also`` (the other reasons, comma-separated),
    ``scored_with``, ``current`` and ``embedded`` (whether its embedding is by the task's present model); one
    row a recording, ordered by key. Recordings of tasks whose file cannot be used are left out: nobody knows
    what would make their scores now.

    To know the model of a task it is made where it never was. With ``make_models`` false nothing is written,
    and no score counts as stale for a model that was never made.
    """
    model_of = task_model_id if make_models else task_model_if_made
    scored = {str(row["key"]): row for row in plain_rows(scores_ledger(home).query(_NEWEST))}
    models = {
        str(row["key"]): row["model_id"] for row in plain_rows(embeddings_ledger(home).query(_EMBEDDED))
    }
    timed = {str(row["key"]): row for row in plain_rows(step_times_ledger(home).query(_TIMED))}
    usable = embedding_models(home)
    now: dict[str, _Now] = {}
    registry, states, tasks = Registry.read(home), reference_states(home), find_tasks(home.root).tasks
    policies = deciding_policies(home, tasks)
    found = []
    for key, recording in registry.active().items():
        task_id = recording.task_id
        if task_id not in tasks:
            continue
        if task_id not in now:
            by = policies.get(task_id, GOLDS)
            by_golds = _by_golds(
                tasks[task_id],
                gold_inputs(home, tasks[task_id], registry=registry, models=usable),
                states.get(task_id),
                by,
            )
            now[task_id] = replace(by_golds, model=model_of(home, task_id))
        row = scored.get(key)
        reasons = _reasons(row, now[task_id], models.get(key), recording)
        reasons = reasons or _times_reason(row, timed.get(key))
        if reasons:
            embedded = models.get(key) == now[task_id].model
            found.append((key, task_id, PartitionKey.parse(key).video_id, *_told(reasons), embedded))
    return pd.DataFrame(found, columns=list(STALE_COLUMNS))


def outdated_by_golds(
    home: Home, tasks: Mapping[str, TaskSpec], inputs: Mapping[str, GoldInputs], registry: Registry
) -> dict[str, str]:
    """The tasks with scores that are out of date only because golds, their steps, the adopted policy, or
    what is known of a recording changed; each with a hash that stays the same as long as nothing else
    changes. ``inputs`` are those of the tasks (see `task_inputs`), of the same registry.

    Unlike `stale_scores` it does not ask a model who it is. Tasks with golds that wait to be embedded are
    left out: the run that does it comes first.
    """
    scored = {str(row["key"]): row for row in plain_rows(scores_ledger(home).query(_NEWEST))}
    states, policies = reference_states(home), deciding_policies(home, tasks)
    found: dict[str, str] = {}
    for task_id, its in inputs.items():
        if its.waiting:
            continue
        now = _by_golds(tasks[task_id], its, states.get(task_id), policies.get(task_id, GOLDS))
        stale = {
            key: sorted(reasons.items())
            for key, one in registry.active(task_id).items()
            if key in scored and (reasons := _reasons(scored[key], now, None, one))
        }
        outdated = {key: why for key, why in stale.items() if {name for name, _ in why} <= _BY_PEOPLE}
        if outdated:
            found[task_id] = canonical_sha256({"golds": its.fingerprint, "scores": outdated})[:16]
    return found


def outdated_by_task(
    home: Home,
    before: TaskSpec,
    after: TaskSpec,
    *,
    inputs: tuple[GoldInputs, GoldInputs],
    policies: tuple[str, str],
) -> OutdatedScores:
    """The scores that a change of a task's file would make out of date. ``before`` and ``after`` are the task
    as it is and as it would be, ``inputs`` and ``policies`` what would make and decide its scores by each.

    Asks as `outdated_by_golds` does, once for all that were scored alike; another embedder is another
    model.
    """
    state = reference_states(home).get(before.task_id)
    now, then = (
        _by_golds(task, its, state, policy)
        for task, its, policy in zip((before, after), inputs, policies, strict=True)
    )
    if after.embedder is not before.embedder:
        then = replace(then, model=after.embedder.value)
    scored = by_it = already = 0
    for row in _scored_alike(home, before.task_id):
        alike = int(str(row["alike"]))
        scored += alike
        if not row["as_known"] or _made_otherwise(row, now, None):
            already += alike
        elif _made_otherwise(row, then, None):
            by_it += alike
    return OutdatedScores(scored, by_it, already)


def _scored_alike(home: Home, task_id: str) -> list[_Row]:
    """What the scores of a task's active recordings were made by, a row for each way: ``alike`` counts them,
    ``as_known`` says whether their rows say what is known of their recordings now.
    """
    promoted = pd.DataFrame({"key": list(promoted_golds(home))}, dtype="string")
    ledgers = {"scores": scores_ledger(home), "videos": videos_ledger(home)}
    found = plain_rows(query_together(ledgers, _ALIKE, promoted=promoted))
    return [row for row in found if row["task_id"] == task_id]


_BY_PEOPLE: Final = frozenset({"reference", "policy", "recording"})
_ABOUT: Final = ("role", "person", "site", "camera", "session", "original_name")
_MADE_BY: Final = ("algorithm", "task_version", "task_fingerprint", "model_id", "reference_id", "decided_by")
_NEWEST: Final = f"select key, problem, {', '.join((*_MADE_BY, *_ABOUT))} from latest"  # noqa: S608 - constants
_ROLE: Final = "case when videos.key in (select key from promoted) then 'gold' else videos.role end"
_SAME: Final = " and ".join(
    f"scores.{name} is not distinct from {_ROLE if name == 'role' else f'videos.{name}'}" for name in _ABOUT
)
_ALIKE: Final = (
    f"select videos.task_id, {_SAME} as as_known, {', '.join(f'scores.{name}' for name in _MADE_BY)}, "  # noqa: S608 - constants
    "count(*) as alike from scores join videos on scores.key = videos.key "
    f"where videos.status = '{ACTIVE}' group by all"
)
_EMBEDDED: Final = "select key, model_id from latest"
_TIMED: Final = f"select key, {', '.join(MADE_BY)} from latest where number = 0"  # noqa: S608 - constants


def _by_golds(task: TaskSpec, inputs: GoldInputs, state: ReferenceState | None, policy: str) -> _Now:
    """What would make the scores of a task now, whatever its model is, by the limits of ``policy``."""
    known = state.reference_id if state is not None else None
    return _Now(
        algorithm=algorithm_version(),
        task=f"v{task.version} {task.fingerprint()[:12]}",
        model=None,
        reference=RENEWED if inputs.is_renewed(state) else known or "none",
        policy=policy,
    )


def _reasons(
    row: _Row | None, now: _Now, embedded_by: Cell, recording: Recording
) -> dict[str, tuple[str, str]]:
    """What the score was made with and what would make it now, by reason.

    A recording that was judged before its task had a reference has no model in its row; its embedding's
    counts then, so that it is not embedded again and again while there is none.
    """
    if row is None:
        return {"missing": ("", now.algorithm)}
    reasons = _made_otherwise(row, now, embedded_by)
    known = (_about(row), _about(recording_cells(recording)))
    return reasons if known[0] == known[1] else {**reasons, "recording": known}


def _made_otherwise(row: _Row, now: _Now, embedded_by: Cell) -> dict[str, tuple[str, str]]:
    """The same without what is known of the recording itself."""
    model = row["model_id"] or embedded_by or now.model
    pairs = {
        "algorithm": (str(row["algorithm"]), now.algorithm),
        "task": (f"v{row['task_version']} {str(row['task_fingerprint'])[:12]}", now.task),
        "model": (str(model), now.model or str(model)),
        "reference": (str(row["reference_id"] or "none"), now.reference),
        "policy": (row_source(row), now.policy),
    }
    return {why: pair for why, pair in pairs.items() if pair[0] != pair[1]}


def _times_reason(row: _Row | None, timed: _Row | None) -> dict[str, tuple[str, str]]:
    """That the step times of a recording were not made with its score; one without a result has none.

    Whatever else makes a score anew makes them too.
    """
    if row is None or row["problem"] is not None or row["reference_id"] is None:
        return {}
    made = {**row, "algorithm": f"{row['algorithm']}+{TIMES_VERSION}"}
    if timed is not None and all(timed[name] == made[name] for name in MADE_BY):
        return {}
    return {"times": ("none" if timed is None else str(timed["algorithm"]), str(made["algorithm"]))}


def _about(row: _Row) -> str:
    """Who and where, as a row says it."""
    return ", ".join(f"{name} {'unknown' if row[name] is None else row[name]}" for name in _ABOUT)


def _told(reasons: Mapping[str, tuple[str, str]]) -> tuple[str, str, str, str]:
    first, *others = sorted(reasons, key=REASONS.index)
    return first, ", ".join(others), *reasons[first]
