"""Making a backup: every file of a home that the repository lacks, then the list of all of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import sopilot_assets
from sopilot_assets.errors import BackupError, ConfigError
from sopilot_assets.stations.outcome import Progress
from sopilot_assets.store.compaction import MAINTENANCE_LOCK
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, only_writer, scratch_folder
from sopilot_assets.upkeep.backup import contents
from sopilot_assets.upkeep.backup.contents import Listing
from sopilot_assets.upkeep.backup.repository import Repository, open_repository
from sopilot_assets.upkeep.backup.snapshot import Remark, Snapshot, sealed, snapshot_name
from sopilot_assets.upkeep.backup.taking import SHARES, Taken, Taker
from sopilot_assets.upkeep.backup.whose import give_id, is_of

THREADS: Final = 4
"""Files in work at a time; most of the time goes into waiting for the disk."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made: its ``name`` in the repository, its content, and what had to be done for it.

    ``read_again`` files looked unchanged and were read nevertheless; ``mended`` are objects of the repository
    that were damaged and were written again; ``unreadable`` are earlier snapshots that are damaged.
    """

    name: str
    snapshot: Snapshot
    new_objects: int
    new_bytes: int
    read_again: int
    mended: tuple[Remark, ...]
    unreadable: tuple[Remark, ...]

    @property
    def is_sound(self) -> bool:
        """Whether the backup holds all that it should, and nothing was found damaged."""
        return not (self.snapshot.problems or self.mended or self.unreadable)


def create_backup(home: Home, place: str, *, now: datetime, on_progress: Progress | None = None) -> Backup:
    """A new backup of the home in the repository at ``place``, which is made where there is none.

    Others may work in the home meanwhile: what they publish after ``now`` may be in it or not, but no row is
    in it whose files are not. Raises `BackupError` where the repository cannot be used or written, and
    `ConfigError` for a place inside the home.
    """
    root = local_path(home.root)
    _refuse_inside(root, place)
    repository = open_repository(place, create=True)
    repository.check_marker()
    with repository.only_user(), scratch_folder(root) as scratch:
        repository.sweep(now_s=now.timestamp())
        give_id(home)
        earlier = _newest_readable(repository, home)
        taker = _taker(repository, earlier, scratch)
        all_of = _Collected(taker, on_progress)
        all_of.take(contents.instance_tables(root), threads=1)
        all_of.take(contents.instance(root))
        all_of.take(contents.dropped(root, now_s=now.timestamp()))
        all_of.take(_rows_and_results(home, root, taker))
        all_of.take(contents.everything_else(root))
        return _publish(repository, all_of, earlier, home=home, now=now)


@dataclass(frozen=True, slots=True)
class _Earlier:
    """The newest snapshot of the home that can be read, and those after it that cannot; ``newest_name`` is
    the newest of all.
    """

    name: str | None = None
    snapshot: Snapshot | None = None
    newest_name: str | None = None
    unreadable: tuple[Remark, ...] = ()


def _newest_readable(repository: Repository, home: Home) -> _Earlier:
    names = repository.snapshot_names()
    unreadable: list[Remark] = []
    for name in reversed(names):
        try:
            snapshot = repository.snapshot(name)
            if is_of(snapshot, home):
                return _Earlier(name, snapshot, names[-1], tuple(unreadable))
        except BackupError as error:
            unreadable.append(Remark(f"snapshots/{name}.json", str(error)))
    return _Earlier(newest_name=names[-1] if names else None, unreadable=tuple(unreadable))


def _taker(repository: Repository, earlier: _Earlier, scratch: Path) -> Taker:
    before = earlier.snapshot
    number = before.number + 1 if before else 1
    return Taker(
        repository,
        stored=repository.stored(),
        known=before.by_path if before else {},
        known_at_ns=int(datetime.fromisoformat(before.created_at).timestamp() * 1e9) if before else 0,
        share=f"{number % SHARES:x}",
        scratch=scratch,
    )


@dataclass(slots=True)
class _Collected:
    """What one listing after the other gave."""

    taker: Taker
    on_progress: Progress | None
    taken: list[Taken] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)

    def take(self, listing: Listing, *, threads: int = THREADS) -> None:
        """Take all files of a listing, ``threads`` at a time."""
        total = len(self.taken) + len(listing.files)
        self.listings.append(listing)
        with ThreadPoolExecutor(threads) as pool:
            for taken in pool.map(self.taker.take, listing.files):
                self.taken.append(taken)
                if self.on_progress:
                    self.on_progress(len(self.taken), total)


def _rows_and_results(home: Home, root: Path, taker: Taker) -> Listing:
    """The ledgers and the studies as they are at one moment, copied where they changed.

    The lock of results keeps files and rows of a study together; that of compaction keeps ledger files from
    being exchanged. Copies are made, since a slow repository must not hold up who works in the home.
    """
    with (
        only_writer(home.ledgers / "study_results.lock"),
        only_writer(home.ledgers / "registrations.lock"),
        only_writer(home.ledgers / MAINTENANCE_LOCK),
    ):
        pinned = [
            taker.pinned(listing(root))
            for listing in (contents.studies, contents.chain_ends, contents.ledgers)
        ]
    return Listing(
        tuple(file for listing in pinned for file in listing.files),
        tuple(folder for listing in pinned for folder in listing.folders),
        tuple(remark for listing in pinned for remark in listing.left_out),
    )


def _publish(
    repository: Repository, all_of: _Collected, earlier: _Earlier, *, home: Home, now: datetime
) -> Backup:
    taken = all_of.taken
    snapshot = Snapshot(
        number=earlier.snapshot.number + 1 if earlier.snapshot else 1,
        created_at=now.isoformat(),
        made_by=f"sopilot {sopilot_assets.__version__}",
        home=str(home.root),
        previous=earlier.name,
        files=tuple(sorted((one.file for one in taken if one.file), key=lambda file: file.path)),
        folders=tuple(
            sorted((one for listing in all_of.listings for one in listing.folders), key=lambda one: one.path)
        ),
        left_out=(
            *(one for listing in all_of.listings for one in listing.left_out),
            *(one.left_out for one in taken if one.left_out),
        ),
        problems=tuple(one.problem for one in taken if one.problem),
    )
    data = sealed(asdict(snapshot))
    name = snapshot_name(data, created_at=now, after=earlier.newest_name)
    repository.add_snapshot(name, data)
    return Backup(
        name,
        snapshot,
        new_objects=sum(one.new_objects for one in taken),
        new_bytes=sum(one.new_bytes for one in taken),
        read_again=sum(one.read_again for one in taken),
        mended=tuple(one.mended for one in taken if one.mended),
        unreadable=earlier.unreadable,
    )


def _refuse_inside(root: Path, place: str) -> None:
    if "://" in place:
        return
    folder = Path(place).absolute()
    if folder.resolve().is_relative_to(root.resolve()):
        raise ConfigError(
            f"{folder}: lies inside the home {root}; a backup there would be lost with it. Name a folder on "
            "another disk, or the URL of an object store."
        )
