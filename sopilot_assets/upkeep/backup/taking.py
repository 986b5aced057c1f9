"""Taking one file of a home into a repository, or finding that it is there already."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import uuid4

from sopilot_assets.errors import BackupError
from sopilot_assets.upkeep.backup.contents import YOUNG, Found, Listing, state_of
from sopilot_assets.upkeep.backup.databases import copy_database, has_pending_writes, is_database
from sopilot_assets.upkeep.backup.repository import Repository, chunks, file_hash
from sopilot_assets.upkeep.backup.snapshot import PLAIN, SQLITE, Remark, StoredFile

SHARES: Final = 16
"""One of so many files is read again in every backup although it looks unchanged."""

PART_BYTES: Final = 512 << 10
"""The size of the parts of databases."""

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
_TRIES: Final = 5
_SAME_TICK_NS: Final = 2_000_000_000
"""A file that changed so shortly before it was read may have changed again with the same time."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one file: its line in the snapshot, or none where it is gone or cannot be read.

    ``new_bytes`` were written into the repository. ``mended`` is an object that was damaged there,
    ``left_out`` why the file has to wait for the next backup, ``problem`` what is wrong with it.
    """

    file: StoredFile | None
    new_objects: int = 0
    new_bytes: int = 0
    read_again: bool = False
    mended: Remark | None = None
    left_out: Remark | None = None
    problem: Remark | None = None


@dataclass(frozen=True, slots=True)
class Taker:
    """Takes files into ``repository``, which has the objects ``stored`` (size by hash).

    ``known`` are the files of the snapshot before, read at ``known_at_ns`` (nanoseconds since the epoch).
    Files whose hash begins with the hex digit ``share`` are read again in any case. Copies of databases are
    made in ``scratch``.
    """

    repository: Repository
    stored: dict[str, int]
    known: Mapping[str, StoredFile]
    known_at_ns: int
    share: str
    scratch: Path

    def take(self, found: Found) -> Taken:
        """What became of one file of the home."""
        known = self.known.get(found.name)
        try:
            if known is None or not self._looks_unchanged(known, found):
                return self._read(found)
            if known.sha256.startswith(self.share):
                return self._read_again(known, found)
            return Taken(replace(known, mode=found.mode))
        except FileNotFoundError:
            return Taken(None)
        except OSError as error:
            what = f"could not be read ({error.strerror or error}); mend the disk or its permissions"
            return Taken(None, problem=Remark(found.name, what))

    def pinned(self, listing: Listing) -> Listing:
        """The same, with private copies of the files that changed, so that others may go on changing them."""
        return replace(listing, files=tuple(filter(None, map(self._pinned, listing.files))))

    def _pinned(self, found: Found) -> Found | None:
        known = self.known.get(found.name)
        if known is not None and self._looks_unchanged(known, found):
            return found
        copy = self.scratch / uuid4().hex
        try:
            shutil.copyfile(found.path, copy)
        except FileNotFoundError:
            return None
        except OSError as error:
            copy.unlink(missing_ok=True)
            if error.errno in _NO_ROOM:
                raise BackupError(
                    f"{self.scratch}: could not hold a copy of {found.name} ({error.strerror}); backups made "
                    "before are unchanged. Make room there, then run the backup again."
                ) from error
            return found  # when it is taken, what is wrong with it is said
        return replace(found, path=copy)

    def _looks_unchanged(self, known: StoredFile, found: Found) -> bool:
        return (
            known.state == found.state
            and max(found.state.ctime_ns, found.state.mtime_ns) < self.known_at_ns - _SAME_TICK_NS
            and all(sha256 in self.stored for sha256 in known.objects)
            and not (known.kind == SQLITE and has_pending_writes(found.path))
        )

    def _read_again(self, known: StoredFile, found: Found) -> Taken:
        """An unchanged file, whose bytes and whose object must still be what they were."""
        kept = Taken(replace(known, mode=found.mode), read_again=True)
        intact = known.kind == SQLITE or self._is_intact(known, found)
        damaged = [sha256 for sha256 in known.objects if not self._object_is_intact(sha256)]
        if not intact:
            return replace(kept, problem=_damaged(known, object_intact=not damaged))
        if not damaged:
            return kept
        for sha256 in damaged:
            self.stored.pop(sha256, None)
        what = f"objects/{damaged[0][:2]}/{damaged[0]} was damaged in the repository and was written again"
        return replace(self._read(found), read_again=True, mended=Remark(known.path, what))

    def _object_is_intact(self, sha256: str) -> bool:
        try:
            return file_hash(self.repository.object(sha256)) == sha256
        except OSError:
            return False

    @staticmethod
    def _is_intact(known: StoredFile, found: Found) -> bool:
        """Whether the bytes are those that were read before, or were exchanged since the file was listed."""
        try:
            same = prefix_hash(found.path, known.size) == known.sha256
            return same or state_of(found.path.stat()) != found.state
        except FileNotFoundError:
            return True

    def _read(self, found: Found) -> Taken:
        if not (found.may_be_database and is_database(found.path)):
            return self._store(found)
        copy = self.scratch / uuid4().hex
        try:
            try:
                copy_database(found.path, copy)
            except BackupError as error:
                gone = not found.path.exists()
                return Taken(None, problem=None if gone else Remark(found.name, str(error)))
            return self._store_database(found, copy)
        finally:
            copy.unlink(missing_ok=True)

    def _store(self, found: Found) -> Taken:
        """The file as it is now, in the repository; of one that grows, what it held when it was opened."""
        for _ in range(_TRIES):
            size = found.path.stat().st_size
            sha256 = prefix_hash(found.path, size)
            if sha256 is None:
                continue
            file = StoredFile(found.name, size, sha256, found.mode, PLAIN, found.state)
            if self.stored.get(sha256) == size:
                return self._settled(found, Taken(file))
            if self.repository.add_object(found.path, sha256, size):
                self.stored[sha256] = size
                return self._settled(found, Taken(file, new_objects=1, new_bytes=size))
        what = f"changed each of the {_TRIES} times it was read, so it is not in the backup; run it again"
        return Taken(None, problem=Remark(found.name, what))

    def _store_database(self, found: Found, copy: Path) -> Taken:
        whole, parts, new = hashlib.sha256(), list[str](), list[int]()
        with copy.open("rb") as stream:
            while part := stream.read(PART_BYTES):
                whole.update(part)
                sha256 = hashlib.sha256(part).hexdigest()
                if self.stored.get(sha256) != len(part):
                    self.repository.add_bytes(part, sha256)
                    self.stored[sha256] = len(part)
                    new.append(len(part))
                parts.append(sha256)
        size = copy.stat().st_size
        file = StoredFile(found.name, size, whole.hexdigest(), found.mode, SQLITE, found.state, tuple(parts))
        return Taken(file, new_objects=len(new), new_bytes=sum(new))

    def _settled(self, found: Found, taken: Taken) -> Taken:
        """The same, unless it is a recording on its way into the capture folder that went on meanwhile."""
        if found.name.startswith("capture/") and state_of(found.path.stat()) != found.state:
            return Taken(None, left_out=Remark(found.name, YOUNG))
        return taken


def prefix_hash(path: Path, size: int) -> str | None:
    """The SHA-256 of the first ``size`` bytes of a file; None where it has fewer."""
    digest, count = hashlib.sha256(), 0
    with path.open("rb") as stream:
        for chunk in chunks(stream, size):
            digest.update(chunk)
            count += len(chunk)
    return digest.hexdigest() if count == size else None


def _damaged(known: StoredFile, *, object_intact: bool) -> Remark:
    where = (
        f"the backup still has the right one, objects/{known.sha256[:2]}/{known.sha256}: restore to another "
        "home and copy the file from there"
        if object_intact
        else "the copy in the backup is damaged as well; look for the file in another repository"
    )
    return Remark(
        known.path, f"damaged in the home: its bytes changed although its time and size did not; {where}"
    )
