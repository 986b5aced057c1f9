"""Homes that earlier versions made, each test's own."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

import sopilot_assets_tests
from sopilot_assets.store.home import Home

OF_BEFORE = Path(sopilot_assets_tests.__file__).parent / "defs" / "data" / "older_home.tar.xz"
"""Of the last commit before 0.1.0: its ``dagster.yaml`` names places that our classes left."""


@pytest.fixture(scope="session")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That home, which is copied."""
    folder = tmp_path_factory.mktemp("of_before")
    with tarfile.open(OF_BEFORE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "home"


@pytest.fixture
def old(extracted: Path, tmp_path: Path) -> Home:
    """A home of format 1 with a migration to do."""
    return Home.at(shutil.copytree(extracted, tmp_path / "home"))
