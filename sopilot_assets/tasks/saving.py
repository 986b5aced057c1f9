"""Saving and locking a task at the desk: from which state of its file on, by whom and why, and what a locked
version forbids.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sopilot_assets.errors import TaskError
from sopilot_assets.store.home import Home
from sopilot_assets.tasks.differences import differences
from sopilot_assets.tasks.files import parse_task
from sopilot_assets.tasks.history import (
    TaskHappening,
    file_sha256,
    keep,
    only_task_writer,
    task_file,
    task_history,
    unchanged_since,
)
from sopilot_assets.tasks.locking import LockState, LockVerification, lock_task, verify_task
from sopilot_assets.tasks.locks import LockedTask
from sopilot_assets.tasks.rewriting import rewritten
from sopilot_assets.tasks.spec import TaskSpec


@dataclass(frozen=True, slots=True)
class OpenedTask:
    """A task as whoever changes it finds it: what the file says, the SHA-256 of its bytes, how it stands to
    its locks, and the ids that its steps have or had.
    """

    task: TaskSpec
    base: str
    lock: LockVerification
    used: frozenset[str]


def open_task(home: Home, task_id: str) -> OpenedTask:
    """A task to be changed; `TaskError` where its file cannot be read or one of its locks is damaged.

    A file that differs from its locked version can be opened: saved, it becomes a new version.
    """
    source = task_file(home, task_id)
    lock = verify_task(source)
    if lock.state is LockState.DAMAGED:
        raise TaskError("\n".join(lock.faults))
    data = source.read_bytes()
    task = parse_task(data, source=source)
    kept = [step_id for one in lock.locked for step_id in one.spec.step_ids]
    kept += [step_id for event in task_history(home).read(task_id) for step_id in event.steps]
    return OpenedTask(task, file_sha256(data), lock, frozenset((*task.step_ids, *kept)))


def can_be_mended(home: Home, task_id: str) -> bool:
    """Whether a file that cannot be used only differs from its locked version, so that saving it at the desk
    makes it the next one.
    """
    try:
        return verify_task(task_file(home, task_id)).state is LockState.CHANGED
    except TaskError:
        return False


def with_version(opened: OpenedTask, wanted: TaskSpec) -> TaskSpec:
    """What is saved: a locked version that says something else becomes the next version."""
    newest = opened.lock.locked[-1].spec if opened.lock.locked else None
    if newest is None or opened.task.version > newest.version:
        return wanted.model_copy(update={"version": opened.task.version})
    same = wanted.model_copy(update={"version": newest.version})
    return same.model_copy(update={"version": newest.version + 1}) if differences(newest, same) else same


def save_task(
    home: Home, task_id: str, wanted: TaskSpec, *, base: str, who: str, why: str, at: datetime
) -> TaskSpec:
    """The task as it was saved; its file keeps its comments, and its history who changed it and why.

    ``base`` is the SHA-256 of the file that the change began from: raises `TaskConflict` where it is another
    by now, and `TaskError` for a file that cannot be changed here. Nothing is changed then.
    """
    with only_task_writer(home):
        opened = open_task(home, task_id)
        before = unchanged_since(home, task_id, base)
        saved = with_version(opened, wanted)
        data = rewritten(before, saved, source=task_file(home, task_id))
        if data != before:
            keep(home, task_id, TaskHappening.SAVED, data, before=before, who=who, why=why, at=at)
    return saved


def lock_as_seen(home: Home, task_id: str, *, base: str, who: str, at: datetime) -> LockedTask:
    """The lock of the version in the task's file, written now, and noted in its history.

    Raises `TaskConflict` where the file is not the one with the SHA-256 ``base`` any more.
    """
    with only_task_writer(home):
        data = unchanged_since(home, task_id, base)
        if verify_task(task_file(home, task_id)).state is LockState.UNLOCKED:
            keep(home, task_id, TaskHappening.LOCKED, data, before=data, who=who, why="", at=at)
        return lock_task(task_file(home, task_id), locked_at=at)
