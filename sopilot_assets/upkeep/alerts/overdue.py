"""What should have happened by now and has not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.upkeep.alerts.alert import Alert, AlertSeverity

OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something that has to happen every ``limit_hours`` (None: never mind): when it last did, None where it
    never has.
    """

    subject: str
    last: datetime | None
    limit_hours: float | None
    action: str
    severity: AlertSeverity = AlertSeverity.WARNING


def overdue(milestones: Iterable[Milestone], *, since: datetime, now: datetime) -> list[Alert]:
    """The alerts about what is late; what never happened counts from ``since``."""
    return [alert for one in milestones if (alert := _late(one, since, now)) is not None]


def watched_since(home: Home, now: datetime) -> datetime:
    """When this home was looked at for the first time, which is now where it never was."""
    path = home.alerts / "watched_since"
    try:
        return datetime.fromisoformat(local_path(path).read_text("utf-8").strip())
    except (FileNotFoundError, ValueError):
        publish_text(path, now.isoformat() + "\n")
        return now


def _late(one: Milestone, since: datetime, now: datetime) -> Alert | None:
    last = one.last or since
    if one.limit_hours is None or now - last <= timedelta(hours=one.limit_hours):
        return None
    age = f"{(now - last) / timedelta(hours=1):.1f} hours"
    told = f"last {last.isoformat(timespec='minutes')}, {age} ago" if one.last else f"never yet, for {age}"
    what = f"{one.subject}: {told}; expected every {one.limit_hours:g} hours"
    return Alert(OVERDUE, one.subject, one.severity, what, one.action)
