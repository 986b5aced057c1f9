"""Taking out of the capture folder what was taken in: at once where a file is whole, else when nobody has
written into it for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from sopilot_assets.capture.identity import file_state
from sopilot_assets.capture.lock import only_intake
from sopilot_assets.capture.open_files import open_for_writing
from sopilot_assets.capture.scan import DroppedFile, Scan
from sopilot_assets.capture.taken import TakenFile, read_taken, write_taken
from sopilot_assets.store.home import Home

REST_S: Final = 600.0
"""How long a file of which nobody can say that it is whole lies there unchanged before it is removed. Copies
that break off are taken up again within minutes."""
REMEMBERED_S: Final = 86_400.0
"""How long after it was taken in the whole of a recording is recognised, once its beginning is gone."""


def clear_taken(home: Home, scan: Scan, *, now_s: float) -> None:
    """Remove the files that were taken in `REST_S` ago and have not changed since; note those that cannot be
    removed, and those that are gone. ``now_s`` is the time since the epoch.

    While another intake is at work nothing happens.
    """
    if not read_taken(home):
        return
    with only_intake(home) as alone:
        if alone:
            notes, changed = read_taken(home), {one.identity for one in scan.candidates}
            kept = {name: note for name, note in notes.items() if name in changed}
            opened = open_for_writing(one.path for one, _ in scan.taken)
            for candidate, note in scan.taken:
                rested = now_s - note.at_s >= REST_S and candidate.path not in opened
                problem = remove_dropped(candidate) if rested or note.problem else ""
                if problem is not None:
                    kept[candidate.identity] = replace(note, problem=problem or None)
            gone = {name: note for name, note in notes.items() if name not in kept}
            write_taken(home, kept | _remembered(gone, now_s=now_s))


def _remembered(gone: Mapping[str, TakenFile], *, now_s: float) -> dict[str, TakenFile]:
    """The notes by which the whole of a recording is known that comes later, or under another name."""
    return {
        name: replace(note, problem=None, gone=True)
        for name, note in gone.items()
        if note.key is not None and abs(now_s - note.at_s) < REMEMBERED_S
    }


def remove_dropped(candidate: DroppedFile) -> str | None:
    """Remove a file and its sidecar, unless somebody replaced them meanwhile; says why it cannot be done."""
    pairs = ((candidate.path, candidate.state), (candidate.sidecar, candidate.sidecar_state))
    try:
        for path, state in pairs:
            if path is not None and state is not None and file_state(path) == state:
                path.unlink(missing_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return None


def taken_note(candidate: DroppedFile, *, at_s: float, key: str | None, problem: str | None) -> TakenFile:
    """The note on a file that was taken in and still lies there."""
    return TakenFile(
        candidate.relative, candidate.state, candidate.sidecar_state, at_s=at_s, key=key, problem=problem
    )
