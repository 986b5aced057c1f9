"""What of a home belongs into a backup, and in which order it has to be read.

Everybody may go on working meanwhile. Files are published before the rows that speak of them, so rows are
read before files; rows of an early station before those of a later one, so they are read the other way
round. What Dagster says was done is read before the rows, so that it never claims more than there is. The
capture folder comes before the rows as well: a recording leaves it only when its row is there.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sopilot_assets.capture.taken import NOTES_FILE
from sopilot_assets.store.publish import TEMPORARY_PREFIX
from sopilot_assets.upkeep.backup.snapshot import Remark, SnapshotFolder, SourceState, path_text

BEFORE: Final = ".before-"
RESTORING: Final = ".restoring-"
"""What folders of a restore have in their names."""

SETTLED_S: Final = 60.0
"""A dropped recording that changed within these seconds may still be on its way."""

MADE_AGAIN: Final = {
    "proxies": "small copies of videos, made again where they are missing",
    "uploads": "parts of uploads; who sends a recording still has it, and sends it again",
}
"""Folders of the home that no backup holds, and why."""

YOUNG: Final = f"changed less than {SETTLED_S:.0f} s ago, so perhaps not complete; the next backup has it"
_OF_PROCESSES: Final = ("-wal", "-shm", "-journal", ".lock", NOTES_FILE)
"""Locks, the parts of an open database that its copy contains, and the notes on what lies in the capture
folder: later than the rows of the same backup, they would keep a dropped file from being taken in again."""

_INSTANCE_TABLES: Final = (
    "dagster/schedules/schedules.db",
    "dagster/history/runs.db",
    "dagster/history/runs/index.db",
)
_DATABASES: Final = (".db", ".sqlite", ".sqlite3")
_NOTES: Final = (".csv", ".json", ".txt", ".yaml")
_READ_BEFORE: Final = ("dagster", "capture", "studies", "ledgers")
_EARLY_LEDGERS: Final = (
    "step_times",
    "scores",
    "adoptions",
    "references",
    "embeddings",
    "promotions",
    "labels",
    "looks",
    "quarantine",
    "duplicates",
    "videos",
)
"""The ledgers that others speak of, the latest station first."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the home: its path below it as it is stored, where it lies, its permissions and state."""

    name: str
    path: Path
    mode: int
    state: SourceState

    @property
    def may_be_database(self) -> bool:
        """Whether it has the name of a SQLite database."""
        return self.path.name.endswith(_DATABASES)


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies below some folders of a home, in the order in which it has to be read."""

    files: tuple[Found, ...]
    folders: tuple[SnapshotFolder, ...]
    left_out: tuple[Remark, ...]


def state_of(found: os.stat_result) -> SourceState:
    """The state of a file as the system describes it."""
    return SourceState(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def instance_tables(root: Path) -> Listing:
    """Dagster's plans, its runs and the index of their events, which have to be read one after the other."""
    return _listed(root, _INSTANCE_TABLES)


def instance(root: Path) -> Listing:
    """The rest of Dagster's own files: the events of each run, what it printed, the settings."""
    found = _listed(root, ["dagster"])
    done = {file.name for file in instance_tables(root).files}
    return replace(found, files=tuple(file for file in found.files if file.name not in done))


def dropped(root: Path, *, now_s: float) -> Listing:
    """The capture folder; a recording that changed just now is left out, since it may be incomplete."""
    found = _listed(root, ["capture"])
    young = {file.name for file in found.files if _is_young(file, now_s)}
    return Listing(
        tuple(file for file in found.files if file.name not in young),
        found.folders,
        (*found.left_out, *(Remark(name, YOUNG) for name in sorted(young))),
    )


def studies(root: Path) -> Listing:
    """The results of studies and the ledger that says what they have to be; they belong together."""
    return _listed(root, ["ledgers/study_results", "studies"])


def chain_ends(root: Path) -> Listing:
    """The files beside the ledgers, which say where chains of events end."""
    names = [name for name in _names(root / "ledgers") if not (root / "ledgers" / name).is_dir()]
    return _listed(root, [f"ledgers/{name}" for name in names])


def ledgers(root: Path) -> Listing:
    """The ledgers but that of studies, late stations before early ones."""
    tables = [name for name in _names(root / "ledgers") if (root / "ledgers" / name).is_dir()]
    early = [name for name in _EARLY_LEDGERS if name in tables]
    late = [name for name in tables if name not in {*early, "study_results"}]
    found = _listed(root, [f"ledgers/{name}" for name in (*late, *early)])
    return replace(found, folders=(SnapshotFolder("ledgers", 0o755), *found.folders))


def everything_else(root: Path) -> Listing:
    """What is left: the recordings, all that was made of them, tasks, keys, settings."""
    names = [
        name for name in _names(root) if name not in _READ_BEFORE and not name.startswith((BEFORE, RESTORING))
    ]
    found = _listed(root, [name for name in names if name not in MADE_AGAIN])
    made_again = [Remark(name, MADE_AGAIN[name]) for name in names if name in MADE_AGAIN]
    return Listing(found.files, found.folders, (*found.left_out, *made_again))


def _listed(root: Path, tops: Iterable[str]) -> Listing:
    """What lies at or below these paths of the home, each once."""
    files: dict[str, Found] = {}
    folders: dict[str, SnapshotFolder] = {}
    left_out: dict[str, Remark] = {}
    for one in (one for top in tops for one in _below(root, top)):
        if isinstance(one, Found):
            files.setdefault(one.name, one)
        elif isinstance(one, SnapshotFolder):
            folders.setdefault(one.path, one)
        else:
            left_out.setdefault(one.path, one)
    return Listing(tuple(files.values()), tuple(folders.values()), tuple(left_out.values()))


def _below(root: Path, relative: str) -> Iterator[Found | SnapshotFolder | Remark]:
    """The path itself and all below it; what vanishes meanwhile is not there."""
    path, name = root / relative, path_text(relative)
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) and "/" not in relative:
            found = path.stat()  # a folder of the home on another disk
        mode = stat.S_IMODE(found.st_mode)
        if stat.S_ISDIR(found.st_mode):
            yield SnapshotFolder(name, mode)
            for child in _names(path):
                yield from _below(root, f"{relative}/{child}")
        elif stat.S_ISREG(found.st_mode):
            yield Found(name, path, mode, state_of(found))
        else:
            yield Remark(name, "neither a file nor a folder; links inside of folders are not followed")


def _names(folder: Path) -> list[str]:
    """What lies in a folder, without what only running processes need."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []
    return [
        name for name in names if not name.startswith(TEMPORARY_PREFIX) and not name.endswith(_OF_PROCESSES)
    ]


def _is_young(file: Found, now_s: float) -> bool:
    newest_s = max(file.state.mtime_ns, file.state.ctime_ns) / 1e9
    return file.path.suffix.lower() not in _NOTES and now_s - newest_s < SETTLED_S
