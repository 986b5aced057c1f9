"""Atomic publication of files: the only place that writes into the home folder.

A published file is either the old one or the complete new one, whatever happens in between: the bytes go to
a temporary file in the same folder, are flushed to disk, renamed over the target, and the folder entry is
flushed too.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from upath import UPath

from sopilot_assets.errors import StoreError, StoreUnavailable
from sopilot_assets.processes.posix.files import flush, lock_file
from sopilot_assets.store.home_format import refuse_unwritable_file
from sopilot_assets.store.shared import shared_home
from sopilot_assets.store.shared_lock import held_everywhere

TEMPORARY_PREFIX = ".publishing-"
_CHUNK_BYTES = 1 << 20
_NO_MODES = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""What folders of Windows and of some NAS systems say that keep no modes: files have those of the mount."""


def publish_bytes(target: Path | UPath, data: bytes) -> None:
    """Publish ``data`` as ``target`` atomically; parents are made as needed."""
    if not _is_local(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)  # an object store's put is atomic by itself
        return
    publish_path(target, lambda temporary: _write_all(temporary, data))


def publish_text(target: Path | UPath, text: str) -> None:
    """Publish ``text`` as UTF-8, atomically."""
    publish_bytes(target, text.encode("utf-8"))


def publish_path(target: Path | UPath, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``target``, then rename it into place.

    The temporary file keeps the target's suffix, since some writers choose their format by it. It is
    removed when ``write`` fails, and the old target stays.
    """
    local = local_path(target)
    refuse_unwritable_file(local)
    temporary: Path | None = None
    placed = False
    try:
        _make_folder(local.parent)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=local.suffix, dir=local.parent)
        temporary = Path(name)
        os.close(handle)
        write(temporary)
        _place(temporary, local)
        placed = True
        flush(local.parent)
    except OSError as error:
        raise _unpublished(local, error, placed=placed) from error
    finally:
        if temporary is not None and not placed:
            with contextlib.suppress(OSError):  # what cannot be removed now is swept later
                temporary.unlink(missing_ok=True)


def publish_moved(source: Path, target: Path | UPath) -> None:
    """Publish a file that is complete by moving it, without copying where both are on one disk.

    Where they are not, a process that is killed may leave both; never none, and never half of ``target``.
    """
    local = local_path(target)
    refuse_unwritable_file(local)
    placed = False
    try:
        _make_folder(local.parent)
        _place(source, local)
        placed = True
        flush(local.parent)
    except OSError as error:
        if placed or error.errno != errno.EXDEV:
            raise _unpublished(local, error, placed=placed) from error
        publish_path(local, lambda temporary: _copy(source, temporary))
        source.unlink()


@contextlib.contextmanager
def only_writer(lock: Path | UPath) -> Iterator[None]:
    """Wait until nobody else holds the file ``lock``, and hold it meanwhile; it goes with the process.

    Whoever writes several files that belong together holds one lock for them. In a home that several machines
    share, it holds on all of them, and what the others wrote is there.
    """
    local = local_path(lock)
    refuse_unwritable_file(local)
    with contextlib.ExitStack() as locks:
        locks.enter_context(_only_writer_here(local))
        if (shared := shared_home(local)) is not None:
            locks.enter_context(
                held_everywhere(f"{shared.store}/{local.relative_to(shared.root).as_posix()}")
            )
            shared.pull()
        yield


@contextlib.contextmanager
def _only_writer_here(local: Path) -> Iterator[None]:
    descriptor = -1
    try:
        _make_folder(local.parent)
        descriptor = os.open(local, os.O_RDWR | os.O_CREAT, 0o644)
        lock_file(descriptor)
    except OSError as error:
        _release(descriptor)
        raise StoreUnavailable(
            f"{local}: could not be locked ({error.strerror or error}); it keeps two runs from writing at "
            "once. Free disk space or mend the folder's permissions, then run the same step again."
        ) from error
    try:
        yield
    finally:
        _release(descriptor)


@contextlib.contextmanager
def scratch_folder(parent: Path | UPath) -> Iterator[Path]:
    """A folder for unfinished work inside ``parent``, removed at the end whatever happened."""
    local = local_path(parent)
    refuse_unwritable_file(local / TEMPORARY_PREFIX)
    local.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=local) as name:
        yield Path(name)


def sweep_unfinished(folder: Path | UPath, *, older_than_s: float, now_s: float) -> int:
    """Remove temporary files and scratch folders that a killed process left below ``folder``; returns how
    many.

    ``older_than_s`` (seconds) protects those of a process that is still writing; ``now_s`` is the time since
    the epoch.
    """

    def is_old(path: Path) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return now_s - _last_written_s(path) > older_than_s
        return False

    return _remove(filter(is_old, _unfinished(folder)))


def remove_unfinished(folder: Path | UPath) -> int:
    """The same whatever their age, for who holds the lock of everybody that writes below ``folder``."""
    return _remove(_unfinished(folder))


def published_files(folder: Path | UPath, pattern: str) -> list[Path]:
    """The files below ``folder`` that match, by path, without those that are still being written or that a
    killed process left unfinished; none where there is no such folder.
    """
    local = local_path(folder)
    found = (path for path in local.glob(pattern) if path.is_file()) if local.is_dir() else ()
    return sorted(
        path
        for path in found
        if not any(part.startswith(TEMPORARY_PREFIX) for part in path.relative_to(local).parts)
    )


def _unfinished(folder: Path | UPath) -> list[Path]:
    return sorted(local_path(folder).rglob(f"{TEMPORARY_PREFIX}*"))


def _remove(unfinished: Iterable[Path]) -> int:
    removed = 0
    for path in unfinished:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            removed += 1
    return removed


def _last_written_s(path: Path) -> float:
    return max(one.lstat().st_mtime for one in (path, *path.rglob("*")))


def file_sha256(path: Path | UPath) -> str:
    """The SHA-256 of a file's bytes, as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def local_path(path: Path | UPath) -> Path:
    """The same path as a ``pathlib.Path``; refuses one that is not on this machine's file system."""
    if not _is_local(path):
        raise StoreError(
            f"{path}: expected a path on this machine's file system, found {getattr(path, 'protocol', '')!r}."
        )
    return Path(str(path))


def _is_local(path: Path | UPath) -> bool:
    return getattr(path, "protocol", "") in ("", "file", "local")


def _make_folder(folder: Path) -> None:
    """Make the folder and its parents, and flush the entries of those that are new."""
    missing = list(itertools.takewhile(lambda one: not one.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        flush(made.parent)


def _release(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # nothing was written through it, and the lock goes in any case
        os.close(descriptor)


def _place(finished: Path, local: Path) -> None:
    """Give a finished file of the same disk its name."""
    try:
        finished.chmod(0o644)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise
    flush(finished)
    if (shared := shared_home(local)) is not None:
        shared.put(finished, local)  # first, so that no machine has what the others cannot get
    finished.replace(local)


def _unpublished(local: Path, error: OSError, *, placed: bool) -> StoreUnavailable:
    state = (
        "the new file is there, but the disk did not confirm that it would survive a power cut"
        if placed
        else "the file that was there before, if any, is unchanged"
    )
    return StoreUnavailable(
        f"{local}: could not be published ({error.strerror or error}); {state}. "
        "Free disk space or mend the folder's permissions, then run the same step again."
    )


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _write_all(path: Path, data: bytes) -> None:
    path.write_bytes(data)
