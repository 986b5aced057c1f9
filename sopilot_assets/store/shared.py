"""A home that several machines share through an object store, each with a copy of what it needs.

Every file that is published below a shared folder goes to the store first and then into the home, so that
what one machine has, all can get. Small folders are brought up to date by `pull`; large files (videos,
embeddings, alignments) are fetched when they are wanted, by `at_hand`, and stay as the machine's cache. All
have names of their own or names that say what is in them, and are replaced whole, so that nothing has to be
merged.

What people write by hand (tasks, studies, the steps of golds) is stored by the next `pull` on their machine.
What belongs to one machine is not shared: recordings in the capture folder, models, keys, alerts, what was
sent to other programs, campaigns and Dagster's own folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from upath import UPath

from sopilot_assets.errors import StoreError, StoreUnavailable

MARKER: Final = "shared_store"
"""The file in a home that holds the URL of its object store."""

CAPTURE: Final = "capture"
STEPS: Final = f"{CAPTURE}/*/gold/steps.csv"
EDITED: Final = ("tasks/*.yaml", "studies/*.yaml", STEPS)
"""What people write by hand, on any machine."""

PULLED: Final = ("tasks", "ledgers", "references", "studies", "dossiers", "reports", CAPTURE)
FETCHED: Final = ("videos", "embeddings", "alignments", "reviews", "quarantine")
SHARED: Final = frozenset((*PULLED, *FETCHED)) - {CAPTURE}
"""The folders whose files are stored when they are published."""

_VERSIONS: Final = ".shared_versions.sqlite"
_TEMPORARY: Final = ".publishing-"


@dataclass(frozen=True, slots=True)
class SharedHome:
    """A home and its object store."""

    root: Path
    store: UPath

    def put(self, content: Path, target: Path) -> None:
        """Store the file ``content`` under the name of ``target``; whole or not at all."""
        with self._asked("be stored", target):
            self.store.fs.put_file(str(content), self._object(target))
        digest = file_md5(content)
        self._versions.note({self._name(target): Version(digest, digest)})

    def withdraw(self, target: Path) -> None:
        """Remove a file from the store; machines that have it keep it."""
        with self._asked("be removed", target), contextlib.suppress(FileNotFoundError):
            self.store.fs.rm_file(self._object(target))

    def pull(self, folders: Iterable[str] = PULLED) -> int:
        """Fetch what is newer in the store, of these folders, and store what people edited here; returns how
        many files were fetched.

        Raises ``StoreError`` where a file was edited on two machines.
        """
        wanted = tuple(folders)
        with self._asked("be listed", self.root):
            listed = dict(item for folder in wanted for item in self._listed(folder))
        self._store_edits(listed)
        known = self._versions.known()
        newer = [name for name, tag in listed.items() if self._is_other(name, tag, known.get(name))]
        vanished = {name for name in newer if not self.fetch(self.root / name)}
        noted = {name: tag for name, tag in listed.items() if name not in known or known[name].tag != tag}
        self._versions.note(
            {
                name: Version(tag, file_md5(self.root / name))
                for name, tag in noted.items()
                if name not in vanished
            }
        )
        # what is gone again was merged into a file that the listing may not have held yet
        return len(newer) - len(vanished) + (self.pull(wanted) if vanished else 0)

    def _store_edits(self, listed: dict[str, str]) -> None:
        """Store the files that people write by hand and changed since they were last fetched or stored, and
        enter them in ``listed``.
        """
        known = self._versions.known()
        edited = (path for pattern in EDITED for path in sorted(self.root.glob(pattern)))
        for path in (path for path in edited if not path.name.startswith(".")):
            name, digest = self._name(path), file_md5(path)
            before = known.get(name)
            if (before is not None and before.digest == digest) or listed.get(name) == digest:
                continue
            if name in listed and (before is None or listed[name] != before.tag):
                raise StoreError(
                    f"{path}: was changed here, and on another machine too: its version is in "
                    f"{self.store}. Put aside the one here, run the same command again, and edit what comes."
                )
            self.put(path, path)
            listed[name] = digest

    def fetch(self, target: Path) -> bool:
        """Whether the store has the file; it is in the home then, whole."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=target.parent) as folder:
            copy = Path(folder) / target.name
            try:
                with self._asked("be fetched", target):
                    self.store.fs.get_file(self._object(target), str(copy))
            except FileNotFoundError:
                return False
            copy.replace(target)
        return True

    def push(self) -> int:
        """Store what only the home has; returns how many files.

        Raises ``StoreError`` where both have a file of the same name and not of the same content.
        """
        with self._asked("be listed", self.root):
            listed = dict(item for folder in sorted(SHARED) for item in self._listed(folder))
        files = {self._name(path): path for folder in sorted(SHARED) for path in _files(self.root / folder)}
        for name in sorted(files.keys() & listed.keys()):
            if file_md5(files[name]) != listed[name] and name.split("/")[0] in PULLED:
                raise StoreError(
                    f"{files[name]}: differs from the file of that name in {self.store}. Keep one of both: "
                    "remove the other, then run the same command again."
                )
        missing = [files[name] for name in sorted(files.keys() - listed.keys())]
        for path in missing:
            self.put(path, path)
        return len(missing)

    def names(self, folder: str) -> set[str]:
        """The names of the files that the store has in a folder."""
        with self._asked("be listed", self.root / folder):
            return {name.removeprefix(f"{folder}/") for name, _ in self._listed(folder)}

    def _listed(self, folder: str) -> Iterator[tuple[str, str]]:
        """Each file's name and its version, a text that changes with the content."""
        self.store.fs.invalidate_cache()
        base = (self.store / folder).path
        for path, details in self.store.fs.find(base, detail=True).items():
            name = f"{folder}/{path[len(base) :].strip('/')}"
            if not (self.root / name).resolve().is_relative_to((self.root / folder).resolve()):
                raise StoreError(
                    f"{self.store}: holds {path!r}, which leads out of the home. Remove it there."
                )
            if folder != CAPTURE or PurePosixPath(name).match(STEPS):
                yield name, _version(details)

    def _is_other(self, name: str, tag: str, known: Version | None) -> bool:
        path = self.root / name
        return not path.exists() or ((known is None or known.tag != tag) and file_md5(path) != tag)

    @property
    def _versions(self) -> Versions:
        return Versions(self.root / _VERSIONS)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _object(self, path: Path) -> str:
        return str((self.store / self._name(path)).path)

    @contextlib.contextmanager
    def _asked(self, what: str, path: Path) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except _store_errors() as error:
            raise StoreUnavailable(
                f"{path}: could not {what} in {self.store} ({error}); the home is unchanged. See that the "
                "store can be reached and that its credentials hold, then run the same step again."
            ) from error


