"""A made-up home that looks like one in use: recordings with rows, labels, results of a study, a database, a
key; and what goes on in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sopilot_assets.capture.ledgers import ACTIVE, VIDEO_COLUMNS, videos_ledger
from sopilot_assets.evidence.results import Results
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_bytes, publish_text

START = datetime(2025, 6, 2, 8, tzinfo=UTC)
TASK = "tea"
OLD_S = START.timestamp() - 3600


def database_of(home: Home) -> Path:
    """A database beside those of Dagster."""
    return local_path(home.root) / "dagster" / "history" / "more.db"


def made_up_home(root: Path, *, recordings: int = 6) -> Home:
    """A home with so many recordings and one of everything else, an hour old."""
    home = Home.at(root)
    for number in range(recordings):
        happen(home, f"first-{number}")
    folder = local_path(home.root)
    (folder / "keys").mkdir(mode=0o700)
    (folder / "keys" / "dossier").write_text("a private key")
    (folder / "keys" / "dossier").chmod(0o600)
    publish_text(home.tasks / "tea.yaml", "task_id: tea\n")
    publish_text(home.proxies / "1.mp4", "made again")
    publish_text(home.capture / "tea" / "trainee" / "site a" / "お茶 100%.mp4", "not taken in yet")
    publish_text(home.root / "dagster" / "storage" / "run" / "compute_logs" / "step.err", "said\n")
    (folder / "quarantine").mkdir()
    for path in folder.rglob("*"):
        os.utime(path, (OLD_S, OLD_S))
    return home


def happen(home: Home, what: str) -> None:
    """One recording comes in, and a study is computed again."""
    take_in(home, what)
    files = {"cases.csv": what.encode(), "figures.json": what.encode()[::-1]}
    at, results = datetime.now(UTC).isoformat(), Results(home, "study1")
    results.publish("split_manifests", files, made_from=(), run_id=what, written_at=at)


def take_in(home: Home, what: str) -> None:
    """One recording comes in, is embedded and labeled; files before rows."""
    digest = hashlib.sha256(what.encode()).hexdigest()
    key, at = f"{TASK}-t-{digest[:12]}", datetime.now(UTC).isoformat()
    publish_bytes(home.videos / f"{digest}.mp4", random.Random(what).randbytes(3000))
    video = {"key": key, "video_id": digest[:12], "sha256": digest, "task_id": TASK, "role": "trainee"}
    stored = {"stored_name": f"{digest}.mp4", "capture_path": what, "original_name": what, "status": ACTIVE}
    row = {**dict.fromkeys(VIDEO_COLUMNS), **video, **stored}
    videos_ledger(home).append([row], run_id=what, written_at=at)
    publish_bytes(home.embedding("color-1", digest[:12]), digest.encode() * 20)
    embedded = {"key": key, "model_id": "color-1", "clips": 3, "reader": "pyav", "problem": None}
    embeddings_ledger(home).append([embedded], run_id=what, written_at=at)
    label = {
        "task_id": TASK,
        "key": key,
        "who": "ann",
        "at": at,
        "source": "human",
        "critical_expected": True,
    }
    append_events(home, [Draft.model_validate(label)], run_id=what, written_at=at)
    write_in_database(home, what)


def write_in_database(home: Home, what: str) -> None:
    """One row, by a connection that leaves its log where another one is open."""
    path = database_of(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as connection, connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table if not exists runs (what text, filler text)")
        connection.execute("insert into runs values (?, ?)", (what, what * 100))


def after(minutes: float) -> datetime:
    """So many minutes after the home was made, in the real time of its files."""
    return datetime.now(UTC) + timedelta(minutes=minutes)


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Permissions and bytes of what backups hold, and the rows of databases."""
    return {
        str(path.relative_to(root)): (path.stat().st_mode, _content(path))
        for path in sorted(root.rglob("*"))
        if not path.name.endswith((".lock", "-wal", "-shm")) and "proxies" not in path.parts
    }


def _content(path: Path) -> bytes:
    if path.is_dir():
        return b""
    if path.suffix != ".db":
        return path.read_bytes()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump()).encode()
