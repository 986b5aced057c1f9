"""A home with as many recordings as wanted: what is slow to make is copied, what is looked at is there.

Recordings are made up (`sopilot_assets_tests.times.made_up`), by 200 persons and all judged, beside those of
a small scored home; two raters labelled a tenth of them. Each has its files: small ones of different bytes,
since nothing that is measured opens them. Dagster knows each by four assets: a batch goes through the
project's own job with stations that do nothing, and its events are copied for all others under their keys.
"""

from __future__ import annotations

import functools
import os
import random
import shutil
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import dagster as dg

from benchmarks.dagster_overhead import idle_stations
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.recordings.pending import register_recordings
from sopilot_assets.defs.resources import HomeResource
from sopilot_assets.defs.runs import RANGE_END, RANGE_START
from sopilot_assets.labels.chain import labels_chain
from sopilot_assets.labels.events import Draft, Source
from sopilot_assets.reference.ledger import current_reference_ids
from sopilot_assets.reference.model import Reference
from sopilot_assets.stations.clip_embeddings import COLUMNS as EMBEDDING_COLUMNS
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.stations.gold_references import read_reference
from sopilot_assets.stations.media import thumbnail_ms
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import find_tasks
from sopilot_assets.upkeep.setting_up import dagster_home
from sopilot_assets_tests.times.made_up import AT, add_recordings

PERSONS: Final = 200
FILES: Final = 20
"""A ledger has so many files more, as after a week without merging."""
BATCH: Final = 500
"""Recordings of one run, as the sensor launches them."""
ASSETS: Final = ("captured_videos", "clip_embeddings", "alignments", "scores")
PICTURE: Final = bytes(1_000)
"""That of a score is twenty times as large; only storing it depends on that."""

_WRITTEN: Final = {"run_id": "made-up", "written_at": AT}


