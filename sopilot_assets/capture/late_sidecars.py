"""Sidecars that come after their recording was taken in: what they say corrects what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sopilot_assets.capture.facts import Correction, correct_recordings, facts_of
from sopilot_assets.capture.registry import Recording, Registry
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
    registry = Registry.read(home) if scan.sidecars else None
    for sidecar in scan.sidecars:
        if registry is None or _age_s(sidecar, clock().timestamp()) < settle_s:
            continue
        try:
            found = _recording(sidecar, registry.active().values())
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
    """How long ago it was written or copied here; some copies keep the time of the original."""
    try:
        found = sidecar.path.lstat()
    except OSError:
        return 0.0
    return now_s - max(found.st_mtime, found.st_ctime)


def _recording(sidecar: DroppedFile, recordings: Iterable[Recording]) -> Recording:
    """The registered recording that a sidecar names and that was dropped where it lies."""
    name = composed(sidecar.path.stem).casefold()
    place = sidecar.place
    here = [
        one
        for one in recordings
        if place is not None
        and (one.task_id, one.role, one.site, one.camera)
        == (place.task_id, place.role, place.site, place.camera)
    ]
    exact = [one for one in here if composed(one.original_name).casefold() == name]
    found = exact or [one for one in here if _stem(one) == name]
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


def _stem(recording: Recording) -> str:
    return composed(recording.original_name).rpartition(".")[0].casefold()
