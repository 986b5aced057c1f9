"""When retention looked last. After a long pause it removes nothing yet.

What is over its time is told by the clock on the wall, and nothing tells a clock that is months ahead from a
machine that was off for months. So a look that comes too long after the one before, or before it, only says
what it would remove. People are told, and have a day to set the clock; the next look removes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_text

LONGEST_PAUSE: Final = timedelta(days=3)
"""A weekend without the machine is no pause."""


@dataclass(frozen=True, slots=True)
class RetentionLook:
    """A look at what is over its time, and when the one before was, None where there was none."""

    at: datetime
    before: datetime | None

    @property
    def waits(self) -> bool:
        """Whether it removes nothing, since the clock may have leapt."""
        return self.before is not None and not timedelta() <= self.at - self.before <= LONGEST_PAUSE


def look_at(home: Home, now: datetime) -> RetentionLook:
    """A look that is taken now; it counts once it is noted."""
    last = last_look(home)
    return RetentionLook(now, last.at if last else None)


def note_look(home: Home, look: RetentionLook) -> None:
    """Note that a look is done."""
    times = [look.at.isoformat(), *([] if look.before is None else [look.before.isoformat()])]
    publish_text(_noted(home), "\n".join(times) + "\n")


def last_look(home: Home) -> RetentionLook | None:
    """The look that was noted last; None where none was."""
    try:
        at, *before = map(datetime.fromisoformat, _noted(home).read_text("utf-8").split())
    except (FileNotFoundError, ValueError):
        return None
    return RetentionLook(at, before[0] if before else None)


def _noted(home: Home) -> Path:
    return local_path(home.alerts / "retention_looked")
