"""Which scores are out of date, and why: what made each against what would make it now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd

from sopilot_assets.capture.ledgers import ACTIVE, videos_ledger
from sopilot_assets.capture.promotions import promoted_golds
from sopilot_assets.capture.registry import Registry
from sopilot_assets.reference.ledger import ReferenceState, reference_states
from sopilot_assets.scoring.ledger import algorithm_version, recording_cells, row_source, scores_ledger
from sopilot_assets.scoring.limits import GOLDS
from sopilot_assets.stations.adoptions import deciding_policies
from sopilot_assets.stations.clip_embeddings import embeddings_ledger, task_model_id, task_model_if_made
from sopilot_assets.stations.gold_inputs import (
    GoldInputs,
    embedding_models,
    gold_inputs,
    unshown_steps,
)
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, plain_rows, query_together
from sopilot_assets.tasks import TaskSpec, find_tasks
from sopilot_assets.tasks.spec import canonical_sha256
from sopilot_assets.times.ledger import FIRST_PLACE, MADE_BY, TIMES_VERSION, step_times_ledger

STALE_COLUMNS: Final = ("key", "task_id", "video_id", "why", "also", "scored_with", "current", "embedded")
REASONS: Final = ("missing", "algorithm", "task", "model", "reference", "policy", "recording", "times")
"""Why a score is stale, the first that holds is the one named in ``why``."""
RENEWED: Final = "golds or steps.csv changed"
"""What stands for the reference that would be made now, as long as nobody made it."""

_Row = Mapping[str, Cell]
_Reasons = dict[str, tuple[str, str]]


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
    and no score counts as stale for a model that was never made. Recordings whose scores were made alike are
    judged together: rows are read of stale ones only.
    """
    model_of = task_model_id if make_models else task_model_if_made
    tasks, states = find_tasks(home.root).tasks, reference_states(home)
    policies, registry = deciding_policies(home, tasks), Registry.read_golds(home)
    models = embedding_models(home, list(registry.active()))
    now: dict[str, _Now] = {}
    found = []
    for alike in _made_alike(home, with_times=True):
        task_id = alike.task_id
        if task_id not in tasks:
            continue
        if task_id not in now:
            by = policies.get(task_id, GOLDS)
            inputs = gold_inputs(home, tasks[task_id], registry=registry, models=models)
            by_golds = _by_golds(tasks[task_id], inputs, states.get(task_id), by)
            now[task_id] = replace(by_golds, model=model_of(home, task_id))
        embedded = alike.embedded_by == now[task_id].model
        for key, reasons in _reasons_of_each(home, alike, now[task_id]):
            found.append((key, task_id, PartitionKey.parse(key).video_id, *_told(reasons), embedded))
    return pd.DataFrame(sorted(found), columns=list(STALE_COLUMNS))


def outdated_by_golds(
    home: Home, tasks: Mapping[str, TaskSpec], inputs: Mapping[str, GoldInputs]
) -> dict[str, str]:
    """The tasks with scores that are out of date only because golds, their steps, the adopted policy, or
    what is known of a recording changed; each with a hash that stays the same as long as nothing else
    changes. ``inputs`` are those of the tasks (see `task_inputs`). A task that changed counts, too, where
    that makes its reference anew and its golds show all of its steps.

    Unlike `stale_scores` it does not ask a model who it is. Tasks with golds that wait to be embedded are
    left out: the run that does it comes first.
    """
    states, policies = reference_states(home), deciding_policies(home, tasks)
    outdated: dict[str, dict[str, list[tuple[str, tuple[str, str]]]]] = {}
    for alike in _made_alike(home, with_times=False):
        its = inputs.get(alike.task_id)
        if its is None or its.waiting or alike.row is None:
            continue
        task, by = tasks[alike.task_id], policies.get(alike.task_id, GOLDS)
        now = _by_golds(task, its, states.get(alike.task_id), by)
        rebuilt = _BY_PEOPLE | (set() if unshown_steps(task, its) else {"task"})
        for key, reasons in _reasons_of_each(home, alike, now):
            if reasons.keys() <= _BY_PEOPLE or ("reference" in reasons and reasons.keys() <= rebuilt):
                outdated.setdefault(alike.task_id, {})[key] = sorted(reasons.items())
    return {
        task_id: canonical_sha256(
            {"golds": its.fingerprint, "scores": dict(sorted(outdated[task_id].items()))}
        )[:16]
        for task_id, its in inputs.items()
        if task_id in outdated
    }


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
    for alike in _made_alike(home, with_times=False):
        if alike.task_id != before.task_id or alike.row is None:
            continue
        scored += len(alike.keys)
        if not alike.as_known or _made_otherwise(alike.row, now, None):
            already += len(alike.keys)
        elif _made_otherwise(alike.row, then, None):
            by_it += len(alike.keys)
    return OutdatedScores(scored, by_it, already)


@dataclass(frozen=True, slots=True)
class _Alike:
    """Active recordings of a task, by ``keys``, whose newest scores were made by the same: ``row`` says by
    what, and is None where they have none; ``timed`` the same of their step times.

    ``as_known`` says whether the scores' rows say what is known of the recordings now, ``embedded_by`` is
    the model of their embeddings; that and ``timed`` are None where they were not asked for, too.
    """

    task_id: str
    keys: tuple[str, ...]
    row: _Row | None
    as_known: bool
    embedded_by: Cell
    timed: _Row | None


