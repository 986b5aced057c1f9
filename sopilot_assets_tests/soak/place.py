"""A small disk of its own for the home, which can be filled up."""

from __future__ import annotations

import errno
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BALLAST: Final = "ballast"
_CHUNK: Final = b"\0" * (1 << 20)


@dataclass
class Disk:
    """A folder; ``limited`` says whether it is a small disk in memory (which takes the right to mount)."""

    folder: Path
    size_mib: int
    limited: bool = False

    @classmethod
    def mount(cls, folder: Path, *, size_mib: int) -> Disk:
        """The folder as a disk of its own where that is permitted, else just the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)]
        try:
            mounted = subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 0
        except OSError:
            mounted = False
        return cls(folder, size_mib, mounted)

    def fill(self) -> None:
        """Leave not a byte."""
        if not self.limited:
            raise OSError(errno.EPERM, "only a disk of its own is filled up", str(self.folder))
        with (self.folder / BALLAST).open("ab", buffering=0) as file:
            for size in (len(_CHUNK), 4096, 1):
                try:
                    while file.write(_CHUNK[:size]):
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def clear(self) -> None:
        """Give the space back."""
        (self.folder / BALLAST).unlink(missing_ok=True)

    @property
    def free_mib(self) -> float:
        """What is free."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize / (1 << 20)

    def unmount(self) -> None:
        """Give the disk back."""
        if self.limited:
            subprocess.run(["umount", "-l", str(self.folder)], check=False, timeout=30)
