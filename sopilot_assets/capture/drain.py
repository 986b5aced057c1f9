"""Taking in all that lies in the capture folder, now, without the sensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from sopilot_assets.capture.clearing import clear_taken
from sopilot_assets.capture.facts import Correction
from sopilot_assets.capture.intake import IntakeLimits, IntakeOutcome, IntakeReport, IntakeStatus, take_in
from sopilot_assets.capture.late_sidecars import read_late_sidecars
from sopilot_assets.capture.scan import DroppedFile, Scan, Skipped, Stability, scan_capture
from sopilot_assets.capture.taken import TakenFile
from sopilot_assets.disk import Room, guard_disk, room_for_files
from sopilot_assets.errors import StoreError
from sopilot_assets.settings import load_settings
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
    """What became of the dropped files, in order; ``waiting`` are still there (``why_waiting`` where that is
    known: else they are being copied, or another intake is at work), ``skipped`` are not touched, with the
    reason. ``corrections`` are what sidecars that came late changed, ``taken`` the files
    that were taken in and are still there. ``paused`` says why nothing is taken in
    at all.
    """

    outcomes: tuple[IntakeOutcome, ...]
    waiting: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    why_waiting: Mapping[str, str] = field(default_factory=dict)
    paused: str | None = None
    corrections: tuple[Correction, ...] = ()
    taken: tuple[TakenFile, ...] = ()

    @property
    def new_keys(self) -> tuple[str, ...]:
        """The partition keys of the recordings that were accepted, ascending."""
        accepted = (one.key for one in self.outcomes if one.status is IntakeStatus.ACCEPTED)
        return tuple(sorted(key for key in accepted if key is not None))

    def count(self, status: IntakeStatus) -> int:
        """How many files ended so."""
        return sum(one.status is status for one in self.outcomes)

    def whole(self) -> Drained:
        """The same; raises ``StoreError`` where the intake is paused."""
        if self.paused is not None:
            raise StoreError(f"Intake is paused: {self.paused}.")
        return self


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
    are decided and how many there are. Nothing is taken in while there is too little disk space.
    """
    outcomes: list[IntakeOutcome] = []
    why_waiting: dict[str, str] = {}
    disk = load_settings(home).disk
    scan, tasks = _look(home)
    clear_taken(home, scan, now_s=now().timestamp())
    _, stability = Stability().observe(scan.candidates)
    idle = 0
    while scan.candidates and idle < _PATIENCE and not guard_disk(home, disk).paused:
        wait(settle_s)
        scan, tasks = _look(home)
        settled, stability = stability.observe(scan.candidates)
        room = room_for_files(home, disk)
        report = _take_in(home, settled, tasks, run_id=f"{run_id}-{len(outcomes)}", now=now, room=room)
        found = report.outcomes
        taken = [one for one in found if one.status is not IntakeStatus.LEFT]
        why_waiting = {one.relative: one.detail for one in found if one.status is IntakeStatus.LEFT}
        stability = stability.after(settled, why_waiting, time_was_up=bool(report.remaining))
        outcomes += taken
        idle = 0 if taken else idle + 1
        scan = replace(scan, candidates=_others(scan.candidates, taken))
        if on_progress:
            on_progress(len(outcomes), len(outcomes) + len(scan.candidates))
    state = guard_disk(home, disk)
    paused = f"{state.what}; {state.action}" if state.paused and scan.candidates else None
    waiting = tuple(one.relative for one in scan.candidates)
    scan_now, _ = _look(home)
    late = read_late_sidecars(home, scan_now, clock=now, run_id=f"{run_id}-sidecars")
    skipped = (*scan.skipped, *late.left)
    return Drained(
        tuple(outcomes),
        waiting,
        skipped,
        why_waiting,
        paused,
        late.corrections,
        tuple(note for _, note in scan_now.taken),
    )


def _look(home: Home) -> tuple[Scan, TaskSet]:
    tasks = find_tasks(home.root)
    return scan_capture(home, task_ids=set(tasks.tasks), unusable_ids=set(tasks.refused)), tasks


def _take_in(
    home: Home,
    settled: tuple[DroppedFile, ...],
    tasks: TaskSet,
    *,
    run_id: str,
    now: Callable[[], datetime],
    room: Room,
) -> IntakeReport:
    if not settled:
        return IntakeReport(())
    return take_in(home, settled, tasks=tasks.tasks, run_id=run_id, clock=now, limits=_LIMITS, room=room)


def _others(candidates: tuple[DroppedFile, ...], taken: list[IntakeOutcome]) -> tuple[DroppedFile, ...]:
    gone = {one.relative for one in taken}
    return tuple(one for one in candidates if one.relative not in gone)
