"""Which processes of this machine work in a home."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

_DAGSTER_HOME: Final = "DAGSTER_HOME"


def users_of(home: Path) -> list[str]:
    """The processes that have files of the home open or run Dagster for it, as ``name (pid)``; this process
    and those that started it do not count.
    """
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [
        f"{process.info['name']} ({process.pid})"
        for process in psutil.process_iter(["name"])
        if process.pid not in own and _works_in(process, home.resolve())
    ]


def _works_in(process: psutil.Process, home: Path) -> bool:
    # what belongs to somebody else cannot be looked into
    with suppress(psutil.Error, OSError):
        if any(Path(file.path).is_relative_to(home) for file in process.open_files()):
            return True
        folder = process.environ().get(_DAGSTER_HOME)
        runs_dagster = any("dagster" in Path(word).name for word in process.cmdline())
        return bool(folder) and runs_dagster and Path(str(folder)).resolve().is_relative_to(home)
    return False
