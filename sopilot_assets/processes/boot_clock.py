"""When something happens: the time on the wall, and the time since the machine started.

The clock on the wall can be set while a campaign runs. How long it has been running is therefore measured by
the clock that only goes forward, as long as the machine was not started anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sopilot_assets.processes.posix.machine import boot_id, since_boot_s


@dataclass(frozen=True, slots=True)
class SinceBoot:
    """A time that setting the clock does not change: which start of the machine, and seconds since then."""

    boot_id: str
    seconds: float

    @classmethod
    def now(cls) -> SinceBoot:
        """The present moment."""
        return cls(boot_id(), since_boot_s())

    @classmethod
    def parse(cls, text: str) -> SinceBoot:
        """The time that ``str`` wrote."""
        boot_id, _, seconds = text.rpartition(":")
        return cls(boot_id, float(seconds))

    def __str__(self) -> str:
        return f"{self.boot_id}:{self.seconds:.2f}"


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in UTC, with the seconds since the machine started and which start that was.

    ``boot_id`` is empty where that is not known; then only the clock on the wall counts.
    """

    wall: datetime
    boot_id: str = ""
    since_boot_s: float = 0.0

    def since(self, earlier: Moment) -> float:
        """Seconds from ``earlier`` to this moment; below 0 where the clock went back with a new start."""
        if self.boot_id and self.boot_id == earlier.boot_id:
            return self.since_boot_s - earlier.since_boot_s
        return (self.wall - earlier.wall).total_seconds()

    def before(self, seconds: float) -> Moment:
        """The moment so many seconds before this one."""
        return replace(
            self, wall=self.wall - timedelta(seconds=seconds), since_boot_s=self.since_boot_s - seconds
        )


def moment_at(wall: datetime) -> Moment:
    """The present moment, at which the clock on the wall says ``wall``."""
    try:
        now = SinceBoot.now()
    except OSError:  # not Linux: the clock on the wall has to do
        return Moment(wall)
    return Moment(wall, now.boot_id, now.seconds)
