"""Dagster's instance: its settings, whether its daemon lives, what is stuck, who has not looked for long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from sopilot_assets.settings import ConditionLimits
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.conditions.condition import (
    Answer,
    Condition,
    ConditionSeverity,
    Fine,
    found,
    problem,
    warning,
)
from sopilot_assets.upkeep.conditions.dagster_files import UnfinishedRun
from sopilot_assets.upkeep.conditions.lateness import timely
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets.upkeep.setting_up import (
    INSTANCE_FILE,
    SETTINGS,
    dagster_home,
    has_records_elsewhere,
    instance_settings,
    shipped_settings,
)

CAPTURE_SENSOR: Final = "capture_sensor"

_START_LIMIT: Final = "start_timeout_seconds"
_START: Final = "sudo sopilot service install (docs/services.md); to try things: make dev"


def dagster_settings(asked: Situation) -> Answer:
    """Whether Dagster's instance is the home's own, and its settings can be read."""
    folder = dagster_home(asked.home)
    return found(_wrong_settings(asked, folder), Fine("Dagster", "", f"settings in {folder}"))


def _wrong_settings(asked: Situation, folder: Path) -> Iterator[Condition]:
    absent = [name for name in SETTINGS if not (folder / name).is_file()]
    if absent:
        yield problem("Dagster", "", f"{folder} lacks {', '.join(absent)}", "sopilot home init")
        return
    try:
        yaml.safe_load((folder / "dagster.yaml").read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        what = f"{folder / 'dagster.yaml'} is not YAML: {error}"
        yield problem("Dagster", "", what, "correct it, or delete it and run sopilot home init")
        return
    yield from _impatient(asked.home)
    named = asked.environment.get("DAGSTER_HOME")
    if named is not None and local_path(Home.at(named).root) != folder:
        what = f"DAGSTER_HOME is {named}, this home's is {folder}"
        yield warning("Dagster", "", what, f"export DAGSTER_HOME={folder}")


def _impatient(home: Home) -> Iterator[Condition]:
    """A limit on the start of runs that a busy machine passes, as older versions shipped it: Dagster takes
    the run for dead then, and starts it once more.
    """
    shipped = yaml.safe_load(shipped_settings(INSTANCE_FILE))
    told = instance_settings(home)
    launcher, monitoring = (told.get(name) or {} for name in ("run_launcher", "run_monitoring"))
    limit_s, enough_s = monitoring.get(_START_LIMIT), shipped["run_monitoring"][_START_LIMIT]
    if launcher.get("class") == shipped["run_launcher"]["class"] and limit_s and limit_s < enough_s:
        what = (
            f"{dagster_home(home) / INSTANCE_FILE}: a run that takes more than {limit_s} s to start is failed"
        )
        yield warning("Dagster", "start", what, f"set {_START_LIMIT}: {enough_s} there, restart the daemon")


def daemon(asked: Situation) -> Answer:
    """Whether Dagster's daemon lives: without it nothing is taken in, scored or scheduled by itself."""
    beats = asked.dagster.heartbeats
    if not beats:
        return Answer((_unseen(asked.home, beats is None),))
    ages_s = [(asked.now - one.at).total_seconds() for one in beats]
    since_s = [age_s for age_s in ages_s if age_s >= -asked.settings.limits.clock_ahead_s]
    if not since_s:
        ahead = (
            f"gave its last sign of life {-max(ages_s) / 60:.0f} minutes in the future: the clock went back"
        )
        return Answer((warning("daemon", "", f"{ahead}; it is dead, or waits for that time", _START),))
    silent_s = min(since_s)
    if silent_s > asked.settings.limits.daemon_silent_minutes * 60:
        what = f"said nothing for {silent_s / 60:.0f} minutes: nothing happens by itself"
        return Answer((warning("daemon", "", what, _START),))
    action = "mend what the message says; the code location is loaded again by itself"
    errors = sorted((one.daemon, one.error) for one in beats if one.error)
    return found(
        (problem("daemon", name, f"{name}: {error}", action) for name, error in errors),
        Fine("daemon", "", f"alive {max(0.0, silent_s):.0f} s ago"),
    )


