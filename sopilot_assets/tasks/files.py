"""Reading task files, with errors that say where, what was expected, what was found and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from upath import UPath

from sopilot_assets.documents.faults import parse_document
from sopilot_assets.errors import TaskError
from sopilot_assets.tasks.locks import LOCK_SUFFIX, require_unchanged
from sopilot_assets.tasks.spec import TaskSpec
from sopilot_assets.texts.names import nearest

TASK_SUFFIX: Final = ".yaml"


@dataclass(frozen=True, slots=True)
class TaskSet:
    """The task files of one home: those that can be used, and why each other one cannot."""

    tasks: Mapping[str, TaskSpec]
    refused: Mapping[str, TaskError]


def load_task(path: str | Path | UPath) -> TaskSpec:
    """The task in one file; ``TaskError`` when it is missing, invalid, or differs from what was locked."""
    source = UPath(path)
    spec = read_task(source)
    require_unchanged(spec, source)
    return spec


def read_task(source: UPath) -> TaskSpec:
    """The task in one file, whatever its locks say; ``TaskError`` when it is missing or invalid."""
    if ".." in source.parts:
        raise TaskError(
            f"{source}: expected a task of the home's tasks folder, found a path that leads out of it."
        )
    spec = parse_task(_read(source), source=source)
    if spec.task_id != source.stem:
        raise TaskError(
            f"{source}: task_id: expected {source.stem!r}, the file's name, found {spec.task_id!r}. "
            "Rename the file or correct task_id."
        )
    return spec


def find_tasks(home_root: str | Path | UPath) -> TaskSet:
    """All task files below ``<home_root>/tasks``, usable and refused, by task id (the file's name)."""
    tasks: dict[str, TaskSpec] = {}
    refused: dict[str, TaskError] = {}
    for path in _task_files(UPath(home_root) / "tasks"):
        try:
            tasks[path.stem] = _load_listed(path)
        except TaskError as error:
            refused[path.stem] = error
    return TaskSet(tasks, refused)


def task_ids(home_root: str | Path | UPath) -> list[str]:
    """The names of all task files below ``<home_root>/tasks``, usable or not."""
    return [path.stem for path in _task_files(UPath(home_root) / "tasks")]


def parse_task(data: bytes | str, *, source: str | Path | UPath) -> TaskSpec:
    """The task in the text of a task file; ``source`` is the name used in errors."""
    advice = f"Correct the file, then run `sopilot task show {UPath(source).stem}`."
    return parse_document(data, TaskSpec, source=source, refuse=TaskError, advice=advice)


def _read(source: UPath) -> bytes:
    try:
        return source.read_bytes()
    except FileNotFoundError as error:
        known = [path.stem for path in _task_files(source.parent)]
        near = nearest(source.stem, known)
        meant = f"Did you mean {near}? " if near else ""
        raise TaskError(
            f"{source}: there is no such task file; the tasks in that folder are: "
            f"{', '.join(known) or 'none'}. {meant}Make it with `sopilot task create {source.stem}`."
        ) from error
    except OSError as error:
        raise TaskError(
            f"{source}: expected a readable file, found: {error.strerror or error}. "
            "Mend the file or its permissions."
        ) from error


def _task_files(folder: UPath) -> list[UPath]:
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in {TASK_SUFFIX, ".yml"}
        and not path.name.endswith(LOCK_SUFFIX)
        and not path.name.startswith(".")
    )


def _load_listed(path: UPath) -> TaskSpec:
    if path.suffix != TASK_SUFFIX:
        raise TaskError(f"{path}: expected the ending {TASK_SUFFIX}, found {path.suffix}. Rename the file.")
    return load_task(path)
