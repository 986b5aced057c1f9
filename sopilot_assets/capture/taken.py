"""Dropped files that were taken in and still lie in the capture folder: who wrote them may write on.

They are noted in ``videos/.taken.json``. Losing it costs a second look at them, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from sopilot_assets.capture.identity import FileState
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_bytes

NOTES_FILE: Final = ".taken.json"


@dataclass(frozen=True, slots=True)
class TakenFile:
    """A file that was taken in ``at_s`` (seconds since the epoch) and still lies there; ``key`` is its
    recording, None where it was refused; ``problem`` says why it cannot be removed.
    """

    relative: str
    state: FileState
    sidecar_state: FileState | None
    at_s: float
    key: str | None
    problem: str | None = None


_NOTES: Final = TypeAdapter(dict[str, TakenFile])


def read_taken(home: Home) -> dict[str, TakenFile]:
    """The files that were taken in and still lie there, by `DroppedFile.identity`."""
    path = _path(home)
    try:
        return _NOTES.validate_json(path.read_bytes()) if path.exists() else {}
    except ValidationError:  # its files are recognised by their bytes instead
        return {}


def write_taken(home: Home, taken: Mapping[str, TakenFile]) -> None:
    """Note which files still lie there; whoever calls this is the only intake."""
    if dict(taken) != read_taken(home):
        publish_bytes(_path(home), _NOTES.dump_json(dict(sorted(taken.items())), indent=1))


def _path(home: Home) -> Path:
    return local_path(home.videos) / NOTES_FILE
