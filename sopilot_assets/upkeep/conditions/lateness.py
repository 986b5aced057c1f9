"""What should have happened by now and has not: daily reports, backups, drills, retention."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_text, published_files
from sopilot_assets.upkeep.backup.history import newest_backup_at, newest_drill_at
from sopilot_assets.upkeep.conditions.condition import (
    Answer,
    Condition,
    ConditionSeverity,
    Fine,
    found,
    warning,
)
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets.upkeep.retention_nights import last_look

OVERDUE: Final = "overdue"

_LOOK: Final = "look at the runs of the asset backups in Dagster's page"


def daily_report(asked: Situation) -> Answer:
    """The age of the newest daily report."""
    newest = _newest(published_files(asked.home.reports, "*.html"), asked.now)
    action = (
        "look in Dagster's page why the schedule of daily_reports does not run, then `sopilot report show`"
    )
    return Answer(
        (timely(asked, "daily report", newest, asked.settings.freshness.daily_report_hours, action),)
    )


def backup(asked: Situation) -> Answer:
    """The age of the newest sound backup, where a place for backups is set."""
    if asked.settings.backup.destination is None:
        action = "name a place on another disk in settings.yaml: backup: {destination: ...}"
        return Answer((warning("backup", "", "no destination is set: nothing is backed up", action),))
    limit, action = asked.settings.freshness.backup_hours, f"{_LOOK}, or run `sopilot backup create`"
    made = newest_backup_at(asked.home, until=asked.now)
    return Answer((timely(asked, "sound backup", made, limit, action),))


def backup_drill(asked: Situation) -> Answer:
    """The age of the last drill that passed, where a place for backups is set."""
    if asked.settings.backup.destination is None:
        return Answer(())
    limit, action = asked.settings.freshness.drill_hours, f"{_LOOK}, or run `sopilot backup verify --drill`"
    drilled = newest_drill_at(asked.home, until=asked.now)
    return Answer((timely(asked, "drill of a backup that passed", drilled, limit, action),))


def retention_waits(asked: Situation) -> Answer:
    """Whether the last night removed nothing, since the clock may have leapt."""
    look = last_look(asked.home)
    if look is None or look.before is None or not look.waits:
        return found([], Fine(OVERDUE, "retention", "did not wait for anybody"))
    what = (
        f"retention looked at {look.at:%Y-%m-%d %H:%M} UTC, and before that at {look.before:%Y-%m-%d %H:%M}: "
        "the clock was set, or this machine was off. What is over its time by this clock was not removed yet"
    )
    action = (
        "if the clock is wrong, set it (timedatectl) before 02:40 UTC, when the next night removes; "
        "`sopilot retention apply --dry-run` shows what"
    )
    return found([warning(OVERDUE, "retention", what, action)], Fine(OVERDUE, "retention", ""))


def timely(
    asked: Situation,
    subject: str,
    last: datetime | None,
    limit_hours: float | None,
    action: str,
    severity: ConditionSeverity = ConditionSeverity.WARNING,
) -> Condition | Fine:
    """Whether something that has to happen every ``limit_hours`` (None: never mind) is late; ``last`` is when
    it did. What never happened counts from when the home was first watched.
    """
    since = last or _watched_since(asked.home) or asked.now
    age = f"{(asked.now - since) / timedelta(hours=1):.1f} hours"
    told = f"last {since.isoformat(timespec='minutes')}, {age} ago" if last else f"never yet, for {age}"
    if limit_hours is None or asked.now - since <= timedelta(hours=limit_hours):
        return Fine(OVERDUE, subject, told if last else "never yet")
    what = f"{subject}: {told}; expected every {limit_hours:g} hours"
    return Condition(OVERDUE, subject, severity, what, action)


def begin_watch(home: Home, now: datetime) -> None:
    """Note when the home was watched for the first time, unless that is known."""
    if _watched_since(home) is None:
        publish_text(_watched(home), now.isoformat() + "\n")


def _watched_since(home: Home) -> datetime | None:
    try:
        return datetime.fromisoformat(_watched(home).read_text("utf-8").strip())
    except (FileNotFoundError, ValueError):
        return None


def _watched(home: Home) -> Path:
    return local_path(home.alerts / "watched_since")


def _newest(paths: Iterable[Path], now: datetime) -> datetime | None:
    """The newest time of these files; one that is to come is of a clock that went wrong."""
    times = (datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in paths)
    return max((time for time in times if time <= now), default=None)
