"""Dropped files that were taken in and lie in the capture folder, or did a while ago: who wrote them may go
on, also under another name.

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
    """A file that was taken in ``at_s`` (seconds since the epoch) and still lies there, unless it is ``gone``
    since; ``key`` is its recording, None where it was refused; ``problem`` says why it cannot be removed.
    """

    relative: str
    state: FileState
    sidecar_state: FileState | None
    at_s: float
    key: str | None
    problem: str | None = None
    gone: bool = False

    def is_about(self, state: FileState, sidecar_state: FileState | None) -> bool:
        """Whether a file of this name is still the one that was taken in."""
        return not self.gone and (self.state, self.sidecar_state) == (state, sidecar_state)

    @property
    def folder(self) -> str:
        """Where it lies, or lay."""
        return self.relative.rpartition("/")[0]


_NOTES: Final = TypeAdapter(dict[str, TakenFile])


def read_taken(home: Home) -> dict[str, TakenFile]:
    """What is noted, by `DroppedFile.identity`."""
    path = _path(home)
    try:
        return _NOTES.validate_json(path.read_bytes()) if path.exists() else {}
    except ValidationError:  # its files are recognised by their bytes instead
        return {}


def write_taken(home: Home, taken: Mapping[str, TakenFile]) -> None:
    """Note these files; whoever calls this is the only intake."""
    if dict(taken) != read_taken(home):
        publish_bytes(_path(home), _NOTES.dump_json(dict(sorted(taken.items())), indent=1))


def _path(home: Home) -> Path:
    return local_path(home.videos) / NOTES_FILE
