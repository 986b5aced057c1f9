"""What the system tells of its start, of processes and of the files that they have open."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROCESSES: Final = Path("/proc")
_BOOT_ID: Final = _PROCESSES / "sys" / "kernel" / "random" / "boot_id"
_ACCESS: Final = os.O_RDONLY | os.O_WRONLY | os.O_RDWR


def boot_id() -> str:
    """Which start of the machine this is; ``OSError`` where the system does not say."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


def since_boot_s() -> float:
    """Seconds since the machine was started, those in which it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def began_s(process: int) -> float:
    """Seconds from the start of the machine to that of a process; proc_pid_stat(5), field 22."""
    stat = (_PROCESSES / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
    return int(stat.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that some process has open."""

    process: Path
    number: str

    @property
    def path(self) -> str:
        """Where the process opened it; empty where it is closed meanwhile."""
        try:
            return str(self._handle.readlink())
        except OSError:
            return ""

    @property
    def holder(self) -> str:
        """The process by name and number."""
        try:
            name = (self.process / "comm").read_text("utf-8", "replace").strip()
        except OSError:
            name = "a program"
        return f"{name} (process {self.process.name})"

    @property
    def writes(self) -> bool:
        """Whether the process can write into it."""
        try:
            lines = (self.process / "fdinfo" / self.number).read_text("ascii").splitlines()
        except OSError:
            return False
        flags = next((line.split()[1] for line in lines if line.startswith("flags:")), "0")
        return int(flags, 8) & _ACCESS != os.O_RDONLY

    def is_same(self, path: Path) -> bool:
        """Whether it is this file: by its path, or, seen from another root, by its inode."""
        try:
            return os.path.realpath(path) == self.path or os.path.samestat(self._handle.stat(), path.lstat())
        except OSError:
            return False

    @property
    def _handle(self) -> Path:
        return self.process / "fd" / self.number


def open_files() -> Iterator[OpenFile]:
    """The files that processes have open, as far as this one may look: all of them for root, else those of
    the same user; none where the system does not say, and none of other machines.
    """
    for process in _numbered(_PROCESSES):
        yield from (OpenFile(process, handle.name) for handle in _numbered(process / "fd"))


def _numbered(folder: Path) -> Iterator[Path]:
    """The entries called by a number; none where the folder is gone or not ours to look at."""
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    yield from (entry for entry in entries if entry.name.isdecimal())
