"""A clock that can be set for the servers under test, and for nothing else on the machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("clock_shift.c")


@dataclass
class Clock:
    """The shift of the servers' clock in seconds; without a C compiler it cannot be set."""

    folder: Path
    shift_s: int = 0

    def __post_init__(self) -> None:
        self._write()
        self.library = self._compiled()

    @property
    def can_be_set(self) -> bool:
        """Whether a step reaches the servers."""
        return self.library is not None

    @property
    def environment(self) -> dict[str, str]:
        """What the servers need in their environment."""
        if self.library is None:
            return {}
        return {
            "LD_PRELOAD": str(self.library),
            "SOAK_CLOCK": str(self.folder / "shift"),
            "SOAK_PROC_STAT": str(self.folder / "stat"),
        }

    def step(self, seconds: int) -> None:
        """Set the clock forward, or back where ``seconds`` is below 0."""
        self.shift_s += seconds
        self._write()

    def _write(self) -> None:
        stat = Path("/proc/stat").read_text(encoding="ascii")
        moved = re.sub(
            r"(?<=^btime )\d+", lambda since: str(int(since[0]) + self.shift_s), stat, flags=re.MULTILINE
        )
        (self.folder / "stat").write_text(moved, encoding="ascii")
        # in place, since it is mapped into the servers' memory
        with (self.folder / "shift").open("r+b" if (self.folder / "shift").exists() else "wb") as file:
            file.write(self.shift_s.to_bytes(8, "little", signed=True))

    def _compiled(self) -> Path | None:
        compiler = shutil.which("cc")
        if compiler is None:
            return None
        library = self.folder / "clock_shift.so"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
        made = subprocess.run(command, check=False, capture_output=True, timeout=60)
        return library if made.returncode == 0 else None
