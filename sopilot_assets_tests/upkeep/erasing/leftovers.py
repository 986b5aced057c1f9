"""Whether anything of a recording is left below a folder: its file by hash, files by name, and pieces of its
bytes, of what was made of it, and of its pictures as text, wherever they stand.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path

_PIECE: Final = 48
_PIECES: Final = 12
_URI: Final = re.compile(rb"data:(?:image|video)/[a-z0-9]+;base64,([A-Za-z0-9+/=]{400,})")


@dataclass(frozen=True)
class Traces:
    """What has to be gone: hashes of whole files, parts of file names, and pieces of bytes."""

    hashes: frozenset[str]
    names: frozenset[str]
    pieces: tuple[bytes, ...]

    def left_in(self, root: Path) -> list[str]:
        """Where some of it is, and what."""
        return sorted(self._left(root))

    def _left(self, root: Path) -> Iterator[str]:
        for path in (path for path in root.rglob("*") if path.is_file()):
            data, told = path.read_bytes(), str(path.relative_to(root))
            if hashlib.sha256(data).hexdigest() in self.hashes:
                yield f"{told}: the file"
            if any(name in path.name for name in self.names):
                yield f"{told}: its name"
            if found := [piece for piece in self.pieces if piece in data]:
                yield f"{told}: {len(found)} pieces, {found[0][:24]!r} among them"


def traces_of(home: Home, keys: Iterable[str], words: Iterable[str]) -> Traces:
    """The traces of recordings while everything is there; ``words`` are names that have to be gone too."""
    root, wanted = local_path(home.root), list(keys)
    ids = {key.rpartition("-")[2] for key in wanted}
    files = [
        path for path in root.rglob("*") if path.is_file() and any(video_id in path.name for video_id in ids)
    ]
    others = [path for path in local_path(home.reviews).glob("*.html") if path not in files]
    pages = [path for path in files if path.suffix == ".html"]
    pictures = {picture for path in pages for picture in _pictures(path.read_bytes())}
    # a page shows golds too; those are nobody's who is erased
    pictures -= {picture for path in others for picture in _pictures(path.read_bytes())}
    binary = [path.read_bytes() for path in files if path.suffix in (".mp4", ".npz", ".jpg")]
    sources = [*binary, *pictures, *_in_events(root, wanted)]
    pieces = {piece for source in sources for piece in _pieces(source)}
    return Traces(
        frozenset(hashlib.sha256(path.read_bytes()).hexdigest() for path in files),
        frozenset(ids),
        (*sorted(pieces), *(word.encode() for word in words)),
    )


def _pictures(page: bytes) -> Iterator[bytes]:
    yield from (found[1] for found in _URI.finditer(page))


def _in_events(root: Path, keys: list[str]) -> Iterator[bytes]:
    """The pictures of these partitions in Dagster's events, as text."""
    for path in sorted((root / "dagster").rglob("*.db")):
        with closing(sqlite3.connect(path)) as connection:
            if not connection.execute("select 1 from sqlite_master where name = 'event_logs'").fetchone():
                continue
            for (event,) in connection.execute("select event from event_logs"):
                if any(f'"partition": "{key}"' in event for key in keys):
                    yield from _pictures(json.dumps(json.loads(event)).encode())


def _pieces(source: bytes) -> Iterator[bytes]:
    """Pieces from all over some bytes, but not from where all files of a kind are the same."""
    step = max(_PIECE, (len(source) - 600) // _PIECES)
    for at in range(500, len(source) - _PIECE - 40, step):
        piece = source[at : at + _PIECE]
        if len(set(piece)) > 20 and not _common(piece):
            yield piece


def _common(piece: bytes) -> bool:
    told = (b"x264", b"numpy", b"descr", b"fortran", b"shape", b"PK\x01\x02", b"PK\x03\x04")
    return any(word in piece for word in told) or base64.b64encode(b"x264")[:6] in piece
