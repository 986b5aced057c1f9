"""Whose backup a snapshot is, since several homes may share a repository.

Each home has an id in a file of its own, which is backed up and comes back with everything else, so that it
is the same home wherever it lies. Snapshots from before there were ids are known by where the home lay then.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sopilot_assets.errors import BackupError
from sopilot_assets.store.compaction import MAINTENANCE_LOCK
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, only_writer, publish_text
from sopilot_assets.upkeep.backup.repository import Repository
from sopilot_assets.upkeep.backup.snapshot import Snapshot

ID_FILE: Final = "sopilot-home-id"


def give_id(home: Home) -> None:
    """The home has an id from now on, if it had none."""
    with only_writer(home.ledgers / MAINTENANCE_LOCK):
        if not _id_path(home).exists():
            publish_text(_id_path(home), f"{secrets.token_hex(16)}\n")


def is_of(snapshot: Snapshot, home: Home) -> bool:
    """Whether it is a backup of this home; one of the two without an id, they are compared by their place."""
    mine, its = _hash_of_id(home), hash_of_id(snapshot)
    return its == mine if its and mine else snapshot.home == str(home.root)


def newest_of(repository: Repository, home: Home) -> str:
    """The name of the newest snapshot of this home. For one that has no id yet, such as a new folder, it is
    that of the home that lay in its place, or of the only home that the repository knows.

    Raises `BackupError` where there is none, or where that could be several homes.
    """
    every: dict[tuple[str, str | None], str] = {}
    own: dict[tuple[str, str | None], str] = {}
    for name in reversed(repository.snapshot_names()):
        snapshot = repository.snapshot(name)
        whose = snapshot.home, hash_of_id(snapshot)
        every.setdefault(whose, name)
        if is_of(snapshot, home):
            own.setdefault(whose, name)
            if _hash_of_id(home):
                return name
    found = own if own or _hash_of_id(home) else every
    if len({name_id or place for place, name_id in found}) == 1:
        return max(found.values())
    shown = ", ".join(f"{name} (of {place})" for (place, _), name in every.items())
    raise BackupError(
        f"{repository.name}: expected backups of {home.root}, found those of {_count(every)}; the newest of "
        f"each: {shown or 'none'}. Name the one that you want with --backup."
    )


def _count(every: Mapping[tuple[str, str | None], str]) -> str:
    return "no home" if not every else "another home" if len(every) == 1 else f"{len(every)} homes"


def hash_of_id(snapshot: Snapshot) -> str | None:
    """What tells homes apart, the SHA-256 of the file with the id; None in snapshots from before it."""
    return next((file.sha256 for file in snapshot.files if file.path == ID_FILE), None)


def _hash_of_id(home: Home) -> str | None:
    path = _id_path(home)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _id_path(home: Home) -> Path:
    return local_path(home.root) / ID_FILE
