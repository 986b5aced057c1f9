"""The intake's word on each video of a batch."""

from __future__ import annotations

from collections.abc import Sequence

from sopilot_assets.capture.registry import Registry
from sopilot_assets.stations.outcome import StationOutcome
from sopilot_assets.store.home import Home, PartitionKey


def describe_videos(home: Home, keys: Sequence[PartitionKey]) -> list[StationOutcome]:
    """What intake recorded of each video; a stored file that is gone is a problem."""
    registry = Registry.read_those(home, keys)
    outcomes = []
    for key in keys:
        path = registry.path(key)
        facts = {name: value for name, value in registry[key].row.items() if value is not None}
        problem = None if path.exists() else f"{path}: the stored video is gone; restore it from a backup."
        outcomes.append(StationOutcome(key, problem=problem, metadata=facts))
    return outcomes
