"""A home with as many recordings as wanted, from the recordings of another: copies under ids of their own.

Embeddings and videos are linked, not computed again. Nothing of the source is changed: a home only ever
replaces files, it writes into none.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from sopilot_assets.capture.ledgers import ACTIVE, VIDEO_COLUMNS, videos_ledger
from sopilot_assets.scoring.ledger import COLUMNS as SCORE_COLUMNS
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.clip_embeddings import COLUMNS as EMBEDDING_COLUMNS
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.store.home import VIDEO_ID_DIGITS, Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.setting_up import prepare_home

Row = dict[str, Cell]
_WRITTEN = {"run_id": "copied", "written_at": "2025-01-01T00:00:00+00:00"}


@dataclass(frozen=True, slots=True)
class _Copy:
    """A recording of the source, and what it is here; ``score`` is None where it has no row of scores."""

    video: Row
    embedding: Row
    before: str
    score: Row | None


def copied_home(source: Home, root: Path, *, recordings: int, golds: int, scored: bool = False) -> Home:
    """A new home at ``root`` for one task of the source: its first ``golds`` golds, of as many persons as
    possible, and trainee recordings, each as often as needed to make ``recordings`` in all. With ``scored``
    they have the source's scores, by an algorithm of before.
    """
    home = Home.at(root)
    prepare_home(home)
    shutil.copytree(local_path(source.tasks), local_path(home.tasks), dirs_exist_ok=True)
    shutil.copytree(local_path(source.models), local_path(home.models), dirs_exist_ok=True)
    copies = list(_copies(source, recordings=recordings, golds=golds))
    for one in copies:
        _link(source.videos / one.before, home.videos / str(one.video["stored_name"]))
        model, before = str(one.embedding["model_id"]), one.before[:VIDEO_ID_DIGITS]
        _link(source.embedding(model, before), home.embedding(model, str(one.video["video_id"])))
    videos_ledger(home).append([one.video for one in copies], **_WRITTEN)
    embeddings_ledger(home).append([one.embedding for one in copies], **_WRITTEN)
    scores = [one.score for one in copies if scored and one.score is not None]
    scores_ledger(home).append(scores, **_WRITTEN)
    return home


def _copies(source: Home, *, recordings: int, golds: int) -> Iterator[_Copy]:
    videos = plain_rows(videos_ledger(source).latest())
    active = [row for row in videos if row["status"] == ACTIVE]
    task_id = next(row["task_id"] for row in active)
    embedded = {row["key"]: row for row in plain_rows(embeddings_ledger(source).latest())}
    scores = {row["key"]: row for row in plain_rows(scores_ledger(source).latest())}
    mine = [row for row in active if row["task_id"] == task_id and row["key"] in embedded]
    for row in _first_of_each([row for row in mine if row["role"] == "gold"])[:golds]:
        yield _copy(row, embedded[row["key"]], scores.get(row["key"]), str(row["sha256"]))
    trainees = [row for row in mine if row["role"] == "trainee"]
    for number, row in enumerate(islice(cycle(trainees), recordings - golds)):
        sha256 = hashlib.sha256(f"{number} {row['sha256']}".encode()).hexdigest()
        yield _copy(row, embedded[row["key"]], scores.get(row["key"]), sha256)


def _first_of_each(golds: Sequence[Row]) -> list[Row]:
    """The golds, those of persons that none before them shows first."""
    persons = [row["person"] for row in golds]
    return sorted(golds, key=lambda row: persons[: golds.index(row)].count(row["person"]))


def _copy(video: Row, embedding: Row, score: Row | None, sha256: str) -> _Copy:
    before = str(video["sha256"])
    video_id = sha256[:VIDEO_ID_DIGITS]
    key = str(PartitionKey(str(video["task_id"]), str(video["role"]), video_id))
    changed: Row = {
        "key": key,
        "video_id": video_id,
        "sha256": sha256,
        "stored_name": str(video["stored_name"]).replace(before, sha256),
    }
    return _Copy(
        {name: video[name] for name in VIDEO_COLUMNS} | changed,
        {name: embedding[name] for name in EMBEDDING_COLUMNS} | {"key": key},
        str(video["stored_name"]),
        None
        if score is None
        else {name: score[name] for name in SCORE_COLUMNS}
        | {"key": key, "video_id": video_id, "algorithm": "before"},
    )


def _link(source: object, target: object) -> None:
    before, now = Path(str(source)), Path(str(target))
    now.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(before, now)
    except OSError:  # another file system
        shutil.copyfile(before, now)
