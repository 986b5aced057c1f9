"""The files people dropped into the capture folder, and which of them have settled."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sopilot_assets.capture.identity import FileState, file_state
from sopilot_assets.capture.names import (
    SIDECAR_SUFFIX,
    finished_name,
    is_hidden,
    is_small_copy,
    is_system_folder,
    is_unfinished,
)
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.taken import TakenFile, read_taken
from sopilot_assets.store.home import ROLES, Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.texts.names import composed, printable

DEEPEST: Final = 12
"""Folders below the capture folder that are searched; deeper ones are reported, not read."""


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
    def identity(self) -> str:
        """16 hex digits that stand for the file's path."""
        return _digest(self.relative)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change when the file or its sidecar does."""
        return _digest(repr((self.state, self.sidecar_state)))


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something in the capture folder that is not touched, and why; ``usual`` where nobody has to look."""

    relative: str
    why: str
    usual: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """What lies in the capture folder: candidates, oldest first, sidecars without their recording, what was
    taken in already and is still there, and what is left alone.
    """

    candidates: tuple[DroppedFile, ...]
    skipped: tuple[Skipped, ...]
    sidecars: tuple[DroppedFile, ...] = ()
    taken: tuple[tuple[DroppedFile, TakenFile], ...] = ()


def scan_capture(home: Home, *, task_ids: Collection[str], unusable_ids: Collection[str] = ()) -> Scan:
    """Every dropped file below the capture folder; links are never followed, only names and sizes are read.

    ``task_ids`` are the tasks of this home; files of ``unusable_ids`` (tasks whose file needs mending) wait.
    """
    root = local_path(home.capture)
    notes = read_taken(home)
    skipped: list[Skipped] = []
    candidates: list[DroppedFile] = []
    sidecars: list[DroppedFile] = []
    taken: list[tuple[DroppedFile, TakenFile]] = []
    for folder in _folders(root, skipped):
        for path, sidecar in _recordings(folder, root, skipped):
            found = _dropped(path, root, task_ids, sidecar)
            if found is None:
                continue
            if _folded(path.relative_to(root).parts[0]) in unusable_ids:
                skipped.append(Skipped(found.relative, "its task file cannot be used; mend it first"))
                continue
            note = notes.get(found.identity)
            if path == sidecar:
                sidecars.append(found)
            elif note and note.is_about(found.state, found.sidecar_state):
                taken.append((found, note))
            else:
                candidates.append(found)
    candidates.sort(key=lambda candidate: (candidate.state.mtime_ns, candidate.relative))
    return Scan(
        tuple(candidates),
        tuple(sorted(skipped, key=lambda one: one.relative)),
        tuple(sidecars),
        tuple(taken),
    )


@dataclass(frozen=True, slots=True)
class Stability:
    """Which files looked how at the last tick. A file has settled when size, time and sidecar are the same in
    two ticks.

    At most ``limit`` files are watched, the oldest first; the others wait until those are taken in. Those
    that could not be taken in when the time did not do for all are ``put_off`` until all others were tried.
    """

    seen: dict[str, str] = field(default_factory=dict)
    limit: int = 2000
    put_off: frozenset[str] = frozenset()

    def observe(self, candidates: Iterable[DroppedFile]) -> tuple[tuple[DroppedFile, ...], Stability]:
        """The candidates that have settled since the last tick, and the state for the next one."""
        watched = [(candidate.identity, candidate) for candidate in candidates][: self.limit]
        settled = tuple(
            candidate for key, candidate in watched if self.seen.get(key) == candidate.fingerprint
        )
        others = tuple(one for one in settled if one.identity not in self.put_off)
        seen = {key: candidate.fingerprint for key, candidate in watched}
        return others or settled, Stability(seen, self.limit, self.put_off if others else frozenset())

    def after(self, settled: Iterable[DroppedFile], left: Collection[str], *, time_was_up: bool) -> Stability:
        """The state once it was tried to take the settled ones in; ``left`` are those that were not, by their
        paths below the capture folder.
        """
        again = {one.identity for one in settled if one.relative in left}
        return replace(self, put_off=self.put_off | again if time_was_up else frozenset())

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
    """Where the sidecar of a recording is written."""
    return path.with_name(path.name + SIDECAR_SUFFIX)


