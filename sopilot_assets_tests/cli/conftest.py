"""The home of the tests of commands: made, as most commands expect it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import prepare_home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home of this test's own, without anything in it."""
    return prepare_home(Home.at(tmp_path / "home")).home


@pytest.fixture
def no_home(tmp_path: Path) -> Home:
    """A place where no home lies yet."""
    return Home.at(tmp_path / "nowhere" / "home")