def grown_home(source: Path, root: Path, recordings: int) -> Home:
    """A copy of the scored home ``source`` at ``root`` with so many recordings more."""
    home = Home.at(shutil.copytree(source, root, ignore=shutil.ignore_patterns("desk")))  # its accounts
    judged = set(Registry.read(home).recordings)
    task_id, task = next(iter(find_tasks(home.root).tasks.items()))
    reference = read_reference(home, task_id, current_reference_ids(home)[task_id])
    add_recordings(home, task, reference, recordings, seed=11, persons=PERSONS, files=FILES)
    added = [one for key, one in Registry.read(home).recordings.items() if key not in judged]
    _add_embeddings(home, reference, added)
    _add_files(home, reference, added)
    _add_labels(home, task_id, added[: recordings // 10])
    _add_events(home)
    return home


def _add_embeddings(home: Home, reference: Reference, added: Sequence[Recording]) -> None:
    like = plain_rows(embeddings_ledger(home).latest())[0]
    row = {name: like[name] for name in EMBEDDING_COLUMNS} | {"model_id": reference.model_id}
    embeddings_ledger(home).append([row | {"key": str(one.key)} for one in added], **_WRITTEN)


def _add_files(home: Home, reference: Reference, added: Sequence[Recording]) -> None:
    for one in added:
        video_id = one.key.video_id
        still = home.proxies / f"{video_id}-still-{thumbnail_ms(one.duration_s)}.jpg"
        for path in (
            home.videos / one.stored_name,
            home.embedding(reference.model_id, video_id),
            home.alignment(reference.reference_id, video_id),
            home.reviews / f"{one.key}.html",
            still,
        ):
            file = local_path(path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{file.parent.name} of {one.key}\n")


def _add_labels(home: Home, task_id: str, labelled: Sequence[Recording]) -> None:
    chance = random.Random(1)
    drafts = [
        Draft(
            task_id=task_id,
            at=AT,
            key=str(one.key),
            who=who,
            source=Source.BLIND_HUMAN,
            critical_expected=chance.random() < 0.3,
        )
        for one in labelled
        for who in ("ann", "bob")
    ]
    labels_chain(home).append(drafts, run_id="labels", written_at=AT)


def _add_events(home: Home) -> None:
    """What the sensor's runs would have left in Dagster's databases."""
    with local_instance(home) as instance:
        register_recordings(instance, home)
        keys = list(instance.get_dynamic_partitions("video"))
        run_id = materialize(home, instance, keys[:BATCH])
    history = dagster_home(home) / "history"
    parts = [keys[start : start + BATCH] for start in range(BATCH, len(keys), BATCH)]
    runs = [(str(uuid.uuid4()), part) for part in parts]
    _copy_events(history / "runs" / "index.db", run_id, keys[:BATCH], runs)
    _copy_runs(history / "runs.db", run_id, keys[:BATCH], runs)
    for copied, _ in runs:
        os.link(history / "runs" / f"{run_id}.db", history / "runs" / f"{copied}.db")


def materialize(
    home: Home, instance: dg.DagsterInstance, keys: Sequence[str], *, picture: bytes = PICTURE
) -> str:
    """Let each station do nothing with neighbouring partitions, in one run, as the sensor's are; its id."""
    job = build_defs(home=HomeResource(root=str(home.root))).resolve_job_def("score_new_recordings")
    with idle_stations(picture):
        return job.execute_in_process(
            instance=instance,
            tags={RANGE_START: keys[0], RANGE_END: keys[-1]},
            asset_selection=[dg.AssetKey(name) for name in ASSETS],
        ).run_id


def _copy_events(
    index: Path, run_id: str, keys: Sequence[str], runs: Sequence[tuple[str, Sequence[str]]]
) -> None:
    place = {key: number for number, key in enumerate(keys)}
    with closing(sqlite3.connect(index)) as database, database:
        events = database.execute(
            "select id, event, dagster_event_type, timestamp, step_key, asset_key, partition "
            "from event_logs where run_id = ? and partition is not null order by id",
            [run_id],
        ).fetchall()
        tags: dict[int, list[tuple[object, ...]]] = {}
        for event_id, *tag in database.execute(
            "select event_id, asset_key, key, value, event_timestamp from asset_event_tags order by id"
        ):
            tags.setdefault(event_id, []).append(tuple(tag))
        last = database.execute("select max(id) from event_logs").fetchone()[0]
        for copied, part in runs:
            rows, its_tags = [], []
            for event_id, event, kind, at, step, asset, key in events:
                if place[key] >= len(part):
                    continue
                new = part[place[key]]
                last += 1
                text = event.replace(run_id, copied).replace(key, new)
                rows.append((last, copied, text, kind, at, step, asset, new))
                for asset_key, name, value, moment in tags.get(event_id, ()):
                    its = {key: new, run_id: copied}.get(str(value), value)
                    its_tags.append((last, asset_key, name, its, moment))
            database.executemany(f"insert into event_logs values ({_marks(8)})", rows)
            database.executemany(
                "insert into asset_event_tags (event_id, asset_key, key, value, event_timestamp) "
                f"values ({_marks(5)})",
                its_tags,
            )


def _copy_runs(
    runs_db: Path, run_id: str, keys: Sequence[str], runs: Sequence[tuple[str, Sequence[str]]]
) -> None:
    with closing(sqlite3.connect(runs_db)) as database, database:
        for table in ("runs", "run_tags"):
            names = [row[1] for row in database.execute(f"pragma table_info({table})") if row[1] != "id"]
            columns = ", ".join(f'"{name}"' for name in names)
            found = database.execute(f"select {columns} from {table} where run_id = ?", [run_id]).fetchall()
            for copied, part in runs:
                new = {run_id: copied, keys[0]: part[0], keys[-1]: part[-1]}
                database.executemany(
                    f"insert into {table} ({columns}) values ({_marks(len(names))})",
                    [tuple(_renamed(cell, new) for cell in row) for row in found],
                )


def _renamed(cell: object, new: Mapping[str, str]) -> object:
    if not isinstance(cell, str):
        return cell
    return functools.reduce(lambda text, pair: text.replace(*pair), new.items(), cell)


def _marks(count: int) -> str:
    return ", ".join("?" * count)
