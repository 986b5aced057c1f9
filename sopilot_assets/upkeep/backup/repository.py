"""The folder that backups lie in: every file once, under its SHA-256, and one sealed list for each backup.

::

    sopilot-backup.json                     says that this is a repository
    objects/ab/abcd…                        the bytes of a file
    snapshots/20250602T080000Z-1f….json     what the home held at that time

It is a folder, or a place in an object store. Nothing in it is ever changed; only `forget` removes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast
from urllib.parse import urlsplit

from upath import UPath

from sopilot_assets.errors import BackupError
from sopilot_assets.processes.posix.files import flush
from sopilot_assets.store.publish import TEMPORARY_PREFIX, only_writer, sweep_unfinished
from sopilot_assets.upkeep.backup.snapshot import (
    Snapshot,
    is_snapshot_name,
    parse_snapshot,
    sealed,
    unsealed,
)

MARKER: Final = "sopilot-backup.json"
LOCK: Final = ".lock"

_OBJECT: Final = re.compile(r"[0-9a-f]{64}")
_OLD_S: Final = 3600.0
_CHUNK_BYTES: Final = 1 << 20
_CONTENT: Final = {"what": "a repository of sopilot backups; see docs/operations.md#backup"}


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at ``root``; `open_repository` says whether there is one."""

    root: UPath

    @property
    def name(self) -> str:
        """The place, without what a URL may hold of a password."""
        return shown_place(str(self.root))

    @property
    def objects(self) -> UPath:
        """The folder of the objects."""
        return self.root / "objects"

    @property
    def snapshots(self) -> UPath:
        """The folder of the snapshots."""
        return self.root / "snapshots"

    def object(self, sha256: str) -> UPath:
        """The object with this hash."""
        return self.objects / sha256[:2] / sha256

    def stored(self) -> dict[str, int]:
        """The size in bytes of every object, by its hash, as the store lists them."""
        found = ((path.rpartition("/")[2], size) for path, size in files_below(self.objects))
        return {name: size for name, size in found if _OBJECT.fullmatch(name)}

    def snapshot_names(self) -> list[str]:
        """The names of the snapshots, oldest first."""
        names = (path.rpartition("/")[2].removesuffix(".json") for path, _ in files_below(self.snapshots))
        return sorted(name for name in names if is_snapshot_name(name))

    def snapshot_path(self, name: str) -> UPath:
        """The file of a snapshot."""
        return self.snapshots / f"{name}.json"

    def snapshot(self, name: str) -> Snapshot:
        """One snapshot, checked; `BackupError` where it is missing or damaged."""
        path = self.snapshot_path(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BackupError(
                f"{shown_place(str(path))}: could not be read ({error.strerror or error}). "
                "`sopilot backup list` shows which snapshots there are."
            ) from error
        return parse_snapshot(data, name=name)

    def add_snapshot(self, name: str, data: bytes) -> None:
        """Write a snapshot, and read it back."""
        self._add(self.snapshot_path(name), data)
        self.snapshot(name)

    def add_object(self, source: Path, sha256: str, size: int) -> bool:
        """Store the first ``size`` bytes of a file, whose hash was ``sha256``; False where it is another by
        now. The object is read back from the store.
        """
        target = self.object(sha256)
        with source.open("rb") as stream, _written(target) as (temporary, place):
            if _copy(stream, temporary, size) != sha256:
                return False
            place()
        self._refuse_different(target, sha256)
        return True

    def begin(self) -> None:
        """Make an empty repository, which only its owner may read."""
        if is_local(self.root):
            _make_private(Path(self.root.path))
        self._add(self.root / MARKER, sealed(_CONTENT))

    def check_marker(self) -> None:
        """Refuse a repository whose marker is missing or damaged, by `BackupError`."""
        try:
            unsealed((self.root / MARKER).read_bytes(), name=f"{self.name}/{MARKER}")
        except OSError as error:
            raise BackupError(
                f"{self.name}/{MARKER}: could not be read ({error.strerror or error}). Copy it from another "
                "repository of backups; it is the same in all of them."
            ) from error

    def add_bytes(self, data: bytes, sha256: str) -> None:
        """Store bytes, whose hash is ``sha256``, and read them back."""
        target = self.object(sha256)
        self._add(target, data)
        self._refuse_different(target, sha256)

    def sweep(self, *, now_s: float) -> None:
        """Remove unfinished files that a killed backup left; an object store shows none."""
        if is_local(self.root):
            sweep_unfinished(self.root, older_than_s=_OLD_S, now_s=now_s)

    def remove(self, target: UPath) -> None:
        """Remove a file of the repository; one that is gone already is no error."""
        with contextlib.suppress(FileNotFoundError):
            target.unlink()

    @contextlib.contextmanager
    def only_user(self) -> Iterator[None]:
        """Wait until nobody else on this machine writes into or removes from the repository."""
        place = hashlib.sha256(str(self.root).encode()).hexdigest()[:16]
        elsewhere = Path(tempfile.gettempdir()) / f"sopilot-backup-{place}{LOCK}"
        with only_writer(self.root / LOCK if is_local(self.root) else elsewhere):
            yield

    def _add(self, target: UPath, data: bytes) -> None:
        with _written(target) as (temporary, place):
            temporary.write(data)
            place()

    def _refuse_different(self, target: UPath, sha256: str) -> None:
        found = file_hash(target)
        if found != sha256:
            self.remove(target)
            raise BackupError(
                f"{shown_place(str(target))}: read back, it has SHA-256 {found[:12]}…, expected "
                f"{sha256[:12]}…. The disk or store of the repository does not keep what is written to it; "
                "use another one."
            )


def open_repository(place: str | Path | UPath, *, create: bool = False) -> Repository:
    """The repository at a folder or URL; with ``create`` a new one where there is nothing yet.

    Raises `BackupError` where something else is there, or nothing, or where the URL holds credentials. A
    damaged marker is left to `Repository.check_marker`.
    """
    if shown_place(str(place)) != str(place):
        raise BackupError(
            f"{shown_place(str(place))}: expected the address only, found user, password or query in it. "
            "Give credentials by the environment of the store's library (AWS_ACCESS_KEY_ID and the like)."
        )
    root = UPath(place)
    repository = Repository(UPath(Path(root.path).absolute()) if is_local(root) else root)
    try:
        if not ((repository.root / MARKER).exists() or repository.snapshot_names()):
            _begin(repository, create=create)
    except BackupError:
        raise
    except Exception as error:
        # the library of an object store raises errors of its own
        reason = getattr(error, "strerror", None) or error
        raise BackupError(
            f"{repository.name}: could not be used ({reason}). Mend it, check its address and the "
            "credentials, or name another place."
        ) from error
    return repository


def _begin(repository: Repository, *, create: bool) -> None:
    if next(files_below(repository.root), None) is not None:
        raise BackupError(
            f"{repository.name}: expected a repository of backups or an empty folder, found other files "
            f"and no {MARKER}. Name another folder."
        )
    if not create:
        raise BackupError(
            f"{repository.name}: there is no repository of backups. Name the one that "
            "`sopilot backup create` wrote to."
        )
    repository.begin()


def files_below(folder: UPath) -> Iterator[tuple[str, int]]:
    """The path and size (bytes) of every file below a folder, except unfinished ones and locks."""
    if not is_local(folder):
        if folder.exists():
            found = folder.fs.find(folder.path, detail=True)
            yield from ((path, int(info["size"])) for path, info in found.items())
        return
    for parent, _, names in os.walk(folder.path):
        for name in names:
            if name != LOCK and not name.startswith(TEMPORARY_PREFIX):
                path = Path(parent, name)
                yield str(path), path.lstat().st_size


def file_hash(path: UPath) -> str:
    """The SHA-256 of a file, read from the disk rather than from memory where the system allows that."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        if is_local(path):
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def chunks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """The first ``size`` bytes of a stream, piece by piece; less where it ends before."""
    left = size
    while left and (chunk := stream.read(min(left, _CHUNK_BYTES))):
        left -= len(chunk)
        yield chunk


def is_local(path: UPath) -> bool:
    """Whether a path is on this machine's file system."""
    return path.protocol in ("", "file", "local")


def shown_place(place: str) -> str:
    """A place as it may be shown: a URL without user, password and query.

    >>> shown_place("s3://user:secret@bucket/backup?token=1")
    's3://bucket/backup'
    """
    parts = urlsplit(place)
    if "://" not in place:
        return place
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> str:
    digest = hashlib.sha256()
    for chunk in chunks(source, size):
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def _written(target: UPath) -> Iterator[tuple[BinaryIO, Callable[[], None]]]:
    """A temporary file to fill, and what puts it in its place; without that, nothing comes of it."""
    folder = Path(target.parent.path) if is_local(target) else None
    try:
        if folder is not None:
            _make_private(folder)
        with tempfile.NamedTemporaryFile(prefix=TEMPORARY_PREFIX, dir=folder, delete=False) as stream:
            temporary = Path(stream.name)

            def place() -> None:
                stream.flush()
                _place(temporary, target)

            try:
                yield cast(BinaryIO, stream), place
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(
            f"{shown_place(str(target))}: could not be written ({error.strerror or error}); backups made "
            "before are unchanged. Make room or mend the place, then run the backup again."
        ) from error


def _place(temporary: Path, target: UPath) -> None:
    if not is_local(target):
        target.fs.put_file(str(temporary), target.path)
        return
    flush(temporary)
    temporary.replace(target.path)
    flush(temporary.parent)


def _make_private(folder: Path) -> None:
    """Make the folder where it is missing, for its owner only: a repository holds private keys."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flush(folder.parent)
