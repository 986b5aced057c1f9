"""The recordings of a task as raters get to see them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sopilot_assets.capture.ledgers import Registry
from sopilot_assets.errors import LabelError
from sopilot_assets.labels.events import Seen
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path


@dataclass(frozen=True, slots=True)
class RecordingToLabel:
    """A recording to be labelled, and what the product says of it.

    ``video`` and ``page`` are paths below the home folder. The video lies there under its content hash, so
    its path gives nothing away; its original ``name`` may. ``score`` is None where there is none.
    """

    key: str
    name: str
    video: str
    page: str = ""
    decision: str = ""
    score: float | None = None
    findings: tuple[Seen, ...] = ()


def recordings_to_label(home: Home, task_id: str) -> list[RecordingToLabel]:
    """The trainee recordings of a task by key, with their newest scores.

    The keys are hashes of content, so their order says nothing about what is to be seen.
    """
    entries = {
        entry.key: entry
        for entry in Registry.read(home).entries.values()
        if (entry.task_id, entry.role) == (task_id, "trainee")
    }
    scores = {str(row["key"]): row for row in scores_ledger(home).latest().to_dict("records")}
    return [
        RecordingToLabel(
            key=key,
            name=str(entries[key].row["original_name"]),
            video=f"{home.videos.name}/{entries[key].stored_name}",
            page=_page(home, key),
            **_scored(scores.get(key)),
        )
        for key in sorted(entries)
    ]


def resolve(name: str, recordings: Mapping[str, RecordingToLabel]) -> str:
    """The key of the recording called ``name``: its key, video id or file name.

    Raises ``LabelError`` where there is none, or where several have this file name.
    """
    if name in recordings:
        return name
    found = sorted(one.key for one in recordings.values() if name in (one.key.rpartition("-")[2], one.name))
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} recordings called so, {', '.join(found)}" if found else "none called so"
    raise LabelError(f"expected the key, video id or file name of one recording, found {what}: {name!r}")


def by_key(
    recordings: Iterable[RecordingToLabel], more_keys: Iterable[str] = ()
) -> dict[str, RecordingToLabel]:
    """The recordings by key; ``more_keys`` are known by their key alone, such as imported jobs."""
    bare = {key: RecordingToLabel(key=key, name="", video="") for key in more_keys}
    return bare | {one.key: one for one in recordings}


def _page(home: Home, key: str) -> str:
    path = home.review(key)
    return f"{home.reviews.name}/{path.name}" if local_path(path).exists() else ""


def _scored(row: Mapping[Any, Any] | None) -> dict[str, Any]:
    if row is None:
        return {}
    score = row["score"]
    return {
        "decision": str(row["decision"] or ""),
        "score": None if score is None or math.isnan(score) else float(score),
        "findings": tuple(
            Seen.model_validate({"type": one["type"], "steps": one["steps"]})
            for one in json.loads(row["deviations"] or "[]")
        ),
    }
