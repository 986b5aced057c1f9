"""The Dagster instance of a home, without Dagster's definitions, which take seconds to import."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dagster import DagsterInstance

from sopilot_assets.processes.posix.files import lock_file
from sopilot_assets.store.home import Home
from sopilot_assets.store.home_format import refuse_unwritable
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.setting_up import dagster_home

_DAGSTER_HOME: Final = "DAGSTER_HOME"


@contextmanager
def local_instance(home: Home) -> Iterator[DagsterInstance]:
    """The Dagster instance of a home; its settings read ``DAGSTER_HOME``, which is set meanwhile.

    Raises ``FormatError`` where this version must not write into the home: opening writes.
    """
    refuse_unwritable(local_path(home.root))
    folder, before = str(dagster_home(home)), os.environ.get(_DAGSTER_HOME)
    os.environ[_DAGSTER_HOME] = folder
    try:
        with _one_at_a_time(Path(folder)):
            opened = DagsterInstance.from_config(folder)
        with opened as instance:
            yield instance
    finally:
        if before is None:
            del os.environ[_DAGSTER_HOME]
        else:
            os.environ[_DAGSTER_HOME] = before


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """One process of a home opens the instance at a time: whoever is first makes its databases, and two that
    make the same ones leave them broken (Alembic then finds "more than one head").
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "opening.lock").open("a") as held:
        lock_file(held.fileno())
        yield


if __name__ == "__main__":  # as `defs/daemon.py` starts it before a daemon, which opens without asking
    with local_instance(Home.at(sys.argv[1])):
        pass
