"""What is wrong with an installation and its home, and the next action for each.

Every check looks and changes nothing. A ``problem`` has to be mended before results can be trusted or made; a
``warning`` is worth a look.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

import yaml

from sopilot_assets.capture.ledgers import quarantine_ledger
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.scan import scan_capture
from sopilot_assets.errors import SopilotError
from sopilot_assets.operations.initialise import SETTINGS, dagster_home
from sopilot_assets.operations.judge import stale_scores
from sopilot_assets.operations.model_states import model_states
from sopilot_assets.operations.packages import differing_packages, missing_packages
from sopilot_assets.operations.planning import active
from sopilot_assets.reference.annotations import read_steps_csv
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import TEMPORARY_PREFIX, local_path, scratch_folder
from sopilot_assets.tasks import LockState, TaskSet, find_tasks, verify_task

LEAST_FREE_BYTES: Final = 1 << 30
LITTLE_FREE_BYTES: Final = 10 << 30
OLD_S: Final = 3600.0
"""Temporary files older than this belong to nobody who is still at work."""
BACKLOG_S: Final = 600.0
"""Dropped files older than this should have been taken in."""
ENOUGH_GOLDS: Final = 4
ENOUGH_PERSONS: Final = 2


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check; ``action`` is empty where there is nothing to do."""

    check: str
    state: State
    what: str
    action: str = ""


@dataclass(frozen=True)
class Patient:
    """The home that is looked at; ``now_s`` is the time since the epoch, ``environment`` the variables."""

    home: Home
    now_s: float
    environment: Mapping[str, str]

    @cached_property
    def tasks(self) -> TaskSet:
        """The tasks, read once for all checks."""
        return find_tasks(self.home.root)


def examine_home(home: Home, *, now_s: float, environment: Mapping[str, str]) -> list[Finding]:
    """The findings of every check, in the order in which things should be mended."""
    patient = Patient(home, now_s, environment)
    if not local_path(home.root).is_dir():
        absent = Finding(
            "home", State.PROBLEM, f"{home.root} is not there", "sopilot init, or name another with --home"
        )
        return [*packages(patient), absent]
    return [finding for check in CHECKS for finding in _guarded(check, patient)]


def _guarded(check: Callable[[Patient], Iterator[Finding]], patient: Patient) -> list[Finding]:
    """What the check found; an error of ours that stops it is itself a finding."""
    try:
        return list(check(patient))
    except SopilotError as error:
        return [Finding(check.__name__.replace("_", " "), State.PROBLEM, str(error), "see the message")]


def packages(_: Patient) -> Iterator[Finding]:
    """Python packages against what the project needs and pins."""
    missing, differing = missing_packages(), differing_packages()
    install = "make setup (or pip install -c constraints.txt -e .)"
    if missing:
        yield Finding("packages", State.PROBLEM, f"missing: {', '.join(missing)}", install)
    if differing:
        shown = ", ".join(f"{one.name} {one.installed} instead of {one.pinned}" for one in differing[:3])
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        yield Finding("packages", State.WARNING, f"other versions than pinned: {shown}{more}", install)
    if not (missing or differing):
        yield Finding("packages", State.OK, "as pinned")


def writable(patient: Patient) -> Iterator[Finding]:
    """Whether a file can be made in the home."""
    try:
        with scratch_folder(patient.home.root) as folder:
            (folder / "probe").write_bytes(b"probe")
        yield Finding("home", State.OK, f"{patient.home.root}, writable")
    except OSError as error:
        what = f"{patient.home.root} cannot be written: {error.strerror or error}"
        yield Finding("home", State.PROBLEM, what, "mend the permissions or the disk")


def disk_space(patient: Patient) -> Iterator[Finding]:
    """Free space where the home lies."""
    free = shutil.disk_usage(local_path(patient.home.root)).free
    what = f"{free / (1 << 30):.1f} GiB free"
    if free < LEAST_FREE_BYTES:
        yield Finding("disk space", State.PROBLEM, what, "free some space: nothing more can be taken in")
    elif free < LITTLE_FREE_BYTES:
        yield Finding("disk space", State.WARNING, what, "free some space before the next large drop")
    else:
        yield Finding("disk space", State.OK, what)


