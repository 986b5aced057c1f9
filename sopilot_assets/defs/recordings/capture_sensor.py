"""The sensor on the capture folder: dropped files become registered recordings, and those become runs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import dagster as dg

from sopilot_assets.capture.clearing import clear_taken
from sopilot_assets.capture.facts import Correction
from sopilot_assets.capture.intake import (
    UNFINISHED_S,
    IntakeLimits,
    IntakeReport,
    IntakeStatus,
    take_in,
)
from sopilot_assets.capture.late_sidecars import SETTLE_S, read_late_sidecars
from sopilot_assets.capture.scan import Stability, scan_capture
from sopilot_assets.defs.recordings.batches import Batch
from sopilot_assets.defs.recordings.jobs import score_new_recordings
from sopilot_assets.defs.recordings.pending import (
    due_batches,
    register_recordings,
    register_studies,
    run_request,
)
from sopilot_assets.defs.resources import ClockResource, HomeResource, LimitsResource
from sopilot_assets.defs.runs import STATION
from sopilot_assets.disk import DiskState, guard_disk, room_for_files
from sopilot_assets.errors import SopilotError
from sopilot_assets.settings import DiskLimits, load_settings
from sopilot_assets.stations.gold_inputs import gold_remarks, task_inputs
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import find_tasks

_LOGGED: Final = 50
AUDIT_EVERY_S: Final = 60.0
"""How often it is looked for recordings without a score, although nothing new was dropped."""


@dataclass(frozen=True, slots=True)
class CaptureCursor:
    """What one tick tells the next; times are seconds since the epoch, None where there is nothing to wait
    for.
    """

    stability: Stability = field(default_factory=Stability)
    audited_s: float | None = None
    waiting_since_s: float | None = None
    told: tuple[str, ...] = ()
    """What is wrong with golds, their steps.csv and labels, as it was at the last look."""

    def to_json(self) -> str:
        """The cursor as text."""
        return json.dumps(
            {
                "seen": self.stability.seen,
                "put_off": sorted(self.stability.put_off),
                "audited_s": self.audited_s,
                "waiting_since_s": self.waiting_since_s,
                "told": self.told,
            }
        )

    @classmethod
    def from_json(cls, text: str | None) -> "CaptureCursor":
        """The cursor that `to_json` wrote; anything else starts afresh, which costs one tick."""
        try:
            found = json.loads(text or "{}")
            seen = Stability.from_json(json.dumps(found.get("seen", {})))
            seen = replace(seen, put_off=frozenset(map(str, found.get("put_off", ()))))
            told = tuple(map(str, found.get("told", ())))
            return cls(seen, found.get("audited_s"), found.get("waiting_since_s"), told)
        except (ValueError, AttributeError, TypeError):
            return cls()


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the capture folder: what intake did, how many files are left there, and what it does not
    touch.
    """

    report: IntakeReport
    left: int
    untouched: tuple[str, ...]
    stability: Stability
    corrections: tuple[Correction, ...] = ()


@dg.sensor(
    job=score_new_recordings,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Takes in the files below capture/ that look the same in two ticks, gives each accepted recording "
        "its partition, "
        "and launches one run for the whole drop once the folder is empty. Recordings that have no score "
        "and no run, "
        "for whatever reason, are launched again. While there is too little disk space (settings.yaml, disk) "
        "it does nothing and says so."
    ),
    tags={STATION: "0"},
)
def capture_sensor(
    context: dg.SensorEvaluationContext, home: HomeResource, limits: LimitsResource, clock: ClockResource
) -> dg.SensorResult:
    """One tick."""
    cursor, now = CaptureCursor.from_json(context.cursor), clock.now()
    disk = load_settings(home.home).disk
    space = guard_disk(home.home, disk)
    if space.paused:
        return dg.SensorResult(skip_reason=_paused(space), cursor=cursor.to_json())
    look = look_at_capture(home.home, cursor.stability, limits=limits, clock=clock, disk=disk)
    _log_look(context, look)
    cursor = replace(cursor, stability=look.stability)
    if not _audit_is_due(cursor, look, now.timestamp()):
        return dg.SensorResult(skip_reason=_summary(look, cursor.told), cursor=cursor.to_json())
    try:
        return _audited(context, home.home, cursor, look, limits=limits, now=now)
    except SopilotError as error:  # whatever is damaged, what settled is known to the next tick
        reason = f"{_summary(look, cursor.told)}; no run is launched: {error}"
        return dg.SensorResult(skip_reason=reason, cursor=cursor.to_json())


