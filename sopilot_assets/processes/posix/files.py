"""Locks of files, and files and pipes as only POSIX has them."""

from __future__ import annotations

import os
import select
import struct
from pathlib import Path
from typing import Final

from sopilot_assets.processes.posix.lacking import HAS_LOCKS, fcntl

_FLOCK: Final = "hhqqi4x"  # struct flock of 64 bit Linux: type, whence, start, length (0: all), process


def lock_file(descriptor: int, *, shared: bool = False, wait: bool = True) -> bool:
    """Lock an open file, alone or together with others that share it, until its descriptor is closed or the
    process ends; False where somebody else has it and this shall not wait.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hold(descriptor: int) -> bool:
    """Lock an open file for whatever process has this descriptor, children that get it included; False where
    somebody else holds it (fcntl(2), ``F_OFD_SETLK``).
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock())
    except BlockingIOError:
        return False
    return True


def is_held(descriptor: int) -> bool:
    """Whether a live process holds the file by another descriptor; asking takes nothing."""
    found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _flock())
    return bool(struct.unpack(_FLOCK, found)[0] != fcntl.F_UNLCK)


def _flock() -> bytes:
    return struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


def flush(path: Path) -> None:
    """Have the disk confirm the bytes of a file, or which files are in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def owner_but_root(path: Path) -> str | None:
    """Whom a file belongs to, where that is not root and this process is root's: what it writes beside it
    is root's, and the owner cannot change that.
    """
    if not HAS_LOCKS or os.geteuid() != 0 or path.stat().st_uid == 0:
        return None
    try:
        return path.owner()
    except KeyError:  # an account of another machine or container
        return f"#{path.stat().st_uid}"


def open_itself(path: Path) -> int:
    """A descriptor to read what has this name: no link is followed, and no pipe waited for."""
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)


def file_in_memory(name: str) -> int:
    """A descriptor of a new empty file that is on no disk and goes with its last descriptor."""
    return os.memfd_create(name)


def wait_readable(pipe: int, seconds: float) -> bool:
    """Whether there is something to read, or the other end is closed, within so many seconds."""
    return bool(_poller(pipe, select.POLLIN).poll(seconds * 1000))


def wait_closed(pipe: int) -> None:
    """Wait until the other end of a pipe is closed."""
    _poller(pipe, 0).poll()


def _poller(file: int, events: int) -> select.poll:
    poller = select.poll()
    poller.register(file, events)
    return poller
