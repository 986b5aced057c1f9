"""Which processes work in a home."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

import psutil

from sopilot_assets.processes.held_file import is_held
from sopilot_assets.store.home import DEFAULT_HOME, HOME_VARIABLE
from sopilot_assets.upkeep.setting_up import DAEMON_LOCK

_DAGSTER_HOME: Final = "DAGSTER_HOME"
_PROGRAM: Final = "sopilot"


def users_of(home: Path) -> list[str]:
    """The processes that have files of the home open, or run this program or Dagster for it, as ``name
    (pid)``; this process and those that started it do not count. Of processes that cannot be looked into, a
    daemon is known by what it holds.
    """
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = [
        f"{process.info['name']} ({process.pid})"
        for process in psutil.process_iter(["name"])
        if process.pid not in own and _works_in(process, home.resolve())
    ]
    return found or _daemon_elsewhere(home)


def _daemon_elsewhere(home: Path) -> list[str]:
    with suppress(OSError):  # on a disk without locks nothing is held
        if is_held(home / "dagster" / DAEMON_LOCK):
            return ["a daemon of another container or account"]
    return []


def _works_in(process: psutil.Process, home: Path) -> bool:
    # what belongs to somebody else cannot be looked into
    with suppress(psutil.Error, OSError):
        if any(Path(file.path).is_relative_to(home) for file in process.open_files()):
            return True
        folder, words = process.environ().get(_DAGSTER_HOME), process.cmdline()
        runs_dagster = any("dagster" in Path(word).name for word in words)
        if folder and runs_dagster and Path(folder).resolve().is_relative_to(home):
            return True
        # the desk opens files only while it answers
        return _PROGRAM in {Path(word).name for word in words[:2]} and _named(process, words) == home
    return False


def _named(process: psutil.Process, words: Sequence[str]) -> Path:
    """The home that a command line of this program means."""
    options = [word.removeprefix("--home=") for word in words if word.startswith("--home=")]
    options += [value for word, value in pairwise(words) if word == "--home"]
    named = options[-1] if options else process.environ().get(HOME_VARIABLE) or DEFAULT_HOME
    return Path(process.cwd(), named).resolve()