def _made_alike(home: Home, *, with_times: bool) -> list[_Alike]:
    """The active recordings, those together that were made alike; ``with_times`` asks for their embeddings
    and step times, too.
    """
    promoted = pd.DataFrame({"key": list(promoted_golds(home))}, dtype="string")
    ledgers = {"scores": scores_ledger(home), "videos": videos_ledger(home)}
    if with_times:
        ledgers |= {"embeddings": embeddings_ledger(home), "step_times": step_times_ledger(home)}
    found = query_together(ledgers, _ALIKE_WITH_TIMES if with_times else _ALIKE, promoted=promoted)
    keys = found.pop("keys")
    return [_alike(row, tuple(its)) for row, its in zip(plain_rows(found), keys, strict=True)]


def _alike(row: _Row, keys: tuple[str, ...]) -> _Alike:
    timed = {name: row.get(f"timed_{name}") for name in MADE_BY}
    return _Alike(
        task_id=str(row["task_id"]),
        keys=keys,
        row=row if row["is_scored"] else None,
        as_known=bool(row["as_known"]),
        embedded_by=row.get("embedded_by"),
        timed=timed if row.get("is_timed") else None,
    )


def _reasons_of_each(home: Home, alike: _Alike, now: _Now) -> Iterator[tuple[str, _Reasons]]:
    """The keys of those that are out of date, and what their scores were made with and what would make them
    now, by reason.
    """
    shared = _reasons(alike, now)
    known: Mapping[str, tuple[str, str]] = {}
    if alike.row is not None and not alike.as_known:
        known = _otherwise_known(home, alike.keys)
    if not (shared or known):
        shared = _times_reason(alike)
    for key in alike.keys if shared or known else ():
        reasons = {**shared, "recording": known[key]} if key in known else shared or _times_reason(alike)
        if reasons:
            yield key, reasons


def _otherwise_known(home: Home, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Who and where by the row of its score, and as is known now, of recordings of which that differs."""
    named = pd.DataFrame({"key": list(keys)}, dtype="string")
    rows = plain_rows(scores_ledger(home).query(_KNOWN, named=named))
    registered = Registry.read_those(home, keys)
    pairs = {
        str(row["key"]): (
            _about(row),
            _about(recording_cells(registered[PartitionKey.parse(str(row["key"]))])),
        )
        for row in rows
    }
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


_BY_PEOPLE: Final = frozenset({"reference", "policy", "recording"})
_ABOUT: Final = ("role", "person", "site", "camera", "session", "original_name")
_MADE_BY: Final = ("algorithm", "task_version", "task_fingerprint", "model_id", "reference_id", "decided_by")
_KNOWN: Final = f"select key, {', '.join(_ABOUT)} from latest where key in (select key from named)"  # noqa: S608 - constants
_ROLE: Final = "case when videos.key in (select key from promoted) then 'gold' else videos.role end"
_SAME: Final = " and ".join(
    f"scores.{name} is not distinct from {_ROLE if name == 'role' else f'videos.{name}'}" for name in _ABOUT
)
_SCORED: Final = (
    f"select videos.task_id, scores.key is not null as is_scored, {_SAME} as as_known, "
    # as text: a column of numbers some of which are missing comes back as fractions
    f"{', '.join(f'cast(scores.{name} as varchar) as {name}' for name in _MADE_BY)}, "
    "list(videos.key order by videos.key) as keys"
)
_ACTIVE: Final = "from videos left join scores on scores.key = videos.key"
_GROUPED: Final = f"where videos.status = '{ACTIVE}' group by all"
_ALIKE: Final = f"{_SCORED} {_ACTIVE} {_GROUPED}"
_ALIKE_WITH_TIMES: Final = (
    f"{_SCORED}, scores.problem is null as has_result, "  # noqa: S608 - constants
    "case when embeddings.key is not null then coalesce(embeddings.model_id, 'none') end as embedded_by, "
    f"timed.key is not null as is_timed, {', '.join(f'timed.{name} as timed_{name}' for name in MADE_BY)} "
    f"{_ACTIVE} left join embeddings on embeddings.key = videos.key "
    # asked of places alone, so that no other rows are sorted by time
    f"left join (select * from step_times where place like '%/{FIRST_PLACE}') as timed "
    f"on timed.key = videos.key {_GROUPED}"
)


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


def _reasons(alike: _Alike, now: _Now) -> _Reasons:
    """What scores were made with and what would make them now, by reason, without what is known of the
    recordings.

    A recording that was judged before its task had a reference has no model in its row; its embedding's
    counts then, so that it is not embedded again and again while there is none. Where the model was missing
    when it should have been embedded, that was by ``none``.
    """
    if alike.row is None:
        return {"missing": ("", now.algorithm)}
    return _made_otherwise(alike.row, now, alike.embedded_by)


def _made_otherwise(row: _Row, now: _Now, embedded_by: Cell) -> _Reasons:
    """The same of scores that are there, by what made them."""
    model = row["model_id"] or embedded_by or now.model
    pairs = {
        "algorithm": (str(row["algorithm"]), now.algorithm),
        "task": (f"v{row['task_version']} {str(row['task_fingerprint'])[:12]}", now.task),
        "model": (str(model), now.model or str(model)),
        "reference": (str(row["reference_id"] or "none"), now.reference),
        "policy": (row_source(row), now.policy),
    }
    return {why: pair for why, pair in pairs.items() if pair[0] != pair[1]}


def _times_reason(alike: _Alike) -> _Reasons:
    """That the step times of recordings were not made with their scores; those without a result have none.

    Whatever else makes a score anew makes them too.
    """
    row, timed = alike.row, alike.timed
    if row is None or not row.get("has_result") or row["reference_id"] is None:
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
