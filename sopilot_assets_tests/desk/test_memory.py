"""What a page needed for a moment goes back to the system."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from sopilot_assets.desk.memory import give_back, share_heaps

MIB = 1 << 20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other heaps")
def test_freed_memory_is_given_back() -> None:
    share_heaps()
    much = [bytes(60_000) for _ in range(3_000)]
    last = much[-1]  # above all others, so that the heap does not shrink by itself
    del much
    before = resident_bytes()
    give_back()
    assert before - resident_bytes() > 100 * MIB
    assert len(last) == 60_000
