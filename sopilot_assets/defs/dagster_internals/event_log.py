"""Dagster's event log in SQLite, written in batches.

Dagster stores events one by one: each opens two databases, and commits and flushes both. A run over thousands
of recordings has four events for each of them, and storing those takes as long as scoring. Dagster hands over
what belongs together (the events planned for a run, the materializations of a step), but only where
``DAGSTER_EVENT_BATCH_SIZE`` is set, and SQLite's own storage then still writes them one by one.

Files, tables and rows are the same as without it, and every batch is on the disk once it is committed. A
power cut can cost the batch that was being gathered; its run is started again anyway.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as db
from dagster._core.events import ASSET_EVENTS, DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection

from sopilot_assets.defs.dagster_internals.steady_clock import SteadySchedules

BATCH_SIZE: Final = 200
"""Events of one transaction; a materialization with its picture takes about 60 kB."""
BATCH_SIZE_VARIABLE: Final = "DAGSTER_EVENT_BATCH_SIZE"


_PARTITIONS: Final = db.text(
    "select partition from dynamic_partitions where partitions_def_name = :name order by id"
)


class BatchedEventLog(SqliteEventLogStorage):
    """SQLite's event log that stores a batch in one transaction for each of its two databases."""

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store the events of one run in their order: first in the run's database, then, as Dagster does, the
        assets' ones in the index of all runs. Events of checks have tables of their own and go one by one.
        """
        of_assets = [event for event in events if _is_of_asset(event)]
        if of_assets:
            rows = [self._event_to_row(event) for event in of_assets]
            with self.run_connection(of_assets[0].run_id) as run:
                run.execute(SqlEventLogStorageTable.insert(), rows)
            with self.index_transaction() as index:
                ids = _inserted(index, rows)
                self._store_asset_event_tags(index, of_assets, ids)
                for event, event_id in _last_of_each(of_assets, ids):
                    self._store_asset_event(index, event, event_id)
        for event in events:
            if not _is_of_asset(event):
                self.store_event(event)

    def get_dynamic_partitions(self, partitions_def_name: str) -> Sequence[str]:
        """All partitions of that name, in the order in which they came. A run asks for them again and again;
        as bare texts they cost a fifth of what rows do.
        """
        with self.index_connection() as index:
            return list(index.execute(_PARTITIONS, {"name": partitions_def_name}).scalars())


class BatchedSqliteStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage with a `BatchedEventLog` and `SteadySchedules`; `dagster.yaml` makes it the
    instance's storage.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        before = self._event_log_storage
        self._event_log_storage = BatchedEventLog(before._base_dir)  # noqa: SLF001 - the path is nowhere else
        self._schedule_storage = SteadySchedules.from_local(str(Path(base_dir) / "schedules"))
        # whoever opens this storage writes in batches: there is no other switch
        os.environ.setdefault(BATCH_SIZE_VARIABLE, str(BATCH_SIZE))

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> BatchedSqliteStorage:
        """The storage below the configured folder."""
        return cls.from_local(str(config_value["base_dir"]), inst_data=inst_data)


def _is_of_asset(event: EventLogEntry) -> bool:
    return event.dagster_event is not None and event.dagster_event.event_type in ASSET_EVENTS


def _inserted(index: Connection, rows: Sequence[dict[str, object]]) -> list[int]:
    """The ids of the rows, inserted now; within one transaction SQLite numbers them without a gap."""
    index.execute(SqlEventLogStorageTable.insert(), rows)
    last = int(index.execute(db.select(db.func.max(SqlEventLogStorageTable.c.id))).scalar_one())
    return list(range(last - len(rows) + 1, last + 1))


def _last_of_each(events: Sequence[EventLogEntry], ids: Sequence[int]) -> list[tuple[EventLogEntry, int]]:
    """Of each asset and kind of event the last one, in order: the others would only be overwritten."""
    last: dict[tuple[object, DagsterEventType], tuple[EventLogEntry, int]] = {}
    for event, event_id in zip(events, ids, strict=True):
        happened = event.get_dagster_event()
        last[happened.asset_key, happened.event_type] = (event, event_id)
    return sorted(last.values(), key=lambda pair: pair[1])
