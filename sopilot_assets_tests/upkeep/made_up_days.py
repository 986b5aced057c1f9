"""Rows of recordings, scores and refused files at chosen times, as intake and scoring write them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sopilot_assets.capture.ledgers import QUARANTINE_COLUMNS, VIDEO_COLUMNS, quarantine_ledger, videos_ledger
from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import new_task


def add_task(home: Home, task_id: str = "tea") -> None:
    """A task whose embedder needs no model."""
    path = local_path(new_task(home.root, task_id, name="Tea"))
    path.write_text(path.read_text("utf-8").replace("lite0_flow", "color_motion"), "utf-8")


def digest(name: str) -> str:
    """The hash of a made-up recording."""
    return hashlib.sha256(name.encode()).hexdigest()


def key(name: str, role: str = "trainee", task_id: str = "tea") -> str:
    """The partition key of a made-up recording."""
    return f"{task_id}-{role[0]}-{digest(name)[:12]}"


def record(home: Home, *names: str, at: str, role: str = "trainee", status: str = "active") -> None:
    """Register recordings; each is by a person of its own."""
    rows = [
        {
            **dict.fromkeys(VIDEO_COLUMNS),
            "key": key(name, role),
            "video_id": digest(name)[:12],
            "sha256": digest(name),
            "task_id": "tea",
            "role": role,
            "site": "line1",
            "person": name,
            "original_name": f"{name}.mp4",
            "capture_path": f"tea/{role}/line1/{name}.mp4",
            "stored_name": f"{digest(name)}.mp4",
            "status": status,
        }
        for name in names
    ]
    videos_ledger(home).append(rows, run_id=f"intake-{at}", written_at=at)


def score(
    home: Home,
    names: Sequence[str],
    values: Sequence[float],
    *,
    at: str,
    decision: str = "pass",
    role: str = "trainee",
    **cells: Cell,
) -> None:
    """Score recordings; ``values`` are their points, ``cells`` what else their rows say."""
    rows = [
        {
            **dict.fromkeys(COLUMNS),
            "key": key(name, role),
            "video_id": digest(name)[:12],
            "task_id": "tea",
            "role": role,
            "original_name": f"{name}.mp4",
            "score": float(value),
            "critical_probability": 1 - value / 100,
            "decision": decision,
            "algorithm": "1",
            "model_id": "m",
            "task_fingerprint": "f",
            **cells,
        }
        for name, value in zip(names, values, strict=True)
    ]
    scores_ledger(home).append(rows, run_id=f"score-{at}", written_at=at)


def refuse(home: Home, *files: str, at: str, reason: str = "too_dark") -> None:
    """Refuse files."""
    rows = [
        {
            **dict.fromkeys(QUARANTINE_COLUMNS),
            "quarantine_id": f"{digest(file)[:12]}:{file}",
            "capture_path": file,
            "original_name": file,
            "reason": reason,
            "detail": "",
        }
        for file in files
    ]
    quarantine_ledger(home).append(rows, run_id=f"intake-{at}", written_at=at)
