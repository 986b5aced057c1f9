"""A made-up home of each test's own, and a place for its backups."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets_tests.upkeep.backup.made_up import made_up_home


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a made-up home, which is copied."""
    folder = tmp_path_factory.mktemp("template") / "home"
    made_up_home(folder)
    return folder


@pytest.fixture
def living(template: Path, tmp_path: Path) -> Home:
    """A made-up home."""
    return Home.at(shutil.copytree(template, tmp_path / "home"))


@pytest.fixture
def place(tmp_path: Path) -> str:
    """Where nothing is yet."""
    return str(tmp_path / "backups")
