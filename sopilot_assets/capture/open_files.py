"""Which files some process still holds open for writing, as far as this machine shows it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from sopilot_assets.processes.posix.machine import open_files


def open_for_writing(paths: Iterable[Path]) -> dict[Path, str]:
    """The files among ``paths`` that a process can still write into, each with who holds it.

    Only files of processes that this one may look at are seen: all of them for root, else those of the same
    user; none where the system does not tell, and none of other machines.
    """
    wanted = defaultdict[str, list[Path]](list)
    for path in paths:
        wanted[path.name].append(path)
    found: dict[Path, str] = {}
    for opened in open_files() if wanted else ():
        for path in wanted.get(Path(opened.path).name, ()):
            if path not in found and opened.is_same(path) and opened.writes:
                found[path] = opened.holder
    return found
