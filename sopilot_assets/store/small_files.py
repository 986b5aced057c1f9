"""The rows of a ledger's small files, kept by the process that read them.

A ledger that people write to, a sentence at a time, has a file for each sentence until it is merged, and
opening a file costs far more than its rows. Nobody changes a file: who has read it needs to read only those
that came since. A file is known by name, inode, size and time; where one is another or is gone, all of them
are read again.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import pyarrow as pa

SMALL_BYTES: Final = 1 << 15
"""Files up to this size are small: one row alone takes about 5 KiB."""
FEW: Final = 4
"""So many files are opened as quickly as they are looked up."""
_MOST_BYTES: Final = 1 << 24
"""No more of a ledger is kept once its kept rows have this size in memory."""
_MOST_LEDGERS: Final = 64
_AT_ONCE_BYTES: Final = 1 << 20
"""The size of the files that are read at once: what is packed may have ten times that size in memory."""

FileState: TypeAlias = tuple[int, int, int]
"""Inode, size in bytes and time of change in ns of a file."""


@dataclass(frozen=True, slots=True)
class KeptRows:
    """The rows of these files, in whatever order."""

    files: Mapping[str, FileState] = field(default_factory=dict)
    rows: pa.Table | None = None


@dataclass(slots=True)
class _Place:
    """Where one ledger's rows are kept. Threads may exchange it at once: whatever is there is right."""

    kept: KeptRows = field(default_factory=KeptRows)


def file_states(files: Sequence[str]) -> dict[str, FileState]:
    """What files are now, by name; raises ``FileNotFoundError`` for one that is gone."""
    found = {name: os.stat(name) for name in files}  # noqa: PTH116 - a path for each costs more
    return {name: (one.st_ino, one.st_size, one.st_mtime_ns) for name, one in found.items()}


def kept_rows(files: Mapping[str, FileState], read: Callable[[Sequence[str]], pa.Table]) -> KeptRows:
    """The kept rows of one ledger, which are those of some of these ``files``: of the small ones, unless they
    are few or have too many rows. ``read`` gives the rows of files by name.
    """
    small = {name: state for name, state in files.items() if state[1] <= SMALL_BYTES}
    if len(small) <= FEW:
        return KeptRows()
    place = _place(str(Path(next(iter(small))).parent))
    kept = place.kept if place.kept.files.items() <= small.items() else KeptRows()
    new = {name: state for name, state in small.items() if name not in kept.files}
    for some in _in_parts(new):
        if kept.rows is not None and kept.rows.nbytes >= _MOST_BYTES:
            break
        parts = [*([] if kept.rows is None else [kept.rows]), read(list(some))]
        rows = pa.concat_tables(parts, promote_options="permissive").combine_chunks()
        kept = KeptRows({**kept.files, **some}, rows)
    place.kept = kept
    return kept


def _in_parts(files: Mapping[str, FileState]) -> Iterator[dict[str, FileState]]:
    part: dict[str, FileState] = {}
    size = 0
    for name, state in files.items():
        part[name] = state
        size += state[1]
        if size >= _AT_ONCE_BYTES:
            yield part
            part, size = {}, 0
    if part:
        yield part


@functools.lru_cache(maxsize=_MOST_LEDGERS)
def _place(folder: str) -> _Place:  # noqa: ARG001 - what it is kept by
    return _Place()