def shared_home(path: Path) -> SharedHome | None:
    """The shared home that a file belongs to; None where its home, or its folder in it, is not shared."""
    for root in path.parents:
        if (url := stored_at(root)) is not None:
            return through(root, url) if path.relative_to(root).parts[0] in SHARED else None
    return None


def stored_at(root: Path) -> str | None:
    """The URL of a home's object store; None for a home of one machine."""
    marker = root / MARKER
    try:
        return marker.read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise StoreError(
            f"{marker}: could not be read ({error.strerror or error}); it says where the home is shared. "
            "Mend the folder's permissions or the disk, then run the same step again."
        ) from error


def pull(root: Path, folders: Iterable[str] = PULLED) -> int:
    """Bring shared folders of a home up to date, by default the small ones; returns how many files were
    fetched. Nothing happens in a home of one machine.
    """
    shared = shared_home(root / PULLED[0])
    return shared.pull(folders) if shared else 0


def withdraw(path: Path) -> None:
    """Remove a file from the store of a shared home, before it is removed from the home."""
    if (shared := shared_home(path)) is not None:
        shared.withdraw(path)


def at_hand(path: Path) -> Path:
    """The same path, its file fetched from the store if only that has it; there may be none at all."""
    if not path.exists() and (shared := shared_home(path)) is not None:
        shared.fetch(path)
    return path


def through(root: Path, url: str) -> SharedHome:
    """The home ``root`` as it is shared through the object store at ``url``."""
    # listings of another minute would hide what other machines wrote since
    return SharedHome(root, UPath(url, use_listings_cache=False))


def names_in_store(folder: Path) -> set[str]:
    """The names of the files that the object store has for a folder of a shared home; none for another."""
    shared = shared_home(folder / MARKER)
    return shared.names(folder.name) if shared else set()


def _files(folder: Path) -> list[Path]:
    """The published files below a folder; locks and unfinished ones have names that begin with a dot."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in found if not any(part[0] == "." for part in path.relative_to(folder).parts)]


def _version(details: Mapping[str, object]) -> str:
    tag = details.get("ETag") or f"{details.get('mtime')}-{details.get('size')}"
    return str(tag).strip('"')


def _store_errors() -> tuple[type[Exception], ...]:
    """What the S3 client raises."""
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - only with the extra `scale`
    except ModuleNotFoundError:
        return (OSError,)
    return (OSError, BotoCoreError)


@dataclass(frozen=True, slots=True)
class Version:
    """What the store called a file's version when it was last fetched or stored, and its MD5 then."""

    tag: str
    digest: str


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions by name, in a database that several processes of a machine write.

    It may be lost: files are compared by content then.
    """

    path: Path

    def known(self) -> dict[str, Version]:
        """The version of each file that was ever fetched or stored."""
        with self._open() as database:
            found = database.execute("select name, tag, digest from versions")
            return {name: Version(tag, digest) for name, tag, digest in found}

    def note(self, versions: Mapping[str, Version]) -> None:
        """Remember these as well."""
        rows = [(name, one.tag, one.digest) for name, one in versions.items()]
        if rows:
            with self._open() as database:
                database.executemany("insert or replace into versions values (?, ?, ?)", rows)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.path, timeout=60)) as database, database:
            database.execute("create table if not exists versions (name text primary key, tag, digest)")
            yield database


def file_md5(path: Path) -> str:
    """What an S3-compatible store calls a file's version, if it was stored in one piece."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
