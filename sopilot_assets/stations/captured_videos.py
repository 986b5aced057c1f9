"""The intake's word on each video of a batch."""

from __future__ import annotations

from collections.abc import Sequence

from sopilot_assets.stations.outcome import StationOutcome
from sopilot_assets.stations.recordings import Registry
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import BOOKKEEPING


def describe_videos(home: Home, keys: Sequence[PartitionKey]) -> list[StationOutcome]:
    """What intake recorded of each video; a stored file that is gone is a problem."""
    registry = Registry.load(home)
    outcomes = []
    for key in keys:
        recording = registry[key]
        facts = {
            name: value
            for name, value in recording.facts.items()
            if name not in (*BOOKKEEPING, "row_id") and value is not None
        }
        problem = (
            None
            if recording.path.exists()
            else f"{recording.path}: the stored video is gone; restore it from a backup."
        )
        outcomes.append(StationOutcome(key, problem=problem, metadata=facts))
    return outcomes
