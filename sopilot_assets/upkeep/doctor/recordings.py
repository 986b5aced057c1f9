"""Tasks, models, recordings and their scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from sopilot_assets.capture.ledgers import quarantine_ledger
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.registry import active_keys, active_recordings
from sopilot_assets.capture.scan import scan_capture
from sopilot_assets.embedding.model_states import model_states
from sopilot_assets.reference.annotations import read_steps_csv
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.publish import local_path
from sopilot_assets.store.shared import names_in_store
from sopilot_assets.tasks import LockState, verify_task
from sopilot_assets.upkeep.doctor.finding import Finding, Patient, State

BACKLOG_S: Final = 600.0
"""Dropped files older than this should have been taken in."""
ENOUGH_GOLDS: Final = 4
ENOUGH_PERSONS: Final = 2


def task_files(patient: Patient) -> Iterator[Finding]:
    """Task files that cannot be used, and their locks."""
    for task_id, error in patient.tasks.refused.items():
        yield Finding(f"task {task_id}", State.PROBLEM, str(error), f"sopilot task show {task_id}")
    for task_id, task in patient.tasks.tasks.items():
        state = verify_task(patient.home.tasks / f"{task_id}.yaml").state
        if state is LockState.OK:
            yield Finding(f"task {task_id}", State.OK, f"version {task.version}, locked")
        elif state is LockState.UNLOCKED:
            what = f"version {task.version} is not locked: it can change under its scores"
            yield Finding(f"task {task_id}", State.WARNING, what, f"sopilot task lock {task_id}")
        else:
            what = f"its lock is {state.value}"
            yield Finding(f"task {task_id}", State.PROBLEM, what, f"sopilot task lock --check {task_id}")
    if not (patient.tasks.tasks or patient.tasks.refused):
        yield Finding("tasks", State.WARNING, "none yet", "sopilot task create, or sopilot demo run")


def task_of_recordings(patient: Patient) -> Iterator[Finding]:
    """Recordings whose task has no file that can be used: nothing of them can be scored."""
    known = set(patient.tasks.tasks)
    lost = Counter(task_id for task_id in active_keys(patient.home).values() if task_id not in known)
    for task_id, count in sorted(lost.items()):
        what = f"{count} recordings belong to it, and tasks/{task_id}.yaml is missing or cannot be used"
        action = f"restore tasks/{task_id}.yaml (sopilot backup restore), or correct it"
        yield Finding(f"task {task_id}", State.PROBLEM, what, action)


def models(patient: Patient) -> Iterator[Finding]:
    """The models that tasks ask for, their files against their manifests."""
    for model in model_states(patient.home):
        if model.tasks:
            state = State.OK if model.usable else State.PROBLEM
            action = "" if model.usable else "sopilot model preload, or follow the message"
            yield Finding(f"model {model.name}", state, model.state, action)


def golds(patient: Patient) -> Iterator[Finding]:
    """Whether each task has golds enough, by how many persons, and whether their steps are confirmed."""
    entries = active_recordings(patient.home)
    for task_id, task in patient.tasks.tasks.items():
        rows = [one.row for one in entries.values() if one.task_id == task_id and one.role == "gold"]
        persons = len({str(row["person"]) for row in rows})
        annotated = read_steps_csv(patient.home.steps_csv(task_id), task.step_ids) if rows else {}
        named = [
            any(str(row[name]) in annotated for name in ("original_name", "sha256", "video_id"))
            for row in rows
        ]
        yield _gold_finding(task_id, len(rows), persons, sum(named))


def _gold_finding(task_id: str, count: int, persons: int, confirmed: int) -> Finding:
    check, what = f"golds of {task_id}", f"{count} by {persons} persons, steps of {confirmed} confirmed"
    add = f"sopilot capture add FOLDER --task {task_id} --role gold --site SITE"
    if count == 0:
        return Finding(check, State.WARNING, "none yet: nothing can be scored", add)
    if count < ENOUGH_GOLDS or persons < ENOUGH_PERSONS:
        why = f"{what}; {ENOUGH_GOLDS} by {ENOUGH_PERSONS} persons give sane results"
        return Finding(check, State.WARNING, why, add)
    if confirmed < count:
        return Finding(check, State.WARNING, what, f"complete capture/{task_id}/gold/steps.csv")
    return Finding(check, State.OK, what)


def capture_folder(patient: Patient) -> Iterator[Finding]:
    """Dropped files that nobody took in."""
    tasks = patient.tasks
    scan = scan_capture(patient.home, task_ids=set(tasks.tasks), unusable_ids=set(tasks.refused))
    ages = [patient.now_s - one.state.mtime_ns / 1e9 for one in scan.candidates]
    old = sum(age > BACKLOG_S for age in ages)
    if old:
        what = f"{old} of {len(ages)} files wait for more than {BACKLOG_S / 60:.0f} minutes"
        yield Finding("capture folder", State.WARNING, what, "make dev, or sopilot capture register")
    else:
        yield Finding("capture folder", State.OK, f"{len(ages)} files wait" if ages else "empty")
    if scan.skipped:
        first = scan.skipped[0]
        what = f"{len(scan.skipped)} entries are left alone, e.g. {first.relative}: {first.why}"
        yield Finding("capture folder", State.WARNING, what, "sopilot capture register lists them")


def stored_files(patient: Patient) -> Iterator[Finding]:
    """Whether every recording's file is there."""
    entries = active_recordings(patient.home).values()
    away = [one for one in entries if not (patient.home.videos / one.stored_name).exists()]
    kept = names_in_store(local_path(patient.home.videos)) if away else set()
    gone = [one.key for one in away if one.stored_name not in kept]
    if gone:
        what = f"{len(gone)} stored videos are gone, e.g. of {gone[0]}"
        yield Finding(
            "videos", State.PROBLEM, what, "restore them from a backup, or drop the recordings again"
        )
    else:
        yield Finding("videos", State.OK, f"{len(entries)} recordings, all files there")


