"""Removing old backups of a home, and the objects that only they needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sopilot_assets.errors import BackupError
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.backup.repository import Repository
from sopilot_assets.upkeep.backup.snapshot import Snapshot, stamp_of
from sopilot_assets.upkeep.backup.whose import hash_of_id, is_of


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The snapshots that were removed, and how many objects and bytes went with them. ``doubtful`` are those
    that would have had to go if they are of this home, which they do not say: they were made in another place
    before homes had ids.
    """

    names: tuple[str, ...]
    objects: int
    bytes: int
    doubtful: tuple[str, ...] = ()


def forget(
    repository: Repository, home: Home, *, keep: int, begun_before: datetime | None = None
) -> Forgotten:
    """Remove all but the newest ``keep`` snapshots of a home, at least one, and every object that no snapshot
    needs then; of the kept ones, but for the newest, those too that were begun before a moment. Those of
    other homes stay; a damaged one says of no other home that it is its own.

    Raises `BackupError` and removes nothing where one that stays cannot be read, since what it needs is not
    known then.
    """
    if keep < 1:
        raise BackupError(f"expected to keep at least 1 backup, found {keep}.")
    with repository.only_user():
        own, old, needed, doubtful = 0, list[str](), set[str](), list[str]()
        for name in reversed(repository.snapshot_names()):
            snapshot = _readable(repository, name)
            if snapshot is None or is_of(snapshot, home):
                own += 1
                if own > keep or (own > 1 and _is_before(name, begun_before)):
                    old.append(name)
                    continue
            elif hash_of_id(snapshot) is None and _is_before(name, begun_before):
                doubtful.append(name)
            needed |= _needed_by(snapshot or repository.snapshot(name))
        for name in old:
            repository.remove(repository.snapshot_path(name))
        unused = {sha256: size for sha256, size in repository.stored().items() if sha256 not in needed}
        for sha256 in unused:
            repository.remove(repository.object(sha256))
    return Forgotten(tuple(sorted(old)), len(unused), sum(unused.values()), tuple(sorted(doubtful)))


def _needed_by(snapshot: Snapshot) -> set[str]:
    return {sha256 for file in snapshot.files for sha256 in file.objects}


def _readable(repository: Repository, name: str) -> Snapshot | None:
    try:
        return repository.snapshot(name)
    except BackupError:
        return None


def _is_before(name: str, moment: datetime | None) -> bool:
    """By the time in its name, so that one that is damaged goes too."""
    return moment is not None and stamp_of(name) <= moment
