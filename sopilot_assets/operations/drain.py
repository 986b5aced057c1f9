"""Taking in all that lies in the capture folder, now, without the sensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sopilot_assets.capture.intake import IntakeLimits, Outcome, Status, take_in
from sopilot_assets.capture.scan import Candidate, Scan, Skipped, Stability, scan_capture
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import TaskSet, find_tasks

SETTLE_S: Final = 2.0
"""Seconds between two looks; a file that looks the same in both is complete."""

_PATIENCE: Final = 2
"""Looks in a row without progress after which the rest is left for another time."""

_LIMITS: Final = IntakeLimits(total_s=IntakeLimits().file_s + 6.0)
"""Short calls, so that progress shows every few seconds."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of the dropped files, in order; ``waiting`` are still there (being copied, or another
    intake is at work), ``skipped`` are not touched, with the reason.
    """

    outcomes: tuple[Outcome, ...]
    waiting: tuple[str, ...]
    skipped: tuple[Skipped, ...]

    @property
    def new_keys(self) -> tuple[str, ...]:
        """The partition keys of the recordings that were accepted, ascending."""
        accepted = (one.key for one in self.outcomes if one.status is Status.ACCEPTED)
        return tuple(sorted(key for key in accepted if key is not None))

    def count(self, status: Status) -> int:
        """How many files ended so."""
        return sum(one.status is status for one in self.outcomes)


def drain_capture(
    home: Home,
    *,
    run_id: str,
    now: Callable[[], datetime],
    wait: Callable[[float], None],
    settle_s: float = SETTLE_S,
    on_progress: Callable[[int, int], None] | None = None,
) -> Drained:
    """What became of every file in the capture folder that has settled.

    ``wait`` sleeps for ``settle_s`` seconds before each further look. It ends when nothing is left, or when
    nothing more settles: files that somebody is copying stay ``waiting``. ``on_progress`` gets how many files
    are decided and how many there are.
    """
    outcomes: list[Outcome] = []
    scan, tasks = _look(home)
    _, stability = Stability().observe(scan.candidates)
    idle = 0
    while scan.candidates and idle < _PATIENCE:
        wait(settle_s)
        scan, tasks = _look(home)
        settled, stability = stability.observe(scan.candidates)
        taken = _take_in(home, settled, tasks, run_id=f"{run_id}-{len(outcomes)}", now=now)
        outcomes += taken
        idle = 0 if taken else idle + 1
        scan = Scan(_others(scan.candidates, taken), scan.skipped)
        if on_progress:
            on_progress(len(outcomes), len(outcomes) + len(scan.candidates))
    return Drained(tuple(outcomes), tuple(one.relative for one in scan.candidates), scan.skipped)


def _look(home: Home) -> tuple[Scan, TaskSet]:
    tasks = find_tasks(home.root)
    return scan_capture(home, task_ids=set(tasks.tasks), unusable_ids=set(tasks.refused)), tasks


def _take_in(
    home: Home,
    settled: tuple[Candidate, ...],
    tasks: TaskSet,
    *,
    run_id: str,
    now: Callable[[], datetime],
) -> list[Outcome]:
    """The outcomes of files that are gone from the capture folder now."""
    if not settled:
        return []
    report = take_in(home, settled, tasks=tasks.tasks, run_id=run_id, clock=now, limits=_LIMITS)
    return [one for one in report.outcomes if one.status is not Status.LEFT]


def _others(candidates: tuple[Candidate, ...], taken: list[Outcome]) -> tuple[Candidate, ...]:
    gone = {one.relative for one in taken}
    return tuple(one for one in candidates if one.relative not in gone)
