"""A file that a process holds for as long as it lives.

The system lets go of it, whatever ends the process; so neither a process id that somebody else has got
meanwhile nor a clock can mislead whoever asks. Who starts a process takes the file first and hands it over,
so that it is held from before the process begins, and asking takes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from sopilot_assets.processes.posix import files


def take(path: Path) -> int | None:
    """A descriptor by which this process holds the file; None where another one holds it.

    A missing file is made. The file stays held until every process that has the descriptor closes it or ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    held = False
    try:
        held = files.hold(descriptor)
    finally:
        if not held:
            os.close(descriptor)
    return descriptor if held else None


def is_held(path: Path) -> bool | None:
    """Whether a live process holds the file; None where there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        return files.is_held(descriptor)
    finally:
        os.close(descriptor)


def write_into(held: int, text: str) -> None:
    """Write a text into a file by the descriptor that holds it, in place of what it said."""
    os.ftruncate(held, 0)
    os.lseek(held, 0, os.SEEK_SET)
    os.write(held, text.encode())
