"""The states that a task had, by which two of them can be chosen and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.errors import TaskError
from sopilot_assets.store.home import Home
from sopilot_assets.tasks.compared import ToldDifference, told_differences
from sopilot_assets.tasks.files import read_task
from sopilot_assets.tasks.history import (
    TaskFileEvent,
    TaskHappening,
    file_sha256,
    task_file,
    task_history,
    task_then,
)
from sopilot_assets.tasks.locking import verify_task
from sopilot_assets.tasks.locks import LockedTask
from sopilot_assets.tasks.spec import TaskSpec
from sopilot_assets.texts.languages import Text

NOW: Final = "now"
_HAPPENED: Final = {
    TaskHappening.BEGUN: Text("begun", "作成"),
    TaskHappening.SAVED: Text("changed at the desk", "デスクで変更"),
    TaskHappening.FOUND: Text("as the desk found the file", "デスクが確認した時点のファイル"),
    TaskHappening.LOCKED: Text("locked at the desk", "デスクで確定"),
}
_LOCKED: Final = Text("locked", "確定")
_FILE: Final = Text("the file as it is now", "現在のファイル")


@dataclass(frozen=True, slots=True)
class TaskState:
    """One state of a task: ``name`` chooses it, ``at`` is ISO 8601 (empty: now), ``seq`` its event of the
    history, None where there is none. ``same_as_before``: the file was not changed by it.
    """

    name: str
    version: int
    happened: Text
    who: str = ""
    at: str = ""
    why: str = ""
    seq: int | None = None
    same_as_before: bool = False


@dataclass(frozen=True, slots=True)
class ComparedTask:
    """The states of a task, the newest first, and how two of them differ; none where nothing was chosen."""

    task: TaskSpec
    states: tuple[TaskState, ...]
    before: str
    after: str
    differences: tuple[ToldDifference, ...]


def compare_versions(home: Home, task_id: str, *, before: str, after: str) -> ComparedTask:
    """The states of a task and how ``before`` differs from ``after``, names of two of them. An empty name
    stands for the newest state, or the last one that was another.

    Raises `TaskError` for a task that cannot be read, and for a state that there is not.
    """
    task = read_task(task_file(home, task_id))
    events = task_history(home).read(task_id)
    locked = verify_task(task_file(home, task_id)).locked
    states = _states(home, task, events, locked)
    after = after or states[0].name
    older = next((place for place, one in enumerate(states) if one.name == after), 0)
    while states[older].same_as_before:
        older += 1
    before = before or states[min(older + 1, len(states) - 1)].name
    old, new = (_task_of(task, events, locked, name) for name in (before, after))
    agreed = any(name.startswith("lock-") for name in (before, after))
    return ComparedTask(task, states, before, after, told_differences(old, new, agreed=agreed))


def _states(
    home: Home, task: TaskSpec, events: Sequence[TaskFileEvent], locked: Sequence[LockedTask]
) -> tuple[TaskState, ...]:
    known = [
        TaskState(
            name=f"change-{one.seq}",
            version=one.version,
            happened=_HAPPENED[one.happened],
            who="" if one.happened is TaskHappening.FOUND else one.who,
            at=one.at,
            why=one.why,
            seq=one.seq,
            same_as_before=place > 0 and one.file_sha256 == events[place - 1].file_sha256,
        )
        for place, one in enumerate(events)
    ]
    by_desk = {one.version for one in events if one.happened is TaskHappening.LOCKED}
    known += [
        TaskState(f"lock-{one.spec.version}", one.spec.version, _LOCKED, at=one.locked_at.isoformat())
        for one in locked
        if one.spec.version not in by_desk
    ]
    ordered = [state for _, state in sorted(enumerate(known), key=lambda one: (one[1].at, one[0]))]
    last = file_sha256(task_file(home, task.task_id).read_bytes())
    if not events or events[-1].file_sha256 != last:
        ordered.append(TaskState(NOW, task.version, _FILE))
    return tuple(reversed(ordered))


def _task_of(
    now: TaskSpec, events: Sequence[TaskFileEvent], locked: Sequence[LockedTask], name: str
) -> TaskSpec:
    kind, _, number = name.partition("-")
    if name == NOW:
        return now
    for one in events:
        if (kind, number) == ("change", str(one.seq)):
            return task_then(one)
    for lock in locked:
        if (kind, number) == ("lock", str(lock.spec.version)):
            return lock.spec
    raise TaskError(
        f"{now.task_id}: expected one of its versions, found {name[:40]!r}. Choose from the list."
    )
