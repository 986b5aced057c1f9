"""What takes long to make and no test changes is made once in a run, by the worker that asks first.

Others wait, and then read the same files. Who wants to change something takes a copy.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class MadeOnce:
    """The folder that all workers of a run have in common, and what was made in it."""

    folder: Path

    @classmethod
    def of_this_run(cls, temporary: pytest.TempPathFactory) -> MadeOnce:
        """The folder of the whole run; that of this process where there are no workers."""
        own = temporary.getbasetemp()
        return cls((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "made_once")

    def get(self, name: str, make: Callable[[Path], Made]) -> Made:
        """What ``make`` returned, which is given a folder to work in; its result has to be one for pickle."""
        self.folder.mkdir(exist_ok=True)
        place, result = self.folder / name, self.folder / f"{name}.pickle"
        with FileLock(self.folder / f"{name}.lock"):
            if not result.exists():
                shutil.rmtree(place, ignore_errors=True)  # of a worker that failed
                place.mkdir()
                result.write_bytes(pickle.dumps(make(place)))
        found: Made = pickle.loads(result.read_bytes())
        return found
