"""The lock of the intake: one process at a time takes files in, or changes what is said of recordings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sopilot_assets.processes.posix.files import lock_file
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path


@contextlib.contextmanager
def only_intake(home: Home, *, wait: bool = False) -> Iterator[bool]:
    """Whether no other process takes in files of this home, or, with ``wait``, when none does any more; the
    lock ends with the process that holds it.
    """
    folder = local_path(home.videos)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".intake.lock").open("wb") as handle:
        yield lock_file(handle.fileno(), wait=wait)
