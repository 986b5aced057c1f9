"""Sidecars that come after their recording was taken in: what they say corrects what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sopilot_assets.capture.facts import Correction, correct_recordings, facts_of
from sopilot_assets.capture.registry import Recording, Registry, file_names
from sopilot_assets.capture.scan import DroppedFile, Scan, Skipped
from sopilot_assets.capture.sidecar import read_sidecar
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.texts.names import composed

SETTLE_S: Final = 60.0
"""How long a sidecar waits for its recording to be copied after it: one that comes so late belongs to a
recording that is here already."""


@dataclass(frozen=True, slots=True)
class LateSidecars:
    """What sidecars without their recording beside them changed, and which were left, with the reason."""

    corrections: tuple[Correction, ...]
    left: tuple[Skipped, ...]


def read_late_sidecars(
    home: Home, scan: Scan, *, clock: Callable[[], datetime], run_id: str, settle_s: float = 0.0
) -> LateSidecars:
    """What the scan's lone sidecars changed; one that was read is removed, one younger than ``settle_s``
    waits.
    """
    changed: list[Correction] = []
    left: list[Skipped] = []
    due = [one for one in scan.sidecars if _age_s(one, clock().timestamp()) >= settle_s]
    recordings = _called(home, set(map(_name, due))) if due else []
    for sidecar in due:
        try:
            found = _recording(sidecar, recordings)
            facts = facts_of(read_sidecar(sidecar.path))
            if facts:
                why = f"sidecar {sidecar.relative}"
                changed += correct_recordings(
                    home, [str(found.key)], facts, who="sidecar", why=why, at=clock(), run_id=run_id
                )
            sidecar.path.unlink(missing_ok=True)
        except (ConfigError, OSError) as error:
            left.append(Skipped(sidecar.relative, str(error).replace(f"{local_path(home.capture)}/", "")))
    return LateSidecars(tuple(changed), tuple(left))


def _age_s(sidecar: DroppedFile, now_s: float) -> float:
    """How long ago it was written or copied here; some copies keep the time of the original, which may be
    ahead of this machine's.
    """
    try:
        found = sidecar.path.lstat()
    except OSError:
        return 0.0
    return min(abs(now_s - at_s) for at_s in (found.st_mtime, found.st_ctime))


def _called(home: Home, names: Container[str]) -> list[Recording]:
    """The active recordings with one of these names, with or without its suffix; no others are read."""
    folded = {key: _folded(name) for key, name in file_names(home).items()}
    keys = [key for key, name in folded.items() if name in names or name.rpartition(".")[0] in names]
    return list(Registry.read_those(home, keys).active().values())


def _recording(sidecar: DroppedFile, recordings: Iterable[Recording]) -> Recording:
    """The registered recording that a sidecar names and that was dropped where it lies."""
    name = _name(sidecar)
    place = sidecar.place
    here = [
        one
        for one in recordings
        if place is not None
        and (one.task_id, one.role, one.site, one.camera)
        == (place.task_id, place.role, place.site, place.camera)
    ]
    exact = [one for one in here if _folded(one.original_name) == name]
    found = exact or [one for one in here if _folded(one.original_name).rpartition(".")[0] == name]
    if len(found) == 1:
        return found[0]
    if found:
        keys = ", ".join(str(one.key) for one in found)
        raise ConfigError(
            f"a sidecar of {len(found)} recordings called so ({keys}); `sopilot recording correct` takes one"
        )
    raise ConfigError(
        "a sidecar without its recording: expected one called so less .json beside it, or taken in from here "
        "earlier; correct its name"
    )


def _name(sidecar: DroppedFile) -> str:
    return _folded(sidecar.path.stem)


def _folded(name: str) -> str:
    return composed(name).casefold()
