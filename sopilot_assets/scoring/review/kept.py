"""What was read of a video, kept for the pages after it: a task's golds stand beside all its recordings."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypeVar, TypeVarTuple

from sopilot_assets.video.probe import read_index

Rest = TypeVarTuple("Rest")
Result = TypeVar("Result")
_OfFile: TypeAlias = Callable[[Path, *Rest], Result]


def kept(*, most: int) -> Callable[[_OfFile[*Rest, Result]], _OfFile[*Rest, Result]]:
    """A decorator: the last ``most`` answers about files are given again as long as the file is the same, by
    its size and time.
    """

    def decorate(read: _OfFile[*Rest, Result]) -> _OfFile[*Rest, Result]:
        @functools.lru_cache(maxsize=most)
        def remembered(path: Path, _: tuple[int, ...], *rest: *Rest) -> Result:
            return read(path, *rest)

        @functools.wraps(read)
        def asked(path: Path, *rest: *Rest) -> Result:
            return remembered(path, _version(path), *rest)

        return asked

    return decorate


def _version(path: Path) -> tuple[int, ...]:
    with contextlib.suppress(OSError):  # whoever reads the file says what is wrong with it
        found = path.stat()
        return found.st_size, found.st_mtime_ns
    return ()


index_of = kept(most=16)(read_index)
"""The display time of every frame of a video; raises like `read_index`."""
