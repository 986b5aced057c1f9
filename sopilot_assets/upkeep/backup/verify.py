"""Reading a whole repository again, and naming every file of it that is not what it was."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias

from sopilot_assets.errors import BackupError
from sopilot_assets.stations.outcome import Progress
from sopilot_assets.upkeep.backup.repository import MARKER, Repository, file_hash, files_below
from sopilot_assets.upkeep.backup.snapshot import Snapshot

THREADS: Final = 2


_EXPECTED: Final = re.compile(
    rf"{re.escape(MARKER)}|objects/([0-9a-f]{{2}})/\1[0-9a-f]{{62}}|snapshots/\d{{8}}T\d{{6}}Z-[0-9a-f]{{12}}\.json"
)


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A file of the repository that is damaged or missing, and which files of the home it held, in which of
    the snapshots.
    """

    file: str
    what: str
    paths: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BackupVerification:
    """What a repository holds, and what of it is damaged.

    ``unused`` objects belong to no snapshot, as those of a backup that was interrupted; ``foreign`` are files
    that no backup wrote.
    """

    snapshots: int
    objects: int
    bytes: int
    unused: int
    damaged: tuple[DamagedFile, ...]
    foreign: tuple[str, ...]


def verify_repository(repository: Repository, *, on_progress: Progress | None = None) -> BackupVerification:
    """Every file of the repository against its hash; nothing is changed."""
    damaged = _marker(repository)
    snapshots: dict[str, Snapshot] = {}
    names = repository.snapshot_names()
    for name in names:
        try:
            snapshots[name] = repository.snapshot(name)
        except BackupError as error:
            damaged.append(DamagedFile(f"snapshots/{name}.json", str(error), snapshots=(name,)))
    stored, uses = repository.stored(), _uses(snapshots)
    wrong = dict(_wrong_objects(repository, stored, on_progress))
    missing = {sha256: "is missing" for sha256 in uses if sha256 not in stored}
    damaged += [_damage(sha256, what, uses) for sha256, what in sorted({**wrong, **missing}.items())]
    return BackupVerification(
        snapshots=len(names),
        objects=len(stored),
        bytes=sum(stored.values()),
        unused=len(set(stored) - set(uses)),
        damaged=tuple(damaged),
        foreign=tuple(_foreign(repository)),
    )


_Uses: TypeAlias = Mapping[str, list[tuple[str, str]]]
"""Which snapshot has which path of the home with a hash."""


def _uses(snapshots: Mapping[str, Snapshot]) -> _Uses:
    uses = defaultdict(list)
    for name, snapshot in snapshots.items():
        for file in snapshot.files:
            for sha256 in file.objects:
                uses[sha256].append((name, file.path))
    return uses


def _marker(repository: Repository) -> list[DamagedFile]:
    try:
        repository.check_marker()
    except BackupError as error:
        return [DamagedFile(MARKER, str(error))]
    return []


def _wrong_objects(
    repository: Repository, stored: Mapping[str, int], on_progress: Progress | None
) -> Iterator[tuple[str, str]]:
    """The objects whose bytes are not those of their names, and what is wrong."""
    with ThreadPoolExecutor(THREADS) as pool:
        checked = pool.map(lambda sha256: _object_problem(repository, sha256), stored)
        for done, (sha256, problem) in enumerate(zip(stored, checked, strict=True), start=1):
            if on_progress:
                on_progress(done, len(stored))
            if problem is not None:
                yield sha256, problem


def _object_problem(repository: Repository, sha256: str) -> str | None:
    try:
        found = file_hash(repository.object(sha256))
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return None if found == sha256 else f"its bytes have SHA-256 {found[:12]}…, expected {sha256[:12]}…"


def _damage(sha256: str, what: str, uses: _Uses) -> DamagedFile:
    used = uses.get(sha256, [])
    paths, snapshots = dict.fromkeys(path for _, path in used), dict.fromkeys(name for name, _ in used)
    return DamagedFile(f"objects/{sha256[:2]}/{sha256}", what, tuple(paths), tuple(snapshots))


def _foreign(repository: Repository) -> Iterator[str]:
    root = repository.root.path.rstrip("/") + "/"
    for path, _ in files_below(repository.root):
        relative = path.removeprefix(root)
        if not _EXPECTED.fullmatch(relative):
            yield relative