def dagster_settings(patient: Patient) -> Iterator[Finding]:
    """Whether Dagster's instance is the home's own, and its settings can be read."""
    folder, named = dagster_home(patient.home), patient.environment.get("DAGSTER_HOME")
    absent = [name for name in SETTINGS if not (folder / name).is_file()]
    if absent:
        yield Finding("Dagster", State.PROBLEM, f"{folder} lacks {', '.join(absent)}", "sopilot init")
        return
    try:
        yaml.safe_load((folder / "dagster.yaml").read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        what = f"{folder / 'dagster.yaml'} is not YAML: {error}"
        yield Finding("Dagster", State.PROBLEM, what, "correct it, or delete it and run sopilot init")
        return
    if named is not None and local_path(Home.at(named).root) != folder:
        what = f"DAGSTER_HOME is {named}, this home's is {folder}"
        yield Finding("Dagster", State.WARNING, what, f"export DAGSTER_HOME={folder}")
    else:
        yield Finding("Dagster", State.OK, f"settings in {folder}")


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
            yield Finding(f"task {task_id}", State.PROBLEM, what, f"sopilot task verify {task_id}")
    if not (patient.tasks.tasks or patient.tasks.refused):
        yield Finding("tasks", State.WARNING, "none yet", "sopilot task new, or sopilot demo")


def models(patient: Patient) -> Iterator[Finding]:
    """The models that tasks ask for, their files against their manifests."""
    for model in model_states(patient.home):
        if model.tasks:
            state = State.OK if model.usable else State.PROBLEM
            action = "" if model.usable else "sopilot models preload, or follow the message"
            yield Finding(f"model {model.name}", state, model.state, action)


def golds(patient: Patient) -> Iterator[Finding]:
    """Whether each task has golds enough, by how many persons, and whether their steps are confirmed."""
    entries = active(patient.home)
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
        yield Finding("capture folder", State.WARNING, what, "make dev, or sopilot capture intake")
    else:
        yield Finding("capture folder", State.OK, f"{len(ages)} files wait" if ages else "empty")
    if scan.skipped:
        first = scan.skipped[0]
        what = f"{len(scan.skipped)} entries are left alone, e.g. {first.relative}: {first.why}"
        yield Finding("capture folder", State.WARNING, what, "sopilot capture intake lists them")


def stored_files(patient: Patient) -> Iterator[Finding]:
    """Whether every recording's file is there."""
    entries = active(patient.home).values()
    gone = [one.key for one in entries if not (patient.home.videos / one.stored_name).exists()]
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
        yield Finding("quarantine", State.WARNING, shown, "sopilot capture quarantine")
    else:
        yield Finding("quarantine", State.OK, "empty")


def scores(patient: Patient) -> Iterator[Finding]:
    """Recordings without a score, scores that something newer would make differently, and failed ones."""
    entries, rows = active(patient.home), scores_ledger(patient.home).latest()
    findings = [
        *_unscored(len(set(entries) - set(rows["key"]))),
        *_outdated(patient, set(entries) & set(rows["key"])),
    ]
    failed = int(rows["problem"].notna().sum())
    if failed:
        what = f"{failed} recordings could not be scored"
        findings.append(Finding("scores", State.WARNING, what, "sopilot show scores --problems"))
    yield from findings or [Finding("scores", State.OK, "up to date")]


def _unscored(count: int) -> Iterator[Finding]:
    if count:
        yield Finding("scores", State.WARNING, f"{count} recordings have none", "sopilot score")


def _outdated(patient: Patient, scored: set[str]) -> Iterator[Finding]:
    """The stale ones among the scored recordings; to know that, their model is made ready if it is not."""
    if not scored:
        return
    frame = stale_scores(patient.home)
    why = Counter(frame[frame["key"].isin(list(scored))]["why"])
    if why:
        shown = ", ".join(f"{count} because of the {reason}" for reason, count in sorted(why.items()))
        yield Finding("scores", State.WARNING, f"out of date: {shown}", "sopilot score --stale")


def leftovers(patient: Patient) -> Iterator[Finding]:
    """Temporary files of processes that were killed."""
    count = sum(1 for age in _temporary_ages(patient) if age > OLD_S)
    if count:
        what = f"{count} temporary files that nobody will finish"
        yield Finding("leftovers", State.WARNING, what, "sopilot doctor --sweep")
    else:
        yield Finding("leftovers", State.OK, "none")


def _temporary_ages(patient: Patient) -> Iterator[float]:
    for folder, _, names in os.walk(local_path(patient.home.root)):
        for name in names:
            if name.startswith(TEMPORARY_PREFIX):
                with contextlib.suppress(FileNotFoundError):
                    yield patient.now_s - Path(folder, name).stat().st_mtime


CHECKS: Final[tuple[Callable[[Patient], Iterator[Finding]], ...]] = (
    packages,
    writable,
    disk_space,
    dagster_settings,
    task_files,
    models,
    golds,
    capture_folder,
    stored_files,
    quarantine,
    scores,
    leftovers,
)
