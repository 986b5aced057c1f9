"""Listing a folder whole while somebody removes files from it.

A listing is not atomic: one that began before a merged file was published, and goes on after the files it was
merged from were removed, holds neither. So whoever removes holds a lock alone, and who lists shares it. Locks
go with their process. Where a system has no locks, a listing counts when the next one finds the same.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sopilot_assets.errors import StoreError
from sopilot_assets.processes.posix.files import lock_file
from sopilot_assets.processes.posix.lacking import HAS_LOCKS
from sopilot_assets.store.publish import only_writer


def whole_listing(folder: Path, suffix: str) -> list[str]:
    """The visible files of a folder with this suffix, by path, as they lay there at one moment."""
    if not HAS_LOCKS:
        return _listed_alike(folder, suffix)
    lock = _lock_of(folder)
    if not lock.exists():
        found = _listed(folder, suffix)
        if not lock.exists():  # nobody has ever removed anything here
            return found
    with _shared(lock):
        return _listed(folder, suffix)


@contextlib.contextmanager
def removing_from(folder: Path) -> Iterator[None]:
    """Hold off everybody who wants to list the folder meanwhile."""
    with only_writer(_lock_of(folder)):
        yield


def _lock_of(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.listing.lock"


def _listed(folder: Path, suffix: str) -> list[str]:
    try:
        found = os.listdir(folder)  # noqa: PTH208 - a path for each costs more than listing
    except FileNotFoundError:
        return []
    names = (name for name in found if name.endswith(suffix) and not name.startswith("."))
    return sorted(f"{folder}{os.sep}{name}" for name in names)


def _listed_alike(folder: Path, suffix: str) -> list[str]:
    """What two listings in a row agree on."""
    before, found = _listed(folder, suffix), _listed(folder, suffix)
    while found != before:
        before, found = found, _listed(folder, suffix)
    return found


@contextlib.contextmanager
def _shared(lock: Path) -> Iterator[None]:
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError as error:
        raise StoreError(
            f"{lock}: could not be opened ({error.strerror or error}); it keeps files from being removed "
            "while they are listed. Mend the folder's permissions, then run the same step again."
        ) from error
    try:
        lock_file(descriptor, shared=True)
        yield
    finally:
        os.close(descriptor)
