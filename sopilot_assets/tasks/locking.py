"""Locking the version that a task file holds, and verifying a task file against its locks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from upath import UPath

from sopilot_assets.errors import TaskError
from sopilot_assets.tasks.differences import FieldDifference, differences
from sopilot_assets.tasks.files import load_task, read_task
from sopilot_assets.tasks.locks import LockedTask, lock_files, locked_versions, read_lock, write_lock
from sopilot_assets.tasks.spec import TaskSpec


class LockState(StrEnum):
    """How a task file stands to its locks: ``unlocked`` means that no lock has its version yet."""

    UNLOCKED = "unlocked"
    OK = "ok"
    CHANGED = "changed"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class LockVerification:
    """What ``verify_task`` found: a state, changes since the newest lock, sound locks, faults of others."""

    task_id: str
    version: int
    state: LockState
    changes: tuple[FieldDifference, ...]
    locked: tuple[LockedTask, ...]
    faults: tuple[str, ...]


def lock_task(
    path: str | Path | UPath,
    *,
    locked_at: datetime,
    pass_score: float | None = None,
    retrain_score: float | None = None,
) -> LockedTask:
    """The lock of the version in the task file, written now if it was not locked before.

    The task file is never edited: ``pass_score`` and ``retrain_score`` say what the caller means to lock, and
    a file that says otherwise is refused. ``locked_at`` needs a time zone. After a ``TaskError`` every file
    is as it was.
    """
    source = UPath(path)
    if locked_at.tzinfo is None:
        raise TaskError(f"{source}: expected a lock time with a time zone, found {locked_at.isoformat()}.")
    spec = load_task(source)
    _require_score(spec, source, "pass_score", pass_score)
    _require_score(spec, source, "retrain_score", retrain_score)
    for lock in locked_versions(source):
        if lock.spec.version == spec.version:
            return lock
    return write_lock(spec, source, locked_at=locked_at)


def verify_task(path: str | Path | UPath) -> LockVerification:
    """How the task file stands to its locks, and whether every lock is as it was written; changes nothing."""
    source = UPath(path)
    spec = read_task(source)
    locked, faults = _sound_and_damaged(source)
    newest = locked[-1].spec if locked else None
    changes = differences(newest, spec) if newest and spec.version <= newest.version else ()
    return LockVerification(
        spec.task_id, spec.version, _state(spec, newest, changes, faults), changes, locked, faults
    )


def _require_score(spec: TaskSpec, source: UPath, field: str, wanted: float | None) -> None:
    found: float = getattr(spec, field)
    if wanted is not None and found != wanted:
        raise TaskError(
            f"{source}: {field}: expected {wanted:g} as asked, found {found:g}. "
            f"Set `{field}: {wanted:g}` in the file, or lock without asking for it."
        )


def _sound_and_damaged(source: UPath) -> tuple[tuple[LockedTask, ...], tuple[str, ...]]:
    locked: list[LockedTask] = []
    faults: list[str] = []
    for path in lock_files(source):
        try:
            locked.append(read_lock(path))
        except TaskError as error:
            faults.append(str(error))
    return tuple(locked), tuple(faults)


def _state(
    spec: TaskSpec, newest: TaskSpec | None, changes: tuple[FieldDifference, ...], faults: tuple[str, ...]
) -> LockState:
    if faults:
        return LockState.DAMAGED
    if changes:
        return LockState.CHANGED
    return LockState.OK if newest and newest.version == spec.version else LockState.UNLOCKED
