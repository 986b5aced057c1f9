"""Bringing a home back: built and checked beside its place, then exchanged as a whole."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from upath import UPath

from sopilot_assets.errors import BackupError
from sopilot_assets.processes.posix.files import flush
from sopilot_assets.stations.outcome import Progress
from sopilot_assets.upkeep.backup.contents import BEFORE, RESTORING
from sopilot_assets.upkeep.backup.repository import Repository, file_hash
from sopilot_assets.upkeep.backup.snapshot import Snapshot, StoredFile, path_of
from sopilot_assets.upkeep.backup.users import users_of

THREADS: Final = 4
_SPARE_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Restored:
    """A home that was brought back from the snapshot ``name``; ``replaced`` is where the one before lies."""

    name: str
    snapshot: Snapshot
    target: Path
    replaced: Path | None


def restore(
    repository: Repository,
    name: str,
    target: Path,
    *,
    now: datetime,
    force: bool = False,
    on_progress: Progress | None = None,
) -> Restored:
    """The home of a snapshot, at ``target``.

    All files are written beside the target and read back; only when every one has its hash does the target
    change. With ``force`` a home that is there is put aside, never removed. Raises `BackupError` where the
    target holds anything and ``force`` is not given, a process works in it, there is no room, or anything of
    the snapshot is damaged; the target is unchanged then.
    """
    snapshot = repository.snapshot(name)
    target = target.resolve()
    _refuse_occupied(target, force=force)
    beside = _building_place(target)
    refuse_full(beside.parent, snapshot)
    try:
        write_files(repository, snapshot, beside, on_progress=on_progress)
        replaced = _exchange(beside, target, now)
    except OSError as error:
        raise BackupError(
            f"{target}: could not be restored ({error.strerror or error}); what was there is unchanged. "
            "Make room or mend the folder's permissions, then run the same command again."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Restored(name, snapshot, target, replaced)


def write_files(
    repository: Repository, snapshot: Snapshot, folder: Path, *, on_progress: Progress | None
) -> None:
    """All files and folders of a snapshot below ``folder``, each read back and compared with its hash.

    Raises `BackupError` that names what is damaged or missing.
    """
    folder.mkdir(parents=True)
    for one in snapshot.folders:
        (folder / path_of(one.path)).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(THREADS) as pool:
        problems = []
        written = pool.map(lambda file: _write(repository, file, folder), snapshot.files)
        for done, problem in enumerate(written, start=1):
            problems += [problem] if problem else []
            if on_progress:
                on_progress(done, len(snapshot.files))
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems[:20])
        raise BackupError(
            f"{repository.name}: {len(problems)} of {len(snapshot.files)} files of the snapshot are damaged "
            f"or missing:\n{listed}\nNothing was replaced. Take another snapshot (`sopilot backup list`); "
            "`sopilot backup verify` says which are whole."
        )
    for one in reversed(snapshot.folders):  # last, since a folder may be closed to writing
        (folder / path_of(one.path)).chmod(one.mode)


def _write(repository: Repository, file: StoredFile, folder: Path) -> str | None:
    """Write one file; returns what is wrong with it."""
    target = folder / path_of(file.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        for sha256 in file.objects:
            try:
                stream = repository.object(sha256).open("rb")
            except FileNotFoundError:
                return f"{file.path}: objects/{sha256[:2]}/{sha256} is missing"
            with stream:
                shutil.copyfileobj(stream, out, 1 << 20)
        out.flush()
        os.fsync(out.fileno())
    target.chmod(file.mode)
    os.utime(target, ns=(file.state.mtime_ns, file.state.mtime_ns))
    found = file_hash(UPath(target))
    if found == file.sha256:
        return None
    return f"{file.path}: expected SHA-256 {file.sha256[:12]}…, found {found[:12]}…"


def _exchange(beside: Path, target: Path, now: datetime) -> Path | None:
    """Put the new home in its place; returns where the one before lies, if there was one."""
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    if target.is_mount():
        return _exchange_content(beside, target, stamp)
    if not _content(target):
        beside.rename(target)  # also over an empty folder
        flush(target.parent)
        return None
    before = target.with_name(f"{target.name}{BEFORE}{stamp}")
    target.rename(before)
    try:
        beside.rename(target)
    except OSError:
        before.rename(target)
        raise
    flush(target.parent)
    return before


def _exchange_content(beside: Path, target: Path, stamp: str) -> Path | None:
    """The same for the root of a disk, which cannot be renamed: its content is exchanged, piece by piece."""
    content, before = _content(target), target / f"{BEFORE}{stamp}"
    if content:
        before.mkdir()
    for path in content:
        path.rename(before / path.name)
    for path in sorted(beside.iterdir()):
        path.rename(target / path.name)
    flush(target)
    return before if content else None


def _content(folder: Path) -> list[Path]:
    """What a home consists of; what a file system or an interrupted restore left there does not count."""
    if not folder.exists():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.name != "lost+found" and not path.name.startswith((BEFORE, RESTORING))
    )


def _building_place(target: Path) -> Path:
    """Where the new home is built: on the same disk, so that it can be renamed."""
    name = f"{RESTORING}{uuid4().hex[:8]}"
    if target.is_mount():
        return target / name
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f"{target.name}{name}")


def _refuse_occupied(target: Path, *, force: bool) -> None:
    if target.exists() and not target.is_dir():
        raise BackupError(f"{target}: expected a folder or nothing, found a file. Name another home.")
    content = _content(target)
    if not content:
        return
    if not force:
        raise BackupError(
            f"{target}: expected an empty folder or none, found {len(content)} entries, "
            f"{content[0].name} among them. Name another home with --home, or add --force: "
            "what is there is then put aside, not removed."
        )
    if target.is_mount() and (mounts := [path for path in content if path.is_mount()]):
        raise BackupError(
            f"{mounts[0]}: is mounted there, a disk or folder of its own, which cannot be put aside with the "
            "rest. Unmount it, or in a container leave out that volume, then run the same command again."
        )
    if users := users_of(target):
        raise BackupError(
            f"{target}: {len(users)} processes work in it: {'; '.join(users[:5])}. End them first "
            "(Ctrl-C of `make dev`, or the services), then run the same command again."
        )


def refuse_full(folder: Path, snapshot: Snapshot, *, spare_bytes: int = _SPARE_BYTES) -> None:
    """Refuse to write a snapshot where there is no room for it and some to spare, by `BackupError`."""
    free, needed = shutil.disk_usage(folder).free, snapshot.bytes + spare_bytes
    if free < needed:
        raise BackupError(
            f"{folder}: expected {needed / 2**30:.1f} GiB of free space for the files of the snapshot, found "
            f"{free / 2**30:.1f} GiB. Make room, or restore to another disk with --home."
        )
