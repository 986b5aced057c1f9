"""What Dagster's databases in a home say of its daemon, its runs and its sensors.

Nothing of Dagster is imported: doctor has to work where Dagster does not.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sopilot_assets.errors import StoreError
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import dagster_home

_HEARTBEATS: Final = "select daemon_type, timestamp, body from daemon_heartbeats"
_UNFINISHED: Final = (
    "select run_id, pipeline_name, status, update_timestamp, start_time from runs where end_time is null"
)
_NEWEST_TICKS: Final = (
    "select status, tick_body, (select max(timestamp) from job_ticks good "
    "where good.job_origin_id = job_ticks.job_origin_id and status in ('SUCCESS', 'SKIPPED')) from job_ticks "
    "where id in (select max(id) from job_ticks where status != 'STARTED' group by job_origin_id)"
)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last sign of life of one of Dagster's daemons, with the first line of its error, if it has one."""

    daemon: str
    at: datetime
    error: str = ""


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """A run that has not ended, and since when it is in its state."""

    run_id: str
    job: str
    status: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Tick:
    """The last look of a sensor or schedule; ``error`` is the first line of why it failed. ``at`` is when one
    of its looks did not fail; None where none is known.
    """

    of: str
    at: datetime | None
    failed: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class DagsterState:
    """What is known of Dagster; ``heartbeats`` are None where nothing can be known of its daemon."""

    heartbeats: tuple[Heartbeat, ...] | None = None
    runs: tuple[UnfinishedRun, ...] = ()
    ticks: tuple[Tick, ...] = ()


def read_dagster(home: Home) -> DagsterState:
    """What the databases in the home say; nothing where there are none, as with PostgreSQL.

    Raises `StoreError` for one that cannot be read.
    """
    ticks = _rows(dagster_home(home) / "schedules" / "schedules.db", _NEWEST_TICKS)
    return DagsterState(
        read_heartbeats(home),
        tuple(_run(*row) for row in _rows(_runs(home), _UNFINISHED) or ()),
        tuple(_tick(*row) for row in ticks or ()),
    )


def read_heartbeats(home: Home) -> tuple[Heartbeat, ...] | None:
    """The last signs of life; None where there is no database, as with PostgreSQL.

    Raises `StoreError` where it cannot be read.
    """
    rows = _rows(_runs(home), _HEARTBEATS)
    return None if rows is None else tuple(_heartbeat(*row) for row in rows)


def _runs(home: Home) -> Path:
    return dagster_home(home) / "history" / "runs.db"


def _heartbeat(daemon: str, at: str, body: str | None) -> Heartbeat:
    errors = json.loads(body or "{}").get("errors") or [{}]
    return Heartbeat(str(daemon), _time(at), _first_line(errors[0]))


def _run(run_id: str, job: str, status: str, updated: str, started_s: float | None) -> UnfinishedRun:
    begun = started_s if status == "STARTED" and started_s else None
    return UnfinishedRun(run_id, job, status, datetime.fromtimestamp(begun, UTC) if begun else _time(updated))


def _tick(status: str, body: str | None, at: str | None) -> Tick:
    told = json.loads(body or "{}")
    # Dagster keeps an older word for it
    name = told.get("instigator_name") or told.get("job_name") or "a sensor"
    return Tick(
        str(name), _time(at) if at else None, status == "FAILURE", _first_line(told.get("error") or {})
    )


def _first_line(error: Mapping[str, Any]) -> str:
    lines = str(error.get("message", "")).strip().splitlines()
    return lines[0][:200] if lines else ""


def _rows(path: Path, sql: str) -> list[tuple[Any, ...]] | None:
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
            return list(connection.execute(sql))
    except sqlite3.Error as error:
        raise StoreError(
            f"{path}: could not be read ({error}). Stop Dagster and restore it: sopilot backup restore."
        ) from error


def _time(timestamp: object) -> datetime:
    """Dagster writes UTC without saying so."""
    return datetime.fromisoformat(f"{timestamp}+00:00")
