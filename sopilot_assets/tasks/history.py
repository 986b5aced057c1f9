"""Who changed a task's file, when and why: a chain of events for each task, each with the file of then.

Only what goes through the desk is known by name. A file that was changed by hand is kept as it was found
when the next change is made, so that no version of it is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import pyarrow as pa
from pydantic import Field, StringConstraints, ValidationError
from upath import UPath

from sopilot_assets.errors import LedgerError, TaskConflict, TaskError
from sopilot_assets.store.chain import CHAIN_COLUMNS, Chain, ChainDraft, ChainEvent, Hash, Who
from sopilot_assets.store.home import Home, plain_id
from sopilot_assets.store.ledgers import Ledger
from sopilot_assets.store.publish import only_writer, publish_bytes
from sopilot_assets.tasks.files import parse_task
from sopilot_assets.tasks.spec import TaskSpec

COLUMNS: Final = {
    **CHAIN_COLUMNS,
    "happened": pa.string(),
    "who": pa.string(),
    "at": pa.string(),
    "why": pa.string(),
    "version": pa.int64(),
    "steps": pa.string(),
    "file_sha256": pa.string(),
    "content": pa.string(),
}
"""``steps`` is a JSON list."""
BY_HAND: Final = "file"
"""Who changed a file that was changed outside of the desk."""
LONGEST_WHY: Final = 400


class TaskHappening(StrEnum):
    """What an event says: the file was begun, saved or locked by a person, or found to be another."""

    BEGUN = "begun"
    SAVED = "saved"
    FOUND = "found"
    LOCKED = "locked"


class TaskFileDraft(ChainDraft):
    """What happened to a task's file, and what it says since: ``content`` is its text, ``file_sha256`` the
    hash of its bytes, ``version`` what it calls itself, ``steps`` the ids of its steps.
    """

    happened: Annotated[TaskHappening, Field(strict=False)]
    who: Who
    why: Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_WHY)] = ""
    version: int
    steps: Annotated[tuple[str, ...], Field(strict=False)]
    file_sha256: Hash
    content: str


class TaskFileEvent(TaskFileDraft, ChainEvent):
    """A draft in its place in the chain of its task."""


def task_history(home: Home) -> Chain[TaskFileDraft, TaskFileEvent]:
    """The chains of what happened to task files; what is broken is a `LedgerError`."""
    ledger = Ledger(home.ledgers, "task_files", COLUMNS, "event_id")
    return Chain(ledger, TaskFileEvent, ("steps",), lambda draft: draft.task_id, LedgerError)


def task_then(event: TaskFileEvent) -> TaskSpec:
    """The task as its file had it then."""
    return parse_task(event.content, source=f"{event.task_id} of {event.at}")


def task_file(home: Home, task_id: str) -> UPath:
    """Where the file of a task lies; ``ConfigError`` for what is no task's id."""
    return home.tasks / f"{plain_id(task_id, 'procedure')}.yaml"


def file_sha256(data: bytes) -> str:
    """What names a state of a task's file."""
    return hashlib.sha256(data).hexdigest()


@contextmanager
def only_task_writer(home: Home) -> Iterator[None]:
    """Nobody else changes a task file through this package meanwhile."""
    with only_writer(home.tasks / ".new.lock"):
        yield


def unchanged_since(home: Home, task_id: str, base: str) -> bytes:
    """The bytes of a task's file, if it is still the one with the SHA-256 ``base``; `TaskConflict` else."""
    data = task_file(home, task_id).read_bytes()
    if file_sha256(data) != base:
        raise TaskConflict(
            f"{task_id}: the file was changed meanwhile. Nothing of yours was taken or lost: compare the "
            "two, then save again.",
            ja=f"{task_id}：その間にファイルが変更されました。入力は保存されていませんが、失われてもいません。"
            "比べてから保存し直してください。",
        )
    return data


def keep(
    home: Home,
    task_id: str,
    happened: TaskHappening,
    data: bytes,
    *,
    before: bytes | None,
    who: str,
    why: str,
    at: datetime,
) -> None:
    """Note what happens to a task's file, and publish it as ``data`` if it is another than ``before``.

    ``before`` is what lies there now, None where nothing does; if the chain does not know it, it is noted
    too. The events are noted first: whoever is killed between the two has lost no version of the file. To be
    called by the `only_task_writer`.
    """
    chain = task_history(home)
    drafts = []
    if before is not None:
        known = chain.read(task_id)
        if not known or known[-1].file_sha256 != file_sha256(before):
            drafts.append(_draft(home, task_id, TaskHappening.FOUND, before, who=BY_HAND, why="", at=at))
    drafts.append(_draft(home, task_id, happened, data, who=who, why=why, at=at))
    chain.append(drafts, run_id=f"desk-{who}", written_at=at.isoformat())
    if data != before:
        publish_bytes(task_file(home, task_id), data)


def _draft(
    home: Home, task_id: str, happened: TaskHappening, data: bytes, *, who: str, why: str, at: datetime
) -> TaskFileDraft:
    task = parse_task(data, source=task_file(home, task_id))
    try:
        return TaskFileDraft(
            task_id=task_id,
            at=at.isoformat(),
            happened=happened,
            who=who,
            why=why,
            version=task.version,
            steps=task.step_ids,
            file_sha256=file_sha256(data),
            content=data.decode("utf-8"),
        )
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise TaskError(f"{task_id}, {fault['loc'][0]}: {fault['msg']}; found {fault['input']!r}.") from error
