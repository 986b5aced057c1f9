"""Which version of each shared file a home has."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CHUNK_BYTES: Final = 1 << 20


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
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
