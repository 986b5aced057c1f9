"""Recordings: what waits in the capture folder, stored files, refused files, embeddings."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np
import pandas as pd

from sopilot_assets.capture.erasures import erasures, removed_videos
from sopilot_assets.capture.ledgers import quarantine_ledger, videos_ledger
from sopilot_assets.capture.scan import Scan, scan_capture
from sopilot_assets.embedding.clips import load_embedding
from sopilot_assets.errors import ModelError
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.store.publish import file_sha256, local_path
from sopilot_assets.store.shared import names_in_store
from sopilot_assets.upkeep.conditions.condition import Answer, Condition, Fine, found, problem, warning
from sopilot_assets.upkeep.conditions.situation import Situation

STUCK: Final = "stuck files"


def capture_folder(asked: Situation) -> Answer:
    """Dropped files that nobody took in."""
    scan, limit = _scan(asked), asked.settings.limits.dropped_minutes
    waiting = sorted(scan.candidates, key=lambda one: one.state.mtime_ns)
    old = [one for one in waiting if asked.now.timestamp() - one.state.mtime_ns / 1e9 > limit * 60]
    told: list[Condition | Fine] = []
    if old:
        what = f"{len(old)} of {len(waiting)} files wait for more than {limit:g} minutes"
        what += f", e.g. {old[0].relative}"
        told.append(warning("capture folder", "waiting", what, "make dev, or sopilot capture register"))
    else:
        told.append(Fine("capture folder", "waiting", f"{len(waiting)} files wait" if waiting else "empty"))
    alone = [(one.relative, one.why) for one in scan.skipped if not one.usual]
    alone += [(one.relative, "a sidecar without its recording") for one in scan.sidecars]
    if alone:
        name, why = alone[0]
        what = f"{len(alone)} entries are left alone, e.g. {name}: {why}"
        told.append(warning("capture folder", "left alone", what, "sopilot capture register lists them"))
    return Answer(tuple(told))


def stuck_files(asked: Situation) -> Answer:
    """Dropped files that this account may not read, or may not remove after they were taken in."""
    scan = _scan(asked)
    unread = [one.relative for one in scan.candidates if not os.access(one.path, os.R_OK)]
    stuck = [f"{note.relative}: {note.problem}" for _, note in scan.taken if note.problem is not None]
    told: list[Condition | Fine] = []
    if unread:
        what = f"{len(unread)} files cannot be read, e.g. {unread[0]}"
        told.append(warning(STUCK, "not read", what, "let the account that runs this read them"))
    if stuck:
        what = f"{len(stuck)} files were taken in, but cannot be removed, e.g. {stuck[0]}"
        action = (
            "remove them as the user who put them there, or let the account that runs this write into their "
            "folder (no sticky bit, or the same owner); they are not taken in again"
        )
        told.append(warning(STUCK, "not removed", what, action))
    return Answer(tuple(told or [Fine(STUCK, "", "none")]))


def _scan(asked: Situation) -> Scan:
    return scan_capture(asked.home, task_ids=set(asked.tasks.tasks), unusable_ids=set(asked.tasks.refused))


def stored_files(asked: Situation) -> Answer:
    """Recordings whose stored file is gone, or, among a few that are read again, does not have the bytes
    that its name says.
    """
    folder, recordings = local_path(asked.home.videos), asked.recordings
    over = removed_videos(erasures(asked.home))
    stored = {key: str(row["stored_name"]) for key, row in recordings.items() if key not in over}
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    away = {key for key, name in stored.items() if name not in there}
    kept = names_in_store(folder) if away else set()
    gone = sorted(key for key in away if stored[key] not in kept)
    again = _sample(asked, sorted(set(stored) - away))
    changed = [key for key in again if file_sha256(folder / stored[key]) != recordings[key]["sha256"]]
    rows: list[Mapping[str, Cell]] = [
        {"key": key, "problem": why, "file": stored[key]}
        for why, keys in (("the file is gone", gone), ("the bytes changed", changed))
        for key in keys
    ]
    return found(
        _lost(gone, changed),
        Fine("videos", "", _all_there(len(stored), len(set(recordings) & set(over)))),
        rows=rows,
        figures={"recordings": len(stored), "read_again": len(again)},
    )


def _all_there(stored: int, over: int) -> str:
    told = f"{stored} recordings, all files there"
    return f"{told}; of {over} more the video was removed after its time" if over else told


def _lost(gone: list[str], changed: list[str]) -> Iterator[Condition]:
    action = "restore them from a backup, or drop the recordings again"
    if gone:
        yield problem("videos", "gone", f"{len(gone)} stored videos are gone, e.g. of {gone[0]}", action)
    if changed:
        what = f"{len(changed)} stored videos have other bytes than were taken in, e.g. of {changed[0]}"
        yield problem("videos", "changed", what, action)


def few_refused(asked: Situation) -> Answer:
    """Whether many of the last files that intake decided were refused."""
    limits = asked.settings.limits
    decided = pd.concat(
        [
            videos_ledger(asked.home).query(
                "select min(written_at) as written_at, null as file, null as reason "
                "from all_rows group by key"
            ),
            quarantine_ledger(asked.home).query(
                "select written_at, capture_path as file, reason from all_rows"
            ),
        ]
    )
    recent = decided.sort_values("written_at", kind="stable").tail(limits.refused_of_last)
    refused = recent[recent["reason"].notna()]
    share = len(refused) / max(1, len(recent))
    shown = ", ".join(f"{count} {reason}" for reason, count in Counter(refused["reason"]).most_common())
    many = share > limits.refused_share
    what = f"{share:.0%} of the last {len(recent)} files were refused: {shown}"
    few = f"of the last {len(recent)} files: {shown}" if shown else "no file was refused"
    return found(
        [warning("quarantine", "", what, "sopilot recording list --refused")] if many else [],
        Fine("quarantine", "", few),
        rows=plain_rows(refused[["file", "reason"]]) if many else (),
        figures={"quarantined_share": round(share, 4), "files": len(recent)},
    )


def one_model_a_task(asked: Situation) -> Answer:
    """Tasks whose recordings were embedded by different models, which cannot be compared."""
    frame = embeddings_ledger(asked.home).query("select key, model_id from latest where problem is null")
    frame["task_id"] = [PartitionKey.parse(key).task_id for key in frame["key"]]
    counts = frame.groupby(["task_id", "model_id"]).size().reset_index(name="recordings")
    rows = plain_rows(counts[counts.duplicated("task_id", keep=False)])
    mixed = sorted({str(row["task_id"]) for row in rows})
    action = "sopilot score run --stale embeds them again by the model of the task"
    return found(
        (warning("one_model", one, f"{one}: embedded by several models", action) for one in mixed),
        Fine("one_model", "", "one for each task"),
        rows=rows,
        figures={"embeddings": len(frame), "models": int(frame["model_id"].nunique())},
    )


def embeddings_finite(asked: Situation) -> Answer:
    """Among a few embeddings that are read again, those that cannot be read or hold anything but finite
    numbers.
    """
    frame = embeddings_ledger(asked.home).query(
        "select key, model_id from latest where problem is null order by key"
    )
    models = dict(zip(frame["key"], frame["model_id"], strict=True))
    chosen = _sample(asked, models)
    faults = {key: _embedding_fault(asked.home, models[key], key) for key in chosen}
    rows: list[Mapping[str, Cell]] = [
        {"key": key, "problem": fault} for key, fault in faults.items() if fault
    ]
    action = "restore embeddings/ from a backup, or delete the file and run sopilot score run --stale"
    return found(
        (problem("embeddings", str(row["key"]), f"{row['key']}: {row['problem']}", action) for row in rows),
        Fine("embeddings", "", f"{len(chosen)} read again, all finite"),
        rows=rows,
        figures={"read_again": len(chosen)},
    )


def _sample(asked: Situation, keys: Iterable[str]) -> list[str]:
    """The few keys whose files are read again; which ones changes with the seed."""
    by_seed = sorted(keys, key=lambda key: hashlib.sha256(f"{asked.seed} {key}".encode()).digest())
    return sorted(by_seed[: asked.settings.limits.files_read_again])


def _embedding_fault(home: Home, model_id: str, key: str) -> str | None:
    try:
        embedding = load_embedding(home.embedding(model_id, PartitionKey.parse(key).video_id))
    except ModelError as error:
        return str(error)
    bad = [name for name, block in embedding.blocks.items() if not np.isfinite(block).all()]
    return f"not finite: {', '.join(bad)}" if bad else None
