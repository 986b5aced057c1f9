"""A file that a process holds for as long as it lives.

The system lets go of it, whatever ends the process; so neither a process id that somebody else has got
meanwhile nor a clock can mislead whoever asks. Who starts a process takes the file first and hands it over,
so that it is held from before the process begins. The locks are those of open file descriptions (fcntl(2),
``F_OFD_SETLK``): a child that gets the descriptor has the lock, and asking takes nothing.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import Final

_FLOCK: Final = "hhqqi4x"  # struct flock of 64 bit Linux: type, whence, start, length (0: all), process


def take(path: Path) -> int | None:
    """A descriptor by which this process holds the file; None where another one holds it.

    A missing file is made. The file stays held until every process that has the descriptor closes it or ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _lock(fcntl.F_WRLCK))
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_held(path: Path) -> bool | None:
    """Whether a live process holds the file; None where there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _lock(fcntl.F_WRLCK))
    finally:
        os.close(descriptor)
    return bool(struct.unpack(_FLOCK, found)[0] != fcntl.F_UNLCK)


def _lock(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)
