"""Which scores are out of date, and why: what made each against what would make it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from sopilot_assets.capture.registry import active_keys
from sopilot_assets.reference.ledger import references_ledger
from sopilot_assets.scoring.ledger import algorithm_version, scores_ledger
from sopilot_assets.stations.clip_embeddings import embeddings_ledger, task_model_id
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.tasks import load_task

STALE_COLUMNS: Final = ("key", "task_id", "video_id", "why", "also", "scored_with", "current", "embedded")
REASONS: Final = ("missing", "algorithm", "task", "model", "reference")
"""Why a score is stale, the first that holds is the one named in ``why``."""

_Row = Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class _Now:
    """What would make the scores of a task now."""

    algorithm: str
    task: str
    model: str
    reference: str | None


def stale_scores(home: Home) -> pd.DataFrame:
    """The active recordings whose newest score was made by something older than what would make it now.

    Columns ``key``, ``task_id``, ``video_id``, ``why`` (missing, algorithm, task, model or reference),
    ``also`` (the other reasons, comma-separated), ``scored_with``, ``current`` and ``embedded`` (whether
    its embedding is by the task's present model); one row a recording, ordered by key.
    """
    scored = {str(row["key"]): row for row in plain_rows(scores_ledger(home).query(_NEWEST))}
    models = {
        str(row["key"]): row["model_id"] for row in plain_rows(embeddings_ledger(home).query(_EMBEDDED))
    }
    now: dict[str, _Now] = {}
    references = {
        str(row["task_id"]): str(row["reference_id"])
        for row in plain_rows(references_ledger(home).query(_BUILT))
    }
    found = []
    for key, task_id in active_keys(home).items():
        if task_id not in now:
            now[task_id] = _current(home, task_id, references.get(task_id))
        reasons = _reasons(scored.get(key), now[task_id], models.get(key))
        if reasons:
            embedded = models.get(key) == now[task_id].model
            found.append((key, task_id, PartitionKey.parse(key).video_id, *_told(reasons), embedded))
    return pd.DataFrame(found, columns=list(STALE_COLUMNS))


_NEWEST: Final = "select key, algorithm, task_version, task_fingerprint, model_id, reference_id from latest"
_EMBEDDED: Final = "select key, model_id from latest"
_BUILT: Final = "select task_id, reference_id from latest"


def _current(home: Home, task_id: str, reference_id: str | None) -> _Now:
    task = load_task(home.tasks / f"{task_id}.yaml")
    return _Now(
        algorithm=algorithm_version(),
        task=f"v{task.version} {task.fingerprint()[:12]}",
        model=task_model_id(home, task_id),
        reference=reference_id,
    )


def _reasons(row: _Row | None, now: _Now, embedded_by: Cell) -> dict[str, tuple[str, str]]:
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
        "reference": (str(row["reference_id"] or "none"), now.reference or "none"),
    }
    return {why: pair for why, pair in pairs.items() if pair[0] != pair[1]}


def _told(reasons: Mapping[str, tuple[str, str]]) -> tuple[str, str, str, str]:
    first, *others = sorted(reasons, key=REASONS.index)
    return first, ", ".join(others), *reasons[first]
