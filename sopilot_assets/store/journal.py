"""Append-only text files of JSON lines, for what has to be noted one small piece at a time.

A line counts once its line feed is on disk. What a killed process left of a line is dropped by the next
append and not seen by readers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from upath import UPath

from sopilot_assets.errors import LedgerError, StoreError
from sopilot_assets.processes.posix.files import flush
from sopilot_assets.store.home_format import refuse_unwritable_file
from sopilot_assets.store.publish import local_path

Line: TypeAlias = Mapping[str, object]


def read_journal(path: Path | UPath) -> list[dict[str, object]]:
    """The complete lines of a journal, oldest first; none where there is no file.

    Raises ``LedgerError`` for a line that is not a JSON object, ``StoreError`` where it cannot be read.
    """
    local = local_path(path)
    try:
        data = local.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(
            f"{local}: could not be read ({error.strerror or error}). Mend the disk or the permissions."
        ) from error
    whole = data[: data.rfind(b"\n") + 1]
    return [_parsed(local, number, line) for number, line in enumerate(whole.splitlines(), start=1)]


def append_journal(path: Path | UPath, lines: Iterable[Line]) -> None:
    """Append all lines, or none; the caller holds a lock. Raises ``StoreError`` where they cannot be kept."""
    data = b"".join(_rendered(line) for line in lines)
    if not data:
        return
    local = local_path(path)
    refuse_unwritable_file(local)
    try:
        local.parent.mkdir(parents=True, exist_ok=True)
        is_new = not local.exists()
        with local.open("a+b") as stream:
            _append(stream.fileno(), data)
        if is_new:
            flush(local.parent)
    except OSError as error:
        raise StoreError(
            f"{local}: could not be written ({error.strerror or error}); what it held before is unchanged. "
            "Free disk space or mend the folder's permissions."
        ) from error


def _append(descriptor: int, data: bytes) -> None:
    begin = _whole_bytes(descriptor)
    os.ftruncate(descriptor, begin)
    try:
        written = 0
        while written < len(data):
            written += os.write(descriptor, data[written:])
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, begin)
        raise


def _whole_bytes(descriptor: int) -> int:
    """The bytes up to the last line feed."""
    size = os.fstat(descriptor).st_size
    data, begin = b"", size
    while begin and b"\n" not in data:
        begin = max(0, begin - 4096)
        os.lseek(descriptor, begin, os.SEEK_SET)  # what is appended goes to the end all the same
        data = os.read(descriptor, size - begin)
    return begin + data.rfind(b"\n") + 1


def _rendered(line: Line) -> bytes:
    # escaped to ASCII, so that no character of a text is taken for the end of a line
    return json.dumps(dict(line), separators=(",", ":")).encode("ascii") + b"\n"


def _parsed(path: Path, number: int, line: bytes) -> dict[str, object]:
    try:
        content = json.loads(line)
    except ValueError as error:
        raise LedgerError(_damaged(path, number, str(error))) from error
    if not isinstance(content, dict):
        raise LedgerError(_damaged(path, number, type(content).__name__))
    return content


def _damaged(path: Path, number: int, found: str) -> str:
    return (
        f"{path}, line {number}: expected a JSON object, found something else ({found}); the file was "
        "changed. Restore it from a backup, or remove that line."
    )
