"""Which scores are out of date, and why: what made each against what would make it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.reference.ledger import ReferenceState, reference_states
from sopilot_assets.scoring.ledger import algorithm_version, recording_cells, scores_ledger
from sopilot_assets.stations.clip_embeddings import embeddings_ledger, task_embedder
from sopilot_assets.stations.gold_inputs import EmbeddingModels, embedding_models, gold_inputs
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.tasks import load_task

STALE_COLUMNS: Final = ("key", "task_id", "video_id", "why", "also", "scored_with", "current", "embedded")
REASONS: Final = ("missing", "algorithm", "task", "model", "reference", "recording")
"""Why a score is stale, the first that holds is the one named in ``why``."""
RENEWED: Final = "golds or steps.csv changed"
"""What stands for the reference that would be made now, as long as nobody made it."""

_Row = Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class _Now:
    """What would make the scores of a task now."""

    algorithm: str
    task: str
    model: str
    reference: str


def stale_scores(home: Home) -> pd.DataFrame:
    """The active recordings whose newest score was made by something older than what would make it now.

    Columns ``key``, ``task_id``, ``video_id``, ``why`` (missing, algorithm, task, model, reference, or
    recording: its person or place was corrected), ``also`` (the other reasons, comma-separated),
    ``scored_with``, ``current`` and ``embedded`` (whether its embedding is by the task's present model); one
    row a recording, ordered by key.
    """
    scored = {str(row["key"]): row for row in plain_rows(scores_ledger(home).query(_NEWEST))}
    models = {
        str(row["key"]): row["model_id"] for row in plain_rows(embeddings_ledger(home).query(_EMBEDDED))
    }
    usable = embedding_models(home)
    now: dict[str, _Now] = {}
    registry, states = Registry.read(home), reference_states(home)
    found = []
    for key, recording in registry.active().items():
        task_id = recording.task_id
        if task_id not in now:
            now[task_id] = _current(home, task_id, registry, usable, states.get(task_id))
        reasons = _reasons(scored.get(key), now[task_id], models.get(key), recording)
        if reasons:
            embedded = models.get(key) == now[task_id].model
            found.append((key, task_id, PartitionKey.parse(key).video_id, *_told(reasons), embedded))
    return pd.DataFrame(found, columns=list(STALE_COLUMNS))


_ABOUT: Final = ("role", "person", "site", "camera", "session", "original_name")
_MADE_BY: Final = ("algorithm", "task_version", "task_fingerprint", "model_id", "reference_id")
_NEWEST: Final = f"select key, {', '.join((*_MADE_BY, *_ABOUT))} from latest"  # noqa: S608 - constants
_EMBEDDED: Final = "select key, model_id from latest"


def _current(
    home: Home, task_id: str, registry: Registry, models: EmbeddingModels, state: ReferenceState | None
) -> _Now:
    task = load_task(home.tasks / f"{task_id}.yaml")
    renewed = gold_inputs(home, task, registry=registry, models=models).is_renewed(state)
    known = state.reference_id if state is not None else None
    return _Now(
        algorithm=algorithm_version(),
        task=f"v{task.version} {task.fingerprint()[:12]}",
        model=task_embedder(home, task_id).model_id,
        reference=RENEWED if renewed else known or "none",
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
    model = row["model_id"] or embedded_by or now.model
    pairs = {
        "algorithm": (str(row["algorithm"]), now.algorithm),
        "task": (f"v{row['task_version']} {str(row['task_fingerprint'])[:12]}", now.task),
        "model": (str(model), now.model),
        "reference": (str(row["reference_id"] or "none"), now.reference),
        "recording": (_about(row), _about(recording_cells(recording))),
    }
    return {why: pair for why, pair in pairs.items() if pair[0] != pair[1]}


def _about(row: _Row) -> str:
    """Who and where, as a row says it."""
    return ", ".join(f"{name} {'unknown' if row[name] is None else row[name]}" for name in _ABOUT)


def _told(reasons: Mapping[str, tuple[str, str]]) -> tuple[str, str, str, str]:
    first, *others = sorted(reasons, key=REASONS.index)
    return first, ", ".join(others), *reasons[first]
