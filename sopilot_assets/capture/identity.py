"""What a dropped file is: the hash of its bytes, and when they changed."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sopilot_assets.processes.posix.files import open_itself

_CHUNK_BYTES: Final = 1 << 20
_SUFFIXES: Final = {
    "mov,mp4,m4a,3gp,3g2,mj2": ("mp4", "mov", "m4v", "3gp", "3g2"),
    "matroska,webm": ("mkv", "webm"),
    "avi": ("avi",),
    "mpegts": ("ts", "mts", "m2ts"),
    "mpeg": ("mpg", "mpeg", "vob"),
    "flv": ("flv",),
    "asf": ("wmv", "asf"),
    "ogg": ("ogv", "ogg"),
    "gif": ("gif",),
}


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells whether a file changed: its size and modification time.

    The inode is none of it: some network file systems number theirs anew at every look.
    """

    size_bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileState:
        """The state that ``os.stat`` found."""
        return cls(found.st_size, found.st_mtime_ns)


def file_state(path: Path) -> FileState | None:
    """The present state of a regular file, ``None`` when there is none (a link is not followed)."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return FileState.of(found) if stat.S_ISREG(found.st_mode) else None


def copy_hashed(source: Path, target: Path) -> tuple[str, FileState]:
    """The SHA-256 (64 hex digits) of the bytes copied from ``source`` to ``target``, and the source's state
    after the last byte.

    Links are not followed and pipes not waited for; raises ``OSError`` when the source is no longer a
    readable regular file or the target cannot be written.
    """
    digest = hashlib.sha256()
    descriptor = open_itself(source)
    with os.fdopen(descriptor, "rb", buffering=0) as reader, target.open("wb") as writer:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{source}: is no longer a regular file.")
        while chunk := reader.read(_CHUNK_BYTES):
            digest.update(chunk)
            writer.write(chunk)
        return digest.hexdigest(), FileState.of(os.fstat(descriptor))


def stored_suffix(name: str, container: str) -> str:
    """The suffix under which a video of this container is stored: the name's own where it fits the container.

    >>> stored_suffix("Clip.MOV", "mov,mp4,m4a,3gp,3g2,mj2")
    'mov'
    >>> stored_suffix("clip.txt", "matroska,webm")
    'mkv'
    """
    fitting = _SUFFIXES.get(container, ("video",))
    own = name.rpartition(".")[2].lower()
    return own if own in fitting else fitting[0]
