"""Locked versions of a task, so that every score that names a version was judged by the same rules.

A lock is a file beside the task file, ``<task_id>.v<version>.lock.yaml``, with a full copy of the version's
content and its SHA-256. It is written once and never changed. The task file may differ from its newest locked
version only under a higher version number.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from upath import UPath

from sopilot_assets.documents.reading import DocumentError, read_document
from sopilot_assets.errors import TaskError
from sopilot_assets.store.publish import publish_bytes
from sopilot_assets.tasks.differences import differences
from sopilot_assets.tasks.spec import TaskSpec, canonical_sha256

LOCK_SUFFIX: Final = ".lock.yaml"
_HEADER: Final = (
    "# Written by `sopilot task lock` and never changed: the rules behind every score of this version.\n"
    "# To change the task, raise `version` in the task file and lock that.\n"
)


@dataclass(frozen=True, slots=True)
class LockedTask:
    """One locked version: its content as it was, when it was locked, and the SHA-256 of that content."""

    spec: TaskSpec
    locked_at: datetime
    sha256: str
    path: UPath


class _LockFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    task_id: str
    version: int
    locked_at: AwareDatetime
    sha256: str
    content: dict[str, object]


def lock_path(task_file: UPath, version: int) -> UPath:
    """Where the lock of one version of a task lies: beside the task file."""
    return task_file.parent / f"{task_file.stem}.v{version}{LOCK_SUFFIX}"


def locked_versions(task_file: str | Path | UPath) -> tuple[LockedTask, ...]:
    """All locked versions of a task, oldest first; ``TaskError`` when one of the lock files was altered."""
    return tuple(read_lock(path) for path in lock_files(UPath(task_file)))


def lock_files(task_file: UPath) -> list[UPath]:
    """The lock files of a task by rising version; a look at their names only."""
    pattern = re.compile(rf"{re.escape(task_file.stem)}\.v(\d+){re.escape(LOCK_SUFFIX)}")
    if not task_file.parent.is_dir():
        return []
    named = ((pattern.fullmatch(path.name), path) for path in task_file.parent.iterdir())
    return [path for _, path in sorted((int(match[1]), path) for match, path in named if match)]


def read_lock(path: UPath) -> LockedTask:
    """The locked version in one lock file; ``TaskError`` when the file is not as it was written."""
    try:
        document = read_document(path.read_bytes())
        lock = _LockFile.model_validate_json(json.dumps(document.content, default=str))
        spec = TaskSpec.model_validate_json(json.dumps(lock.content))
    except (OSError, DocumentError, ValidationError) as error:
        raise TaskError(_altered(path, f"expected a lock file, found: {_first_line(error)}")) from error
    if (found := canonical_sha256(lock.content)) != lock.sha256:
        raise TaskError(_altered(path, f"expected content with the SHA-256 {lock.sha256}, found {found}"))
    if path != lock_path(path.parent / f"{spec.task_id}.yaml", spec.version):
        raise TaskError(
            _altered(path, f"expected another task or version, found {spec.task_id} v{spec.version}")
        )
    return LockedTask(spec, lock.locked_at, lock.sha256, path)


def write_lock(spec: TaskSpec, task_file: UPath, *, locked_at: datetime) -> LockedTask:
    """Publish the lock of this version; ``locked_at`` needs a time zone."""
    content = spec.agreed()
    lock = {
        "task_id": spec.task_id,
        "version": spec.version,
        "locked_at": locked_at.isoformat(timespec="seconds"),
        "sha256": canonical_sha256(content),
        "content": content,
    }
    path = lock_path(task_file, spec.version)
    text = _HEADER + yaml.safe_dump(lock, sort_keys=False, allow_unicode=True, width=1000)
    publish_bytes(path, text.encode("utf-8"))
    return read_lock(path)


def require_unchanged(spec: TaskSpec, task_file: UPath) -> None:
    """Refuse (``TaskError``) a task that differs from its newest lock without a higher version."""
    locks = locked_versions(task_file)
    if not locks or spec.version > locks[-1].spec.version:
        return
    newest = locks[-1].spec
    if spec.version < newest.version:
        raise TaskError(
            f"{task_file}: version: expected {newest.version}, which is locked, or more; "
            f"found {spec.version}. "
            f"To go back to earlier content, write it with `version: {newest.version + 1}`."
        )
    changes = differences(newest, spec)
    if changes:
        raise TaskError(
            f"{task_file}: {spec.task_id} v{spec.version} is locked; {'; '.join(map(str, changes))}. "
            f"Undo that, or make it a new version: set `version: {spec.version + 1}` and run "
            f"`sopilot task lock {spec.task_id}`."
        )


def _altered(path: UPath, fault: str) -> str:
    return f"{path}: {fault}. The lock was altered after it was written; restore it from a backup."


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
    return str(error).splitlines()[0]
