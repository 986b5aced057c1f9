"""How much room an upgrade needs, the backup before it, and scoring again after it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sopilot_assets.errors import ConfigError
from sopilot_assets.upkeep.backup.contents import MADE_AGAIN
from sopilot_assets.upkeep.upgrade.migrations import UpgradePlan

MIB: Final = 1 << 20
_SPARE: Final = 64 * MIB
_PER_SCORE: Final = ("alignments", "reviews")
"""Folders with a file for each score."""


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes: what is free on the home's disk, what the upgrade keeps there, at most what a first backup of
    the home holds, and what scoring again what is stale is likely to add.
    """

    free: int
    upgrade: int
    backup: int
    rescoring: int

    @property
    def needed(self) -> int:
        """What has to be free on the home's disk."""
        return self.upgrade + self.rescoring


def room_for(root: Path, plan: UpgradePlan, *, stale: int, embedded_anew: int) -> Room:
    """The room for an upgrade by ``plan``, measured from the files of the home.

    ``stale`` scores are made again, and so are the embeddings of ``embedded_anew`` recordings.
    """
    scoring = stale * sum(_mean_bytes(root / name) for name in _PER_SCORE)
    embedding = embedded_anew * _mean_bytes(root / "embeddings")
    kept = [path for path in root.iterdir() if path.name not in MADE_AGAIN]
    return Room(
        free=shutil.disk_usage(root).free,
        upgrade=_upgrade_bytes(root, plan),
        backup=sum(size for path in kept for size in _sizes(path)),
        rescoring=scoring + embedding,
    )


def refuse_full(root: Path, plan: UpgradePlan) -> None:
    """Nothing; ``ConfigError`` where there is no room for what the upgrade itself writes."""
    free, needed = shutil.disk_usage(root).free, _upgrade_bytes(root, plan)
    if free < needed:
        raise ConfigError(
            f"{root}: expected {needed / MIB:.0f} MiB of free space for what the upgrade changes and what it "
            f"was before, found {free / MIB:.0f} MiB. Make room, then run the same command again."
        )


def _upgrade_bytes(root: Path, plan: UpgradePlan) -> int:
    """Each file three times: as it was, as it becomes, and as it is put in place."""
    return 3 * sum((root / path).stat().st_size for path in plan.files) + (_SPARE if plan.is_needed else 0)


def _mean_bytes(folder: Path) -> int:
    sizes = list(_sizes(folder))
    return sum(sizes) // len(sizes) if sizes else 0


def _sizes(path: Path) -> Iterable[int]:
    """The sizes of a file, or of all files below a folder; what vanishes meanwhile has none."""
    if path.is_file():
        yield path.stat().st_size
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                yield os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - very many
            except FileNotFoundError:
                continue
