"""Removing old backups, and the objects that only they needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sopilot_assets.errors import BackupError
from sopilot_assets.upkeep.backup.repository import Repository
from sopilot_assets.upkeep.backup.snapshot import stamp_of


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The snapshots that were removed, and how many objects and bytes went with them."""

    names: tuple[str, ...]
    objects: int
    bytes: int


def forget(repository: Repository, *, keep: int, begun_before: datetime | None = None) -> Forgotten:
    """Remove all but the newest ``keep`` snapshots, at least one, and every object that none of those needs;
    of the kept ones, but for the newest, those too that were begun before a moment.

    Raises `BackupError` and removes nothing where one of the kept ones cannot be read, since what it needs is
    not known then.
    """
    if keep < 1:
        raise BackupError(f"expected to keep at least 1 backup, found {keep}.")
    with repository.only_user():
        names = repository.snapshot_names()
        kept = [name for name in names[-keep:-1] if not _is_before(name, begun_before)] + names[-1:]
        old = [name for name in names if name not in kept]
        needed = {
            sha256 for name in kept for file in repository.snapshot(name).files for sha256 in file.objects
        }
        for name in old:
            repository.remove(repository.snapshot_path(name))
        unused = {sha256: size for sha256, size in repository.stored().items() if sha256 not in needed}
        for sha256 in unused:
            repository.remove(repository.object(sha256))
    return Forgotten(tuple(old), len(unused), sum(unused.values()))


def _is_before(name: str, moment: datetime | None) -> bool:
    """By the time in its name, so that one that is damaged goes too."""
    return moment is not None and stamp_of(name) <= moment
