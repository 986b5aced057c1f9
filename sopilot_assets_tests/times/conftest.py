"""A home with made-up recordings beside the three real ones, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sopilot_assets.reference.ledger import current_reference_ids
from sopilot_assets.stations.gold_references import read_reference
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import TaskSpec, load_task
from sopilot_assets.times.reading import Times, read_times
from sopilot_assets_tests.made_once import MadeOnce
from sopilot_assets_tests.times.made_up import add_recordings

TASK = "filter_change"


def task_of(home: Home) -> TaskSpec:
    """The task of the made-up home."""
    return load_task(home.tasks / f"{TASK}.yaml")


def crowded(home: Home, count: int, *, seed: int = 7) -> None:
    """Add made-up recordings to a home that has a reference."""
    reference = read_reference(home, TASK, current_reference_ids(home)[TASK])
    add_recordings(home, task_of(home), reference, count, seed=seed)


@pytest.fixture(scope="session")
def crowd(made_once: MadeOnce, original: Home) -> Home:
    """The scored home with 60 made-up trainee recordings more; no test changes it."""

    def make(folder: Path) -> Path:
        home = Home.at(shutil.copytree(str(original.root), folder / "home"))
        crowded(home, 60)
        return folder / "home"

    return Home.at(made_once.get("crowd", make))


@pytest.fixture
def times(crowd: Home) -> Times:
    """The times of the made-up home."""
    return read_times(crowd)


@pytest.fixture
def task(crowd: Home) -> TaskSpec:
    """Its task."""
    return task_of(crowd)
