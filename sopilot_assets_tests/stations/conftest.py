"""A home of one test's own in which everything is scored."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home


@pytest.fixture
def scored(original: Home, tmp_path: Path) -> Home:
    """Three golds and three scored trainees."""
    return Home.at(shutil.copytree(str(original.root), tmp_path / "home"))
