"""Erasing somebody of a scored home."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.erasing.erase import ErasureReport, erase_person

NOW: Final = datetime(2025, 6, 9, 8, 0, tzinfo=UTC)


def recordings_of(home: Home, person: str) -> list[Recording]:
    return [one for one in Registry.read(home).recordings.values() if one.person == person]


def a_person(home: Home, role: str = "trainee") -> str:
    """One who was filmed in this role and in no other."""
    registry = Registry.read(home).recordings.values()
    roles = {one.person: {other.role for other in registry if other.person == one.person} for one in registry}
    return min(str(person) for person, its in roles.items() if person and its == {role})


def erase(home: Home, person: str, **options: object) -> ErasureReport:
    return erase_person(
        home,
        person,
        who="ann",
        why="asked for it",
        clock=lambda: NOW,
        run_id="erase-1",
        **options,  # type: ignore[arg-type]
    )
