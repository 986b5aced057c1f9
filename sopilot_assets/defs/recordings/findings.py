"""What is wrong with a home, found in its ledgers: one function a question, each cheap enough to ask with
every batch.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from sopilot_assets.capture.ledgers import quarantine_ledger, videos_ledger
from sopilot_assets.capture.registry import active_keys, active_recordings
from sopilot_assets.embedding.clips import load_embedding
from sopilot_assets.errors import ModelError
from sopilot_assets.reference.ledger import references_ledger
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.stations.key_ranges import contiguous_ranges
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.store.publish import file_sha256, local_path
from sopilot_assets.store.shared import names_in_store
from sopilot_assets.tasks import find_tasks

SAMPLE: Final = 5
"""Files that are read again each time; the choice changes with the seed."""
RECENT: Final = 100
FEWEST: Final = 2
"""Golds, and persons among them, below which a task's false alarms cannot be told from its deviations."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The answer to one question: ``problems`` are rows with the same columns, none when all is well;
    ``facts`` are figures to follow over time.
    """

    problems: Sequence[Mapping[str, Cell]] = ()
    facts: Mapping[str, int | float | str] = field(default_factory=dict)


def damaged_files(home: Home, *, seed: str) -> Findings:
    """Active recordings whose stored file is gone, or, among a few that ``seed`` chooses, does not have the
    bytes that its name says.
    """
    entries = active_recordings(home)
    folder = local_path(home.videos)
    away = {key: entry for key, entry in entries.items() if not (folder / entry.stored_name).exists()}
    kept = names_in_store(folder) if away else set()
    gone = {key: entry for key, entry in away.items() if entry.stored_name not in kept}
    present = _sample([key for key in entries if key not in away], seed)
    changed = {
        key: entry
        for key, entry in entries.items()
        if key in present and file_sha256(folder / entry.stored_name) != entry.sha256
    }
    return Findings(
        [
            {"key": key, "problem": problem, "file": entry.stored_name}
            for problem, found in (("the file is gone", gone), ("the bytes changed", changed))
            for key, entry in found.items()
        ],
        {"recordings": len(entries), "read_again": len(present)},
    )


def quarantined_lately(home: Home, *, most: float) -> Findings:
    """The refused ones among the last 100 files that intake decided, when they are more than the share
    ``most``.
    """
    decided = pd.concat(
        [
            videos_ledger(home).query("select written_at, null as file, null as reason from all_rows"),
            quarantine_ledger(home).query("select written_at, capture_path as file, reason from all_rows"),
        ]
    )
    recent = decided.sort_values("written_at", kind="stable").tail(RECENT)
    refused = recent[recent["reason"].notna()]
    share = len(refused) / max(1, len(recent))
    rows = _rows(refused[["file", "reason"]])
    return Findings(
        rows if share > most else (), {"quarantined_share": round(share, 4), "files": len(recent)}
    )


def mixed_models(home: Home) -> Findings:
    """Tasks whose recordings were embedded by different models, which cannot be compared."""
    frame = embeddings_ledger(home).query("select key, model_id from latest where problem is null")
    frame["task_id"] = [PartitionKey.parse(key).task_id for key in frame["key"]]
    counts = frame.groupby(["task_id", "model_id"]).size().reset_index(name="recordings")
    rows = _rows(counts[counts.duplicated("task_id", keep=False)])
    return Findings(rows, {"embeddings": len(frame), "models": int(frame["model_id"].nunique())})


def unusable_embeddings(home: Home, *, seed: str) -> Findings:
    """Among a few embeddings that ``seed`` chooses, those that cannot be read or hold anything but finite
    numbers.
    """
    frame = embeddings_ledger(home).query(
        "select key, model_id from latest where problem is null order by key"
    )
    models = dict(zip(frame["key"], frame["model_id"], strict=True))
    chosen = _sample(list(models), seed)
    found = {key: _embedding_fault(home, models[key], key) for key in chosen}
    rows = [{"key": key, "problem": fault} for key, fault in found.items() if fault]
    return Findings(rows, {"read_again": len(chosen)})


def thin_references(home: Home) -> Findings:
    """Tasks with recordings whose reference is missing, or made from too few golds or persons."""
    recorded = set(active_keys(home).values())
    known = {str(row["task_id"]): row for row in _rows(references_ledger(home).latest())}
    none: Mapping[str, Cell] = {"golds": 0, "persons": 0}
    rows = [
        {"task_id": task_id, "golds": row["golds"], "persons": row["persons"], "needed": FEWEST}
        for task_id in sorted(recorded)
        if min(int((row := known.get(task_id, none))[name] or 0) for name in ("golds", "persons")) < FEWEST
    ]
    return Findings(rows, {"tasks": len(recorded)})


def unconfirmed_references(home: Home) -> Findings:
    """Tasks some of whose golds have proposed steps instead of annotated ones."""
    rows = _rows(
        references_ledger(home).query("select task_id, reference_id from latest where not confirmed")
    )
    steps = [{**row, "annotate_in": f"capture/{row['task_id']}/gold/steps.csv"} for row in rows]
    return Findings(steps, {"unconfirmed_tasks": len(steps)})


def recordings_without_row(home: Home) -> Findings:
    """Active recordings without a row in the scores ledger, not even one that says why there is no score."""
    active = set(active_keys(home))
    judged = set(scores_ledger(home).query("select key from latest")["key"])
    rows = [{"key": key} for key in sorted(active - judged)]
    return Findings(rows, {"recordings": len(active), "without_row": len(rows)})


def outdated_scores(home: Home, registered: Sequence[str]) -> Findings:
    """Recordings whose newest row was not made by what would make it now, with the reason;
    ``stale_ranges`` names them as ranges of ``registered``.
    """
    frame = stale_scores(home)
    rows = _rows(frame[["key", "why", "scored_with", "current"]])
    reasons = {f"stale_{why}": count for why, count in sorted(Counter(frame["why"]).items())}
    ranges = ", ".join(str(keys) for keys in contiguous_ranges(registered, frame["key"]))
    return Findings(rows, {"stale": len(rows), **reasons, **({"stale_ranges": ranges} if ranges else {})})


def failing_golds(home: Home) -> Findings:
    """Golds that do not reach their task's pass score when they are judged by the other golds.

    The lowest of them is the noise floor: what the score does on recordings that are right.
    """
    tasks = find_tasks(home.root).tasks
    frame = scores_ledger(home).query(
        "select key, task_id, original_name as file, round(score, 2) as score from latest "
        "where role = 'gold' and score is not null order by key"
    )
    frame["pass_score"] = [tasks[task].pass_score if task in tasks else 0.0 for task in frame["task_id"]]
    floor = {"noise_floor": float(frame["score"].min())} if len(frame) else {}
    return Findings(_rows(frame[frame["score"] < frame["pass_score"]]), {"golds": len(frame), **floor})


def _rows(frame: pd.DataFrame) -> list[dict[str, Cell]]:
    """The rows of a frame as plain values, a missing one as None."""
    plain: list[dict[str, Cell]] = json.loads(frame.to_json(orient="records"))
    return plain


def _sample(keys: Sequence[str], seed: str) -> set[str]:
    return set(sorted(keys, key=lambda key: hashlib.sha256(f"{seed} {key}".encode()).digest())[:SAMPLE])


def _embedding_fault(home: Home, model_id: str, key: str) -> str | None:
    try:
        embedding = load_embedding(home.embedding(model_id, PartitionKey.parse(key).video_id))
    except ModelError as error:
        return str(error)
    bad = [name for name, block in embedding.blocks.items() if not np.isfinite(block).all()]
    return f"not finite: {', '.join(bad)}" if bad else None
