"""What assets are given: the home folder, the limits of this machine, and the clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import dagster as dg
from pydantic import Field

from sopilot_assets.store.home import DEFAULT_HOME, HOME_VARIABLE, Home
from sopilot_assets.store.home_format import refuse_unwritable
from sopilot_assets.store.publish import local_path
from sopilot_assets.store.shared import pull


class HomeResource(dg.ConfigurableResource[Home]):
    """The home folder."""

    root: str = Field(
        default="",
        description=(
            f"Path or URL of the home folder; empty means the variable {HOME_VARIABLE}, and {DEFAULT_HOME} "
            "without it."
        ),
    )

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's name
        """Before each run and tick: what other machines wrote into a home that they share is fetched.

        Raises ``FormatError`` where the home was upgraded under a daemon that still runs.
        """
        refuse_unwritable(local_path(self.home.root))
        pull(local_path(self.home.root))

    @property
    def home(self) -> Home:
        """The layout below the root."""
        return Home.at(self.root or os.environ.get(HOME_VARIABLE) or DEFAULT_HOME)


class LimitsResource(dg.ConfigurableResource[None]):
    """How much one run, and one look at the capture folder, may take."""

    processes: int = Field(
        default=0, ge=0, description="Child processes that read videos; 0 means one a CPU."
    )
    tick_s: float = Field(
        default=38.0,
        gt=0,
        description="Seconds that one look at the capture folder may take; the rest waits for the next.",
    )
    batch_keys: int = Field(default=500, ge=1, description="The most recordings that one run takes.")
    batch_wait_s: float = Field(
        default=180.0,
        ge=0,
        description="Seconds that recordings wait for the rest of their drop before a run starts without it.",
    )

    @property
    def worker_processes(self) -> int:
        """The number of child processes, at least 1."""
        return self.processes or os.cpu_count() or 1


class ClockResource(dg.ConfigurableResource[None]):
    """The time, so that tests can set it."""

    fixed: str | None = Field(default=None, description="An ISO 8601 time to answer instead of the real one.")

    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.fromisoformat(self.fixed) if self.fixed else datetime.now(UTC)

    @property
    def written_at(self) -> str:
        """The time as it is written into ledgers."""
        return self.now().isoformat()


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told how far a run is, where the run is in the process of whoever asked for it: what is done to
    the recordings (e.g. ``aligned``), how many of them are done, and how many there are.
    """

    told: Callable[[str, int, int], object] = lambda *_: None


RESOURCES: Final = {
    "home": HomeResource(),
    "limits": LimitsResource(),
    "clock": ClockResource(),
    "watcher": Watcher(),
}