def _audited(
    context: dg.SensorEvaluationContext,
    home: Home,
    cursor: CaptureCursor,
    look: Look,
    *,
    limits: LimitsResource,
    now: datetime,
) -> dg.SensorResult:
    """What is new gets its partition, and what has no score a run."""
    cursor = replace(cursor, told=_golds_told(home))
    fresh = register_recordings(context.instance, home)
    try:
        register_studies(context.instance, home)
    except SopilotError as error:  # labels and studies hold up no recording
        cursor = replace(cursor, told=(*cursor.told, str(error)))
    batches = due_batches(context.instance, home, now=now, largest=limits.batch_keys)
    waiting_since_s = cursor.waiting_since_s or now.timestamp()
    ready = _ready(batches, look, limits, waited_s=abs(now.timestamp() - waiting_since_s))
    held = len(batches) - len(ready)
    cursor = replace(cursor, audited_s=now.timestamp(), waiting_since_s=waiting_since_s if held else None)
    if fresh or batches:
        message = f"{len(fresh)} recordings registered, {len(ready)} runs launched, {held} held back"
        context.log.info(message)
    if not ready:
        return dg.SensorResult(skip_reason=_summary(look, cursor.told), cursor=cursor.to_json())
    return dg.SensorResult(run_requests=[run_request(batch) for batch in ready], cursor=cursor.to_json())


def look_at_capture(
    home: Home, stability: Stability, *, limits: LimitsResource, clock: ClockResource, disk: DiskLimits
) -> Look:
    """Take in what has settled in the capture folder, as far as time and disk space go."""
    tasks = find_tasks(home.root)
    scan = scan_capture(home, task_ids=set(tasks.tasks), unusable_ids=set(tasks.refused))
    clear_taken(home, scan, now_s=clock.now().timestamp())
    settled, stability = stability.observe(scan.candidates)
    report = IntakeReport(())
    if settled:
        report = take_in(
            home,
            settled,
            tasks=tasks.tasks,
            run_id=f"capture-{clock.now():%Y%m%dT%H%M%S}",
            clock=clock.now,
            limits=IntakeLimits(total_s=limits.tick_s, unfinished_s=UNFINISHED_S),
            room=room_for_files(home, disk),
        )
        left_there = {one.relative for one in report.with_status(IntakeStatus.LEFT)}
        stability = stability.after(settled, left_there, time_was_up=bool(report.remaining))
    late = read_late_sidecars(
        home, scan, clock=clock.now, run_id=f"sidecars-{clock.now():%Y%m%dT%H%M%S}", settle_s=SETTLE_S
    )
    left = len(scan.candidates) - len(report.outcomes) + len(report.with_status(IntakeStatus.LEFT))
    noted = [one for one in scan.skipped if not one.usual] + list(late.left)
    untouched = tuple(f"{one.relative}: {one.why}" for one in noted)
    return Look(report, left, untouched, stability, late.corrections)


def _audit_is_due(cursor: CaptureCursor, look: Look, now_s: float) -> bool:
    if look.report.with_status(IntakeStatus.ACCEPTED) or cursor.waiting_since_s is not None:
        return True
    # a time ahead is of a clock that went back since
    return cursor.audited_s is None or abs(now_s - cursor.audited_s) >= AUDIT_EVERY_S


def _ready(batches: list[Batch], look: Look, limits: LimitsResource, *, waited_s: float) -> list[Batch]:
    """The batches to launch; new recordings wait for the rest of their drop, but not for ever."""
    size = sum(batch.keys.size for batch in batches)
    complete = look.left == 0 or size >= limits.batch_keys or waited_s >= limits.batch_wait_s
    return [batch for batch in batches if complete or batch.follows is not None]


def _paused(space: DiskState) -> str:
    """Neither files are taken in nor runs launched: what is free is for the runs at work to end."""
    return f"{space.what}. To do: {space.action}."


def _golds_told(home: Home) -> tuple[str, ...]:
    return tuple(gold_remarks(home, task_inputs(home, find_tasks(home.root).tasks)))


def _summary(look: Look, told: Sequence[str]) -> str:
    count = len(look.report.outcomes)
    files = (
        f"{count} files taken in, {look.left} left in the capture folder"
        if count or look.left
        else "no new files"
    )
    return "; ".join([files, *told])


def _log_look(context: dg.SensorEvaluationContext, look: Look) -> None:
    refused = [
        f"{one.relative}: quarantined, {one.reason}"
        for one in look.report.with_status(IntakeStatus.QUARANTINED)
    ]
    left = [f"{one.relative}: left there, {one.detail}" for one in look.report.with_status(IntakeStatus.LEFT)]
    changed = [f"{one.key}: {one.fact} {one.was} -> {one.now}, {one.why}" for one in look.corrections]
    lines = [*refused, *left, *changed, *(look.untouched if look.report.outcomes else ())]
    if lines:
        message = "in the capture folder:\n" + "\n".join(lines[:_LOGGED])
        context.log.warning(message)
