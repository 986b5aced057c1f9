"""Finished runs whose time is over, and what they logged.

To delete a run is to delete its events, the materializations among them: the partitions that it was the last
to make would look as if nobody had ever made them, and the capture sensor would score them again. So a run
stays as long as it made the newest state of any partition; only its log is emptied.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import dagster as dg
import sqlalchemy as db
from dagster._core.events import ASSET_EVENTS, DagsterEventType
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from sopilot_assets.defs.runs import FINISHED, UNFINISHED
from sopilot_assets.errors import ConfigError

_STATES: Final = (DagsterEventType.ASSET_MATERIALIZATION.value, DagsterEventType.ASSET_OBSERVATION.value)
_RUN_EVENTS: Final = tuple(one.value for one in DagsterEventType if one.value.startswith("PIPELINE_"))
_ASSET_EVENTS: Final = tuple(one.value for one in ASSET_EVENTS)
_TABLE: Final = SqlEventLogStorageTable


@dataclass(frozen=True, slots=True)
class OldRuns:
    """Finished runs from before a date: those that can go, and those that made what is newest."""

    removable: tuple[str, ...]
    needed: tuple[str, ...]


def old_runs(instance: dg.DagsterInstance, *, before: datetime) -> OldRuns:
    """The runs that were last changed before ``before`` and have ended, oldest first."""
    records = instance.get_run_records(dg.RunsFilter(statuses=list(FINISHED), updated_before=before))
    found = [record.dagster_run.run_id for record in reversed(records)]
    needed = _needed(instance)
    return OldRuns(
        tuple(run_id for run_id in found if run_id not in needed),
        tuple(run_id for run_id in found if run_id in needed),
    )


def _needed(instance: dg.DagsterInstance) -> set[str]:
    """The runs that made the newest materialization or observation of some partition, or of some asset
    without any.
    """
    newest = (
        db.select(db.func.max(_TABLE.c.id))
        .where(_TABLE.c.asset_key.is_not(None), _TABLE.c.dagster_event_type.in_(_STATES))
        .group_by(_TABLE.c.asset_key, _TABLE.c.dagster_event_type, _TABLE.c.partition)
    )
    with _storage(instance).index_connection() as connection:
        rows = connection.execute(db.select(_TABLE.c.run_id).where(_TABLE.c.id.in_(newest)).distinct())
        return {str(row[0]) for row in rows}


def remove_runs(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> int:
    """Delete the runs with their events and captured output; returns the bytes that this freed."""
    freed = run_bytes(instance, run_ids)
    for run_id in run_ids:
        files = run_files(instance, run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
        for path in files:
            path.unlink(missing_ok=True)
    return freed


def empty_logs(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> tuple[int, int]:
    """Empty the logs of runs that stay, but for when they began and ended and what they made; returns how
    many had something to empty, and the bytes that this freed.
    """
    emptied = freed = 0
    for run_id in run_ids:
        before = _size(run_files(instance, run_id))
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        if _delete_log(instance, run_id):
            emptied += 1
        freed += before - _size(run_files(instance, run_id))
    return emptied, freed


def _delete_log(instance: dg.DagsterInstance, run_id: str) -> int:
    storage = _storage(instance)
    # in SQLite the run has a database of its own, and its assets' events lie in the index of all runs as well
    kept = _RUN_EVENTS if isinstance(storage, SqliteEventLogStorage) else (*_RUN_EVENTS, *_ASSET_EVENTS)
    kind = _TABLE.c.dagster_event_type
    with storage.run_connection(run_id) as connection:
        found = connection.execute(
            db.delete(_TABLE).where(_TABLE.c.run_id == run_id, db.or_(kind.is_(None), kind.not_in(kept)))
        )
    if found.rowcount and isinstance(storage, SqliteEventLogStorage):
        with closing(sqlite3.connect(storage.path_for_shard(run_id), timeout=60)) as shard:
            shard.execute("VACUUM")
    return int(found.rowcount)


def run_files(instance: dg.DagsterInstance, run_id: str) -> list[Path]:
    """The files that a run alone has: its database of events and its captured output."""
    storage, found = _storage(instance), list[Path]()
    if isinstance(storage, SqliteEventLogStorage):
        shard = storage.path_for_shard(run_id)
        found += [path for path in (Path(f"{shard}{end}") for end in ("", "-wal", "-shm")) if path.exists()]
    if instance.root_directory:
        captured = Path(instance.root_directory) / "storage" / run_id
        found += sorted(path for path in captured.rglob("*") if path.is_file())
    return found


def run_bytes(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> int:
    """How much the files of these runs take."""
    return sum(_size(run_files(instance, run_id)) for run_id in run_ids)


def _size(files: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in files if path.exists())


def _storage(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise ConfigError(
            f"Dagster's event storage is {type(storage).__name__}: expected one with a database "
            "(SQLite or PostgreSQL), or nobody can tell which runs are still needed. See dagster.yaml."
        )
    return storage


def unfinished_runs(instance: dg.DagsterInstance, *, but: str = "") -> tuple[str, ...]:
    """The runs that wait or are at work, but for the run ``but``."""
    found = instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED)))
    return tuple(sorted(run.run_id for run in found if run.run_id != but))