def _unseen(home: Home, unknown: bool) -> Condition:
    """What to say without a sign of life: Dagster's storage is elsewhere, or nobody ever started it."""
    if unknown and has_records_elsewhere(home):
        what = "Dagster's storage is PostgreSQL, so daemon, queue and sensors are not looked at here"
        return warning("daemon", "", what, "look at Deployment > Daemons in the web page")
    return warning("daemon", "", "was never started here: nothing happens by itself", _START)


def queue(asked: Situation) -> Answer:
    """Runs that wait, start or run for too long."""
    minutes = _limits(asked.settings.limits)
    waiting = [run for run in asked.dagster.runs if run.status in minutes]
    ages = [(run, (asked.now - run.since).total_seconds() / 60) for run in waiting]
    return found(
        (_stuck(run, age) for run, age in ages if age > minutes[run.status]),
        Fine("queue", "", f"{len(waiting)} runs wait or run"),
    )


def _limits(limits: ConditionLimits) -> dict[str, float]:
    return {
        "QUEUED": limits.queued_minutes,
        "NOT_STARTED": limits.starting_minutes,
        "STARTING": limits.starting_minutes,
        "STARTED": limits.running_minutes,
    }


def _stuck(run: UnfinishedRun, age_minutes: float) -> Condition:
    what = f"run {run.run_id[:8]} of {run.job} is {run.status} for {age_minutes:.0f} minutes"
    action = (
        "restart Dagster (make dev): run monitoring ends it; or terminate it in Runs, and sopilot score run"
    )
    if run.status == "NOT_STARTED":
        action = "its launch was refused or died, and nobody starts it any more: delete it in Runs"
    if run.status == "QUEUED":
        action = (
            "see that the daemon lives (make dev) and that no other run holds its place, in Runs > Queued"
        )
    return problem("queue", run.run_id[:8], what, action)


def sensors(asked: Situation) -> Answer:
    """Sensors and schedules whose last look failed."""
    ticks = asked.dagster.ticks
    action = "Automation in the web page shows the whole error"
    failed = (
        problem("sensors", one.of, f"{one.of} failed: {one.error or 'unknown error'}", action)
        for one in ticks
        if one.failed
    )
    fine = f"{len(ticks)} look, none failed last time" if ticks else "none has looked yet"
    return found(failed, Fine("sensors", "", fine))


def looks_at_capture(asked: Situation) -> Answer:
    """When the capture folder was looked at last without failing, where Dagster has ever tried."""
    looks = [one.at for one in asked.dagster.ticks if one.of == CAPTURE_SENSOR]
    if not looks:
        return Answer(())
    action = f"start {CAPTURE_SENSOR} in the page of Dagster (Automation), and look at its ticks"
    limit, severity = asked.settings.freshness.capture_tick_hours, ConditionSeverity.PROBLEM
    last = max((at for at in looks if at is not None), default=None)
    return Answer((timely(asked, "looks at the capture folder", last, limit, action, severity),))


def journals(asked: Situation) -> Answer:
    """Write-ahead journals of Dagster's databases that are never emptied.

    SQLite empties its journal when it is idle; a large one means that somebody never lets go.
    """
    folder = dagster_home(asked.home)
    paths = sorted(folder.rglob("*.db-wal")) if folder.is_dir() else []
    sizes = {path: _size(path) / (1 << 20) for path in paths}
    limit = asked.settings.limits.journal_mib
    return found(
        (_large(path, mib) for path, mib in sizes.items() if mib > limit),
        Fine("databases", "", f"{sum(sizes.values()):.0f} MiB in journals"),
    )


def _large(path: Path, mib: float) -> Condition:
    what = f"{path.name} has {mib:.0f} MiB that were not written back"
    return warning("databases", path.name, what, "restart Dagster; it is emptied when nobody reads")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # whoever had the database open last has closed it
        return 0
