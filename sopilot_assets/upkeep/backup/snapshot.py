"""A snapshot: what a home held at one time, file by file, as one sealed JSON file.

The file holds its own SHA-256 and has exactly one way to be written, so that no byte of it can be changed
unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from sopilot_assets.errors import BackupError
from sopilot_assets.store.canonical import canonical_json

FORMAT: Final = 1
SQLITE: Final = "sqlite"
PLAIN: Final = "file"

_NAME: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{12}")
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_HEAD: Final = b'{"content":'
_TAIL_BYTES: Final = len(f',"format":{FORMAT},"sha256":"{"0" * 64}"}}\n')
_SEAL_AT: Final = _TAIL_BYTES - 64 - len('"}\n')
_DAMAGED: Final = "it was damaged or changed. Use another snapshot, and make a new backup."


@dataclass(frozen=True, slots=True)
class SourceState:
    """What tells without reading whether a file of the home is still the same: size in bytes, times in
    nanoseconds since the epoch, and inode.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file: its path below the home as `path_text` writes it, its bytes (``size`` and ``sha256``), its
    permissions, and its state when it was read.

    ``kind`` is ``sqlite`` for a database, whose bytes are those of a copy through SQLite. They are stored in
    ``parts``, by their hashes, since little of a database changes from one backup to the next.
    """

    path: str
    size: int
    sha256: str
    mode: int
    kind: str
    state: SourceState
    parts: tuple[str, ...] = ()

    @property
    def objects(self) -> tuple[str, ...]:
        """The hashes of the objects that hold the bytes, in order."""
        return self.parts or (self.sha256,)


@dataclass(frozen=True, slots=True)
class SnapshotFolder:
    """One folder below the home, and its permissions."""

    path: str
    mode: int


@dataclass(frozen=True, slots=True)
class Remark:
    """A file, or several, that the snapshot lacks or that is not as it should be, and why."""

    path: str
    what: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that one backup holds. ``previous`` names the snapshot before it; ``number`` counts them.

    ``left_out`` is what the snapshot does not hold on purpose, ``problems`` what it should hold and does not.
    """

    number: int
    created_at: str
    made_by: str
    home: str
    previous: str | None
    files: tuple[StoredFile, ...]
    folders: tuple[SnapshotFolder, ...]
    left_out: tuple[Remark, ...]
    problems: tuple[Remark, ...]

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.size for file in self.files)

    @property
    def by_path(self) -> dict[str, StoredFile]:
        """The files by their paths."""
        return {file.path: file for file in self.files}


def snapshot_name(data: bytes, *, created_at: datetime, after: str | None = None) -> str:
    """The name of the snapshot in a sealed file: its time and the first 12 digits of its SHA-256.

    Names ascend also where a clock went back: the time in it is later than that of the name ``after``.
    """
    stamp = created_at.astimezone(UTC).strftime(_STAMP)
    if after is not None and stamp <= after.partition("-")[0]:
        earlier = stamp_of(after)
        stamp = (earlier + timedelta(seconds=1)).strftime(_STAMP)
    return f"{stamp}-{_seal_of(data)[:12]}"


def stamp_of(name: str) -> datetime:
    """The time in the name of a snapshot: when it was begun, or a little later."""
    return datetime.strptime(name.partition("-")[0], _STAMP).replace(tzinfo=UTC)


def is_snapshot_name(name: str) -> bool:
    """Whether this is the name of a snapshot."""
    return _NAME.fullmatch(name) is not None


def parse_snapshot(data: bytes, *, name: str) -> Snapshot:
    """The snapshot in a file's bytes; `BackupError` where they are not what was written."""
    content = unsealed(data, name=name)
    if _seal_of(data)[:12] != name.rpartition("-")[2]:
        raise BackupError(f"{name}: expected the snapshot of that name, found another one; {_DAMAGED}")
    return Snapshot(
        **{
            **content,
            "files": tuple(_file(one) for one in content["files"]),
            "folders": tuple(SnapshotFolder(**one) for one in content["folders"]),
            "left_out": tuple(Remark(**one) for one in content["left_out"]),
            "problems": tuple(Remark(**one) for one in content["problems"]),
        }
    )


def sealed(content: Mapping[str, object]) -> bytes:
    """The content as canonical JSON together with its SHA-256 and the version of the format."""
    body = canonical_json(content)
    return _HEAD + body + _tail(hashlib.sha256(body).hexdigest())


def unsealed(data: bytes, *, name: str) -> dict[str, Any]:
    """The content of a sealed file; `BackupError` where a single byte of it differs."""
    body = data[len(_HEAD) : -_TAIL_BYTES]
    if data != _HEAD + body + _tail(hashlib.sha256(body).hexdigest()):
        raise BackupError(f"{name}: its content is not the one that was sealed; {_DAMAGED}")
    content: dict[str, Any] = json.loads(body)
    return content


def path_text(relative: str) -> str:
    r"""A path below the home as text that any JSON reader takes; a name that is no UTF-8 is written in ASCII
    with ``%XX`` for its other bytes.

    >>> path_text("capture/30%.mp4"), path_text("capture/caf\udce9.mp4")
    ('capture/30%25.mp4', 'capture/caf%E9.mp4')
    """
    escaped = os.fsencode(relative.replace("%", "%25"))
    try:
        return escaped.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in escaped)


def path_of(text: str) -> str:
    """The path that `path_text` wrote; `BackupError` for one that would lead out of the home.

    >>> path_of("capture/30%25.mp4")
    'capture/30%.mp4'
    """
    path = os.fsdecode(unquote_to_bytes(text))
    if not path or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise BackupError(f"{text!r}: expected a path below the home, found one that leads elsewhere.")
    return path


def _seal_of(data: bytes) -> str:
    return data[-_TAIL_BYTES:][_SEAL_AT:][:64].decode("ascii")


def _tail(sha256: str) -> bytes:
    return f',"format":{FORMAT},"sha256":"{sha256}"}}\n'.encode("ascii")


def _file(fields: Mapping[str, Any]) -> StoredFile:
    state, parts = SourceState(**fields["state"]), tuple(fields["parts"])
    return StoredFile(**{**fields, "state": state, "parts": parts})
