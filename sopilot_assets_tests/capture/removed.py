"""Recordings whose videos retention has removed, as the chain of erasures says it."""

from __future__ import annotations

from collections.abc import Iterable

from sopilot_assets.capture.erasures import ErasureChange, ErasureDraft, erasures_chain
from sopilot_assets.store.home import Home, PartitionKey


def note_removed(home: Home, keys: Iterable[str], *, at: str, sha256: str = "0" * 64) -> None:
    """Note that the videos of these recordings were removed after their time; the files stay."""
    over = [
        ErasureDraft(
            task_id=PartitionKey.parse(key).task_id,
            at=at,
            key=key,
            sha256=sha256,
            who="retention",
            change=ErasureChange.VIDEO_REMOVED,
            why="kept for 30 days",
        )
        for key in keys
    ]
    erasures_chain(home).append(over, run_id="removed", written_at=at)
