"""Dagster's instance, read from its databases: does its daemon live, are runs or ticks stuck.

Nothing of Dagster is imported: doctor has to work where Dagster does not.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml

from sopilot_assets.errors import StoreError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.doctor.finding import Finding, Patient, State
from sopilot_assets.upkeep.setting_up import SETTINGS, dagster_home

SILENT_S: Final = 300.0
"""A daemon that lives says so every 30 s."""
QUEUED_S: Final = 1800.0
STARTING_S: Final = 600.0
STARTED_S: Final = 6 * 3600.0 + 600.0
"""Run monitoring ends what takes longer than six hours."""
TICK_S: Final = 900.0
LARGE_WAL_BYTES: Final = 256 << 20
"""SQLite empties its journal when it is idle; one this large means that somebody never lets go."""

_LIMITS: Final = {"QUEUED": QUEUED_S, "NOT_STARTED": STARTING_S, "STARTING": STARTING_S, "STARTED": STARTED_S}
_UNFINISHED: Final = (
    "select run_id, pipeline_name, status, update_timestamp, start_time from runs where end_time is null"
)
_MAKE_DEV: Final = "make dev (as a service: see the runbook)"


def dagster_settings(patient: Patient) -> Iterator[Finding]:
    """Whether Dagster's instance is the home's own, and its settings can be read."""
    folder, named = dagster_home(patient.home), patient.environment.get("DAGSTER_HOME")
    absent = [name for name in SETTINGS if not (folder / name).is_file()]
    if absent:
        yield Finding("Dagster", State.PROBLEM, f"{folder} lacks {', '.join(absent)}", "sopilot home init")
        return
    try:
        yaml.safe_load((folder / "dagster.yaml").read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        what = f"{folder / 'dagster.yaml'} is not YAML: {error}"
        yield Finding("Dagster", State.PROBLEM, what, "correct it, or delete it and run sopilot home init")
        return
    if named is not None and local_path(Home.at(named).root) != folder:
        what = f"DAGSTER_HOME is {named}, this home's is {folder}"
        yield Finding("Dagster", State.WARNING, what, f"export DAGSTER_HOME={folder}")
    else:
        yield Finding("Dagster", State.OK, f"settings in {folder}")


def daemon(patient: Patient) -> Iterator[Finding]:
    """Whether Dagster's daemon lives: without it nothing is taken in, scored or scheduled by itself."""
    rows = _rows(_runs_db(patient.home), "select daemon_type, timestamp, body from daemon_heartbeats")
    if rows is None:
        yield _unseen(patient.home)
        return
    silent_s = min((patient.now_s - _seconds(row[1]) for row in rows), default=float("inf"))
    if silent_s > SILENT_S:
        what = f"said nothing for {silent_s / 60:.0f} minutes" if rows else "was never started here"
        yield Finding("daemon", State.WARNING, f"{what}: nothing happens by itself", _MAKE_DEV)
        return
    errors = {str(row[0]): error for row in rows if (error := _first_error(row[2]))}
    for name, error in sorted(errors.items()):
        action = "mend what the message says; the code location is loaded again by itself"
        yield Finding("daemon", State.PROBLEM, f"{name}: {error}", action)
    if not errors:
        yield Finding("daemon", State.OK, f"alive {max(0.0, silent_s):.0f} s ago")


def _unseen(home: Home) -> Finding:
    """What to say without a database of runs: it is elsewhere, or nobody ever started Dagster."""
    if "postgres" in str(_instance_settings(home).get("storage")).lower():
        what = "Dagster's storage is PostgreSQL, so daemon, queue and sensors are not looked at here"
        return Finding("daemon", State.WARNING, what, "look at Deployment > Daemons in the web page")
    return Finding("daemon", State.WARNING, "was never started here", _MAKE_DEV)


