"""Copying a folder of recordings into the capture folder in one go."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sopilot_assets.capture.identity import copy_hashed, file_state
from sopilot_assets.capture.registry import Registry
from sopilot_assets.capture.room import Room, any_room
from sopilot_assets.capture.scan import SIDECAR_SUFFIX, is_ignored, sidecar_of
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import ROLES, Home
from sopilot_assets.store.publish import file_sha256, local_path, publish_path
from sopilot_assets.texts.names import printable, safe_name

STEPS_FILE: Final = "steps.csv"
_NOT_RECORDINGS: Final = frozenset(
    {
        SIDECAR_SUFFIX,
        ".jsonl",
        ".csv",
        ".txt",
        ".md",
        ".yaml",
        ".yml",
        ".log",
        ".html",
        ".pdf",
        ".xlsx",
        ".py",
    }
)


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one file of the source folder: ``target`` is its path below the capture folder,
    ``why`` says why it was not copied.
    """

    source: str
    target: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class AddReport:
    """The files of the source folder, in order."""

    files: tuple[Added, ...]

    @property
    def copied(self) -> tuple[Added, ...]:
        """Those that lie in the capture folder now because of this call."""
        return tuple(one for one in self.files if one.target is not None)

    @property
    def skipped(self) -> tuple[Added, ...]:
        """Those that were not copied."""
        return tuple(one for one in self.files if one.target is None)


def capture_add(
    source: Path,
    home: Home,
    *,
    task_id: str,
    role: str,
    site: str,
    camera: str | None = None,
    pattern: str = "*",
    room: Room = any_room,
    on_progress: Callable[[Added, int, int], None] | None = None,
) -> AddReport:
    """What was copied from ``source`` (searched with its subfolders) to
    ``capture/<task_id>/<role>/<site>/[<camera>/]``.

    ``pattern`` chooses files by name, e.g. ``gold_*``. Sidecars come along with their recording and
    ``steps.csv`` with golds. What lies in the capture folder already, or is registered in this task, is
    skipped, and so is a file for which ``room`` says no. Each file appears under its name only when it is
    complete. ``on_progress`` gets each file, how many are done and how many there are. Raises
    ``ConfigError`` when the source is no folder or the place is not a legal one.
    """
    folder = _folder(source, home, task_id=task_id, role=role, site=site, camera=camera)
    registry = Registry.read(home)
    files = list(_files(source, pattern))
    done: list[Added] = []
    for path in files:
        done.append(
            _add(path, source, folder, home, lambda sha256: registry.of(task_id, sha256) is not None, room)
        )
        if on_progress is not None:
            on_progress(done[-1], len(done), len(files))
    if role == "gold":
        done.extend(_add_steps(source / STEPS_FILE, local_path(home.steps_csv(task_id))))
    return AddReport(tuple(done))


def _folder(source: Path, home: Home, *, task_id: str, role: str, site: str, camera: str | None) -> Path:
    if not source.is_dir():
        raise ConfigError(
            f"{source}: expected a folder of recordings, found {'a file' if source.exists() else 'nothing'}."
        )
    if role not in ROLES:
        raise ConfigError(f"role {role!r}: expected {' or '.join(ROLES)}.")
    for what, name in (
        ("task", task_id),
        ("site", site),
        *([("camera", camera)] if camera is not None else []),
    ):
        if name != safe_name(name) or name.startswith("."):
            raise ConfigError(f"{what} {name!r}: expected a plain folder name, e.g. {safe_name(name)!r}.")
    folder = local_path(home.capture) / task_id / role / site
    return folder / camera if camera is not None else folder


def _files(source: Path, pattern: str) -> Iterator[Path]:
    """The recordings below ``source``, by path; links, hidden files and folders, and sidecars are passed
    over.
    """
    for path in sorted(source.rglob(pattern)):
        parts = path.relative_to(source).parts
        hidden = any(part.startswith(".") for part in parts)
        if (
            not hidden
            and not is_ignored(path.name)
            and path.suffix.lower() not in _NOT_RECORDINGS
            and file_state(path) is not None
        ):
            yield path


def _add(
    path: Path,
    source: Path,
    folder: Path,
    home: Home,
    is_registered: Callable[[str], bool],
    room: Room,
) -> Added:
    shown = printable(path.relative_to(source).as_posix())
    try:
        sha256 = file_sha256(path)
        target = _target(path, source, folder, sha256)
        if is_registered(sha256):
            return Added(shown, why="registered already")
        if target is None:
            return Added(shown, why="in the capture folder already")
        full = room(path.lstat().st_size)
        if full is not None:
            return Added(shown, why=full)
        if file_state(sidecar_of(path)) is not None:
            publish_path(sidecar_of(target), lambda temporary: _copy(sidecar_of(path), temporary))
        publish_path(target, lambda temporary: _copy(path, temporary))
    except OSError as error:
        return Added(shown, why=f"could not be read: {error.strerror or error}")
    return Added(shown, target=target.relative_to(local_path(home.capture)).as_posix())


def _target(path: Path, source: Path, folder: Path, sha256: str) -> Path | None:
    """Where the file goes: its own name where that is free, else with its subfolders', else with its hash;
    ``None`` when it is there already.
    """
    flat = "-".join(path.relative_to(source).parts)
    hashed = f"{path.stem}-{sha256[:8]}{path.suffix}"
    for name in dict.fromkeys(safe_name(name) for name in (path.name, flat, hashed)):
        target = folder / name
        if not target.exists():
            return target
        if file_sha256(target) == sha256:
            return None
    return None


def _add_steps(path: Path, target: Path) -> list[Added]:
    """The golds' annotations copied beside them; a different file that is there already is left alone."""
    if not path.is_file():
        return []
    if target.exists():
        same = target.read_bytes() == path.read_bytes()
        return [
            Added(
                STEPS_FILE,
                why="in the capture folder already" if same else f"{target} differs; merge it by hand",
            )
        ]
    publish_path(target, lambda temporary: _copy(path, temporary))
    return [Added(STEPS_FILE, target="/".join(target.parts[-3:]))]


def _copy(path: Path, target: Path) -> None:
    copy_hashed(path, target)
    shutil.copystat(path, target, follow_symlinks=False)
