"""The files people dropped into the capture folder, and which of them have settled."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sopilot_assets.capture.identity import FileState, file_state
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.store.home import ROLES, Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.texts.names import printable

SIDECAR_SUFFIX: Final = ".json"
DEEPEST: Final = 12
"""Folders below the capture folder that are searched; deeper ones are reported, not read."""

_UNFINISHED: Final = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".filepart", ".!ut")
_LITTER: Final = frozenset({"steps.csv", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class CapturePlace:
    """What a file's folder says."""

    task_id: str
    role: str
    site: str
    camera: str | None


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """A dropped file. ``place`` is what its folder says; where the folder is wrong, ``problem`` says how."""

    path: Path
    relative: str
    state: FileState
    place: CapturePlace | None
    problem: Reason | None = None
    sidecar: Path | None = None
    sidecar_state: FileState | None = None

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change when the file or its sidecar does."""
        return _digest(repr((self.state, self.sidecar_state)))


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something in the capture folder that is not touched, and why."""

    relative: str
    why: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What lies in the capture folder: candidates, oldest first, and what is left alone."""

    candidates: tuple[DroppedFile, ...]
    skipped: tuple[Skipped, ...]


def scan_capture(home: Home, *, task_ids: Collection[str], unusable_ids: Collection[str] = ()) -> Scan:
    """Every dropped file below the capture folder; links are never followed, only names and sizes are read.

    ``task_ids`` are the tasks of this home; files of ``unusable_ids`` (tasks whose file needs mending) wait.
    """
    root = local_path(home.capture)
    candidates: list[DroppedFile] = []
    skipped: list[Skipped] = []
    for entry in _entries(root, skipped):
        path = Path(entry.path)
        state = file_state(path)
        if path.relative_to(root).parts[0] in unusable_ids:
            skipped.append(
                Skipped(
                    printable(path.relative_to(root).as_posix()),
                    "its task file cannot be used; mend it first",
                )
            )
        elif state is not None:
            candidates.append(_candidate(path, root, state, task_ids))
    candidates.sort(key=lambda candidate: (candidate.state.mtime_ns, candidate.relative))
    return Scan(tuple(candidates), tuple(sorted(skipped, key=lambda one: one.relative)))


@dataclass(frozen=True, slots=True)
class Stability:
    """Which files looked how at the last tick. A file has settled when size, time and sidecar are the same in
    two ticks.

    At most ``limit`` files are watched, the oldest first; the others wait until those are taken in.
    """

    seen: dict[str, str] = field(default_factory=dict)
    limit: int = 2000

    def observe(self, candidates: Iterable[DroppedFile]) -> tuple[tuple[DroppedFile, ...], Stability]:
        """The candidates that have settled since the last tick, and the state for the next one."""
        watched = [(_digest(candidate.relative), candidate) for candidate in candidates][: self.limit]
        settled = tuple(
            candidate for key, candidate in watched if self.seen.get(key) == candidate.fingerprint
        )
        return settled, Stability({key: candidate.fingerprint for key, candidate in watched}, self.limit)

    def to_json(self) -> str:
        """The state as text, e.g. for a sensor's cursor."""
        return json.dumps(self.seen, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | None) -> Stability:
        """The state that `to_json` wrote; anything else starts afresh, which costs one tick."""
        try:
            found = json.loads(text or "{}")
        except ValueError:
            return cls()
        if not isinstance(found, dict):
            return cls()
        return cls({str(key): str(value) for key, value in found.items()})


def sidecar_of(path: Path) -> Path:
    """Where the sidecar of a recording lies."""
    return path.with_name(path.name + SIDECAR_SUFFIX)


def is_ignored(name: str) -> bool:
    """Whether a file name is one that intake passes over: hidden, unfinished, or the system's own."""
    lowered = name.lower()
    return name.startswith(".") or lowered.endswith(_UNFINISHED) or lowered in _LITTER


def _candidate(path: Path, root: Path, state: FileState, task_ids: Collection[str]) -> DroppedFile:
    relative = path.relative_to(root)
    place, problem = _place(relative.parts[:-1], task_ids)
    sidecar = sidecar_of(path)
    sidecar_state = file_state(sidecar)
    return DroppedFile(
        path=path,
        relative=printable(relative.as_posix()),
        state=state,
        place=place,
        problem=problem,
        sidecar=sidecar if sidecar_state else None,
        sidecar_state=sidecar_state,
    )


def _place(folders: tuple[str, ...], task_ids: Collection[str]) -> tuple[CapturePlace | None, Reason | None]:
    if folders and folders[0] not in task_ids:
        return None, Reason.UNKNOWN_TASK
    if len(folders) not in (3, 4) or folders[1] not in ROLES:
        return None, Reason.WRONG_FOLDER
    camera = printable(folders[3]) if len(folders) == 4 else None
    return CapturePlace(folders[0], folders[1], printable(folders[2]), camera), None


def _entries(root: Path, skipped: list[Skipped]) -> Iterator[os.DirEntry[str]]:
    """The regular files below ``root`` that intake looks at; what it leaves alone goes to ``skipped``."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        for entry in _listed(folder, root, skipped):
            shown = printable(Path(entry.path).relative_to(root).as_posix())
            if entry.is_symlink():
                skipped.append(Skipped(shown, "a link; links are not followed"))
            elif entry.is_dir(follow_symlinks=False):
                if entry.name.startswith("."):
                    continue
                if shown.count("/") >= DEEPEST:
                    skipped.append(Skipped(shown, f"more than {DEEPEST} folders deep"))
                else:
                    waiting.append(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                skipped.append(Skipped(shown, "not a regular file"))
            elif not _is_sidecar(entry) and not is_ignored(entry.name):
                yield entry


def _listed(folder: Path, root: Path, skipped: list[Skipped]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        skipped.append(
            Skipped(printable(folder.relative_to(root).as_posix()), error.strerror or "cannot be listed")
        )
        return []


def _is_sidecar(entry: os.DirEntry[str]) -> bool:
    """Whether it is a ``.json`` file: beside its recording, or waiting for one."""
    return entry.name.lower().endswith(SIDECAR_SUFFIX)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
