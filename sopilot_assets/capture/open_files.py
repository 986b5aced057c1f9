"""Which files some process still holds open for writing, as far as this machine shows it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_PROCESSES: Final = Path("/proc")
_ACCESS: Final = os.O_RDONLY | os.O_WRONLY | os.O_RDWR


def open_for_writing(paths: Iterable[Path]) -> dict[Path, str]:
    """The files among ``paths`` that a process can still write into, each with who holds it.

    Only handles of processes that this one may look at are seen: all of them for root, else those of the same
    user; none where there is no ``/proc``, and none of other machines.
    """
    wanted = defaultdict[str, list[Path]](list)
    for path in paths:
        wanted[path.name].append(path)
    found: dict[Path, str] = {}
    for process in _numbers(_PROCESSES) if wanted else ():
        for handle in _numbers(process / "fd"):
            opened = _target(handle)
            for path in wanted.get(Path(opened).name, ()):
                if path not in found and _is(handle, opened, path) and _writes(process, handle.name):
                    found[path] = f"{_name(process)} (process {process.name})"
    return found


def _numbers(folder: Path) -> Iterator[Path]:
    """The entries called by a number; none where the folder is gone or not ours to look at."""
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    yield from (entry for entry in entries if entry.name.isdecimal())


def _target(handle: Path) -> str:
    try:
        return str(handle.readlink())
    except OSError:  # closed meanwhile
        return ""


def _is(handle: Path, opened: str, path: Path) -> bool:
    """Whether the handle is on this file: by its path, or, seen from another root, by its inode."""
    try:
        return os.path.realpath(path) == opened or os.path.samestat(handle.stat(), path.lstat())
    except OSError:
        return False


def _writes(process: Path, number: str) -> bool:
    try:
        lines = (process / "fdinfo" / number).read_text("ascii").splitlines()
    except OSError:
        return False
    flags = next((line.split()[1] for line in lines if line.startswith("flags:")), "0")
    return int(flags, 8) & _ACCESS != os.O_RDONLY


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "a program"
