"""What lasts until somebody does something: raised while it is so, resolved when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sopilot_assets.disk import FreeBytes, free_bytes, guard_disk
from sopilot_assets.settings import DiskLimits, Settings
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.alerts.alert import Alert, AlertEvent, AlertSeverity
from sopilot_assets.upkeep.alerts.milestones import home_milestones
from sopilot_assets.upkeep.alerts.noting import settle
from sopilot_assets.upkeep.alerts.overdue import OVERDUE, Milestone, overdue, watched_since

DISK: Final = "disk"
CHECK_FAILED: Final = "check_failed"


def settle_disk(
    home: Home, limits: DiskLimits, *, now: datetime, repeat_after_hours: float, free: FreeBytes = free_bytes
) -> list[AlertEvent]:
    """The events about free space: when it becomes low, when intake is paused, when it is over."""
    state = guard_disk(home, limits, free=free)
    severity = AlertSeverity.PROBLEM if state.paused else AlertSeverity.WARNING
    alert = Alert(DISK, "free space", severity, state.what, state.action)
    lasting = [alert] if state.action else []
    return settle(home, {DISK}, lasting, now=now, repeat_after_hours=repeat_after_hours)


def settle_overdue(
    home: Home, settings: Settings, milestones: Sequence[Milestone], *, now: datetime
) -> list[AlertEvent]:
    """The events about what is late: ``milestones``, and those that the home's own files tell."""
    since = watched_since(home, now)
    late = overdue([*home_milestones(home, settings), *milestones], since=since, now=now)
    return settle(home, {OVERDUE}, late, now=now, repeat_after_hours=settings.alerts.repeat_after_hours)
