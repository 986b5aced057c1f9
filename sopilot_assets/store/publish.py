"""Atomic publication of files: the only place that writes into the home folder.

A published file is either the old one or the complete new one, whatever happens in between: the bytes go to
a temporary file in the same folder, are flushed to disk, renamed over the target, and the folder entry is
flushed too.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from upath import UPath

from sopilot_assets.errors import StoreError

TEMPORARY_PREFIX = ".publishing-"
_CHUNK_BYTES = 1 << 20


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
    temporary: Path | None = None
    try:
        local.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=local.suffix, dir=local.parent)
        temporary = Path(name)
        os.close(handle)
        write(temporary)
        temporary.chmod(0o644)
        _flush(temporary)
        temporary.replace(local)
        _flush(local.parent)
    except OSError as error:
        raise StoreError(
            f"{local}: could not be published ({error.strerror or error}); the file that was there "
            "before, if any, is unchanged. "
            "Free disk space or mend the folder's permissions, then run the same step again."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def only_writer(lock: Path | UPath) -> Iterator[None]:
    """Wait until nobody else holds the file ``lock``, and hold it meanwhile; it goes with the process.

    Whoever writes several files that belong together holds one lock for them.
    """
    local = local_path(lock)
    try:
        local.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(local, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(
            f"{local}: could not be opened ({error.strerror or error}); it keeps two runs from writing at "
            "once. Free disk space or mend the folder's permissions, then run the same step again."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def scratch_folder(parent: Path | UPath) -> Iterator[Path]:
    """A folder for unfinished work inside ``parent``, removed at the end whatever happened."""
    local = local_path(parent)
    local.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=local) as name:
        yield Path(name)


def sweep_unfinished(folder: Path | UPath, *, older_than_s: float, now_s: float) -> int:
    """Remove temporary files that a killed process left below ``folder``; returns how many.

    ``older_than_s`` (seconds) protects the files of a process that is still writing; ``now_s`` is the time
    since the epoch.
    """
    removed = 0
    for path in sorted(local_path(folder).rglob(f"{TEMPORARY_PREFIX}*")):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and now_s - path.stat().st_mtime > older_than_s:
                path.unlink()
                removed += 1
    return removed


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


def _write_all(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
