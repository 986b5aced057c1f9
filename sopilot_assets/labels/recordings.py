"""The recordings of a task as raters get to see them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sopilot_assets.capture.registry import Registry
from sopilot_assets.labels.events import Seen
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Row, plain_rows


@dataclass(frozen=True, slots=True)
class RecordingToLabel:
    """A recording to be labeled, and what the product says of it.

    ``video`` and ``page`` are paths below the home folder. The video lies there under its content hash, so
    its path gives nothing away; its original ``name`` may. ``score`` is None where there is none;
    ``promoted`` recordings are golds by now.
    """

    key: str
    name: str
    video: str
    page: str = ""
    decision: str = ""
    score: float | None = None
    findings: tuple[Seen, ...] = ()
    promoted: bool = False


def recordings_to_label(home: Home, task_id: str, *, with_promoted: bool = False) -> list[RecordingToLabel]:
    """The trainee recordings of a task by key, with their newest scores; promoted ones only where asked for:
    they are golds, but a label that says otherwise is still taken.

    The keys are hashes of content, so their order says nothing about what is to be seen.
    """
    active = Registry.read(home).active(task_id)
    taken = {"trainee"} | ({"gold"} if with_promoted else set())
    trainees = {key: one for key, one in active.items() if one.role in taken and one.key.role == "trainee"}
    scores = {str(row["key"]): row for row in plain_rows(scores_ledger(home).latest())}
    return [
        RecordingToLabel(
            key=key,
            name=one.original_name,
            video=f"{home.videos.name}/{one.stored_name}",
            promoted=one.promotion is not None,
            **_scored(home, scores.get(key)),
        )
        for key, one in sorted(trainees.items())
    ]


def by_key(
    recordings: Iterable[RecordingToLabel], more_keys: Iterable[str] = ()
) -> dict[str, RecordingToLabel]:
    """The recordings by key; ``more_keys`` are known by their key alone, such as imported jobs."""
    bare = {key: RecordingToLabel(key=key, name="", video="") for key in more_keys}
    return bare | {one.key: one for one in recordings}


def _scored(home: Home, row: Row | None) -> dict[str, Any]:
    if row is None:
        return {}
    page = home.review(str(row["key"])).name
    return {
        "page": "" if row["problem"] is not None else f"{home.reviews.name}/{page}",
        "decision": str(row["decision"] or ""),
        "score": row["score"],
        "findings": tuple(
            Seen.model_validate({"type": one["type"], "steps": one["steps"]})
            for one in json.loads(str(row["deviations"] or "[]"))
        ),
    }