def _instance_settings(home: Home) -> Mapping[str, Any]:
    """What dagster.yaml says; nothing where it is missing or no YAML, which `dagster_settings` reports."""
    try:
        found = yaml.safe_load((dagster_home(home) / "dagster.yaml").read_text("utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _first_error(body: str | None) -> str:
    """The first line of the first error that a heartbeat tells."""
    errors = json.loads(body or "{}").get("errors") or []
    message = str(errors[0].get("message", "")).strip() if errors else ""
    return message.splitlines()[0][:200] if message else ""


def queue(patient: Patient) -> Iterator[Finding]:
    """Runs that wait, start or run for too long."""
    rows = _rows(_runs_db(patient.home), _UNFINISHED)
    waiting = [row for row in rows or () if row[2] in _LIMITS]
    stuck = [row for row in waiting if _age_s(row, patient) > _LIMITS[str(row[2])]]
    for row in stuck:
        run_id, job, status = map(str, row[:3])
        age = _age_s(row, patient) / 60
        what = f"run {run_id[:8]} of {job} is {status} for {age:.0f} minutes"
        yield Finding("queue", State.PROBLEM, what, _stuck_action(status))
    if not stuck:
        yield Finding("queue", State.OK, f"{len(waiting)} runs wait or run")


def _age_s(row: tuple[Any, ...], patient: Patient) -> float:
    started = row[4] if row[2] == "STARTED" and row[4] else None
    return patient.now_s - (float(started) if started else _seconds(row[3]))


def _stuck_action(status: str) -> str:
    if status == "QUEUED":
        return "see that the daemon lives (make dev) and that no other run holds its place, in Runs > Queued"
    return (
        "restart Dagster (make dev): run monitoring ends it; or terminate it in Runs, and sopilot score run"
    )


def ticks(patient: Patient) -> Iterator[Finding]:
    """Sensors and schedules whose last look failed, and a capture sensor that has not looked for long."""
    rows = _rows(_schedules_db(patient.home), _NEWEST_TICKS)
    if not rows:
        yield Finding("sensors", State.OK, "none has looked yet")
        return
    bodies = [(json.loads(row[3] or "{}"), row) for row in rows]
    failed = [(body, row) for body, row in bodies if row[1] == "FAILURE"]
    for body, _ in failed:
        error = str((body.get("error") or {}).get("message", "")).strip().splitlines()
        what = f"{_name_of(body)} failed: {error[0][:200] if error else 'unknown error'}"
        yield Finding("sensors", State.PROBLEM, what, "Automation in the web page shows the whole error")
    capture = [patient.now_s - _seconds(row[2]) for body, row in bodies if _is_capture(body)]
    if capture and min(capture) > TICK_S:
        what = f"the capture sensor has not looked for {min(capture) / 60:.0f} minutes"
        action = "make dev; see in Automation that it is switched on and that the code location loads"
        yield Finding("sensors", State.WARNING, what, action)
    elif not failed:
        yield Finding("sensors", State.OK, f"{len(rows)} look, none failed last time")


_NEWEST_TICKS: Final = (
    "select job_origin_id, status, timestamp, tick_body from job_ticks "
    "where id in (select max(id) from job_ticks where status != 'STARTED' group by job_origin_id)"
)


def _name_of(body: Mapping[str, Any]) -> str:
    """The name of the sensor or schedule whose tick it is; Dagster keeps an older word for it."""
    return str(body.get("instigator_name") or body.get("job_name") or "a sensor")


def _is_capture(body: dict[str, Any]) -> bool:
    return _name_of(body) == "capture_sensor"


def journals(patient: Patient) -> Iterator[Finding]:
    """Write-ahead journals of Dagster's databases that are never emptied."""
    folder = dagster_home(patient.home)
    sizes = {path: _size(path) for path in folder.rglob("*.db-wal")} if folder.is_dir() else {}
    large = {path: size for path, size in sizes.items() if size > LARGE_WAL_BYTES}
    for path, size in sorted(large.items()):
        what = f"{path.name} has {size / (1 << 20):.0f} MiB that were not written back"
        yield Finding("databases", State.WARNING, what, "restart Dagster; it is emptied when nobody reads")
    if not large:
        yield Finding("databases", State.OK, f"{sum(sizes.values()) / (1 << 20):.0f} MiB in journals")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # whoever had the database open last has closed it
        return 0


def _runs_db(home: Home) -> Path:
    return dagster_home(home) / "history" / "runs.db"


def _schedules_db(home: Home) -> Path:
    return dagster_home(home) / "schedules" / "schedules.db"


def _rows(path: Path, sql: str, values: tuple[str, ...] = ()) -> list[tuple[Any, ...]] | None:
    """What a database says; None where there is none, as with PostgreSQL."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
            return list(connection.execute(sql, values))
    except sqlite3.Error as error:
        raise StoreError(
            f"{path}: could not be read ({error}). Stop Dagster and restore it: sopilot backup restore."
        ) from error


def _seconds(timestamp: object) -> float:
    """Dagster writes UTC without saying so."""
    return datetime.fromisoformat(f"{timestamp}+00:00").timestamp()
