"""The memory of a server process, which answers many people by many threads.

The C library gives each thread a heap of its own and keeps what was freed in all of them. A page that needs
much for a moment, in another thread each time, would cost that much in every heap and for ever.
"""

from __future__ import annotations

from typing import Final

from sopilot_assets.processes.posix.running import of_libc

_HEAPS: Final = 2
_M_ARENA_MAX: Final = -8
"""The option of glibc's ``mallopt`` (malloc.h)."""


def share_heaps() -> None:
    """Let all threads of this process share a few heaps; those that are there stay."""
    option = of_libc("mallopt")
    if option is not None:
        option(_M_ARENA_MAX, _HEAPS)


def give_back() -> None:
    """Give back to the system what the heaps hold and nobody uses."""
    trim = of_libc("malloc_trim")
    if trim is not None:
        trim(0)