def quarantine(patient: Patient) -> Iterator[Finding]:
    """Refused files by reason."""
    reasons = Counter(quarantine_ledger(patient.home).latest()["reason"])
    known = {reason.value for reason in Reason}
    if reasons:
        shown = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common() if reason in known)
        yield Finding("quarantine", State.WARNING, shown, "sopilot recording list --refused")
    else:
        yield Finding("quarantine", State.OK, "empty")


def scores(patient: Patient) -> Iterator[Finding]:
    """Recordings without a score, scores that something newer would make differently, and failed ones."""
    entries, rows = active_recordings(patient.home), scores_ledger(patient.home).latest()
    findings = [
        *_unscored(len(set(entries) - set(rows["key"]))),
        *_outdated(patient, set(entries) & set(rows["key"])),
    ]
    failed = int(rows["problem"].notna().sum())
    if failed:
        what = f"{failed} recordings could not be scored"
        findings.append(Finding("scores", State.WARNING, what, "sopilot score list --problems"))
    yield from findings or [Finding("scores", State.OK, "up to date")]


def _unscored(count: int) -> Iterator[Finding]:
    if count:
        yield Finding("scores", State.WARNING, f"{count} recordings have none", "sopilot score run")


def _outdated(patient: Patient, scored: set[str]) -> Iterator[Finding]:
    """The stale ones among the scored recordings; to know that, their model is made ready if it is not."""
    if not scored:
        return
    frame = stale_scores(patient.home)
    why = Counter(frame[frame["key"].isin(list(scored))]["why"])
    if why:
        shown = ", ".join(f"{count} because of the {reason}" for reason, count in sorted(why.items()))
        yield Finding("scores", State.WARNING, f"out of date: {shown}", "sopilot score run --stale")