def paired_sidecars(recordings: Sequence[Path], sidecars: Sequence[Path]) -> dict[Path, Path]:
    """The sidecar of each recording of a folder that has one: ``take.mp4.json``, or ``take.json`` where only
    one recording is called so, in any capitals and either form of Unicode.
    """
    by_name = {_folded(path.name): path for path in reversed(sidecars)}
    names = {path: f"{_folded(path.name)}{SIDECAR_SUFFIX}" for path in recordings}
    rest = [path for path in recordings if names[path] not in by_name]
    short = {path: f"{_folded(path.stem)}{SIDECAR_SUFFIX}" for path in rest}
    alone = Counter(short.values())
    names |= {path: name for path, name in short.items() if alone[name] == 1}
    return {path: by_name[name] for path, name in names.items() if name in by_name}


def _dropped(path: Path, root: Path, task_ids: Collection[str], sidecar: Path | None) -> DroppedFile | None:
    """The file at ``path``, None when it is gone; a lone sidecar is its own sidecar."""
    state = file_state(path)
    if state is None:
        return None
    relative = path.relative_to(root)
    place, problem = _place(relative.parts[:-1], task_ids)
    sidecar_state = file_state(sidecar) if sidecar else None
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
    # no two tasks and roles differ by capitals alone, and Windows keeps those somebody typed first
    task_id, role = [*map(_folded, folders[:2]), "", ""][:2]
    if folders and task_id not in task_ids:
        return None, Reason.UNKNOWN_TASK
    if len(folders) not in (3, 4) or role not in ROLES:
        return None, Reason.WRONG_FOLDER
    camera = printable(composed(folders[3])) if len(folders) == 4 else None
    return CapturePlace(task_id, role, printable(composed(folders[2])), camera), None


@dataclass(frozen=True, slots=True)
class _Folder:
    """The regular files of one folder by name: recordings, sidecars, and unfinished copies."""

    recordings: list[Path] = field(default_factory=list)
    sidecars: list[Path] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)


def _folders(root: Path, skipped: list[Skipped]) -> Iterator[_Folder]:
    """The folders below ``root`` that intake looks into; what it leaves alone goes to ``skipped``."""
    waiting = [root]
    while waiting:
        found = _Folder()
        for entry in _listed(waiting.pop(), root, skipped):
            path = Path(entry.path)
            shown = printable(path.relative_to(root).as_posix())
            if entry.is_symlink():
                skipped.append(Skipped(shown, "a link; links are not followed"))
            elif entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    _sort_folder(path, shown, waiting, skipped)
            elif not entry.is_file(follow_symlinks=False):
                skipped.append(Skipped(shown, "not a regular file"))
            elif not is_hidden(entry.name):
                _sort_file(path, shown, found, skipped)
        yield found


def _sort_folder(path: Path, shown: str, waiting: list[Path], skipped: list[Skipped]) -> None:
    if is_system_folder(path.name):
        skipped.append(
            Skipped(shown, "a recycle bin, or a folder that a system keeps for itself", usual=True)
        )
    elif shown.count("/") >= DEEPEST:
        skipped.append(Skipped(shown, f"more than {DEEPEST} folders deep"))
    else:
        waiting.append(path)


def _sort_file(path: Path, shown: str, found: _Folder, skipped: list[Skipped]) -> None:
    if path.name.lower().endswith(SIDECAR_SUFFIX):
        found.sidecars.append(path)
    elif is_unfinished(path.name):
        found.unfinished.append(path)
        skipped.append(Skipped(shown, "a copy that is not finished, by its name", usual=True))
    elif is_small_copy(path.name):
        skipped.append(Skipped(shown, "a camera's small copy of a recording", usual=True))
    else:
        found.recordings.append(path)


def _recordings(folder: _Folder, root: Path, skipped: list[Skipped]) -> Iterator[tuple[Path, Path | None]]:
    """The recordings of a folder that are not being written, each with its sidecar; last the sidecars that
    belong to none, as their own.
    """
    writing = {_folded(finished_name(path.name)): path.name for path in folder.unfinished}
    sidecars = paired_sidecars(folder.recordings, folder.sidecars)
    for path in folder.recordings:
        if (part := writing.get(_folded(path.name))) is None:
            yield path, sidecars.get(path)
            continue
        why = f"not finished: {printable(part)} lies beside it; remove that one if nobody writes it"
        skipped.append(Skipped(printable(path.relative_to(root).as_posix()), why))
    for path in folder.sidecars:
        if path not in sidecars.values() and _folded(path.stem) not in writing:
            yield path, path


def _folded(name: str) -> str:
    """A name as names are compared: letters composed, capitals small."""
    return composed(name).casefold()


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


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
