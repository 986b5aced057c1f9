"""Fixtures shared by all tests: an empty home and a writer of tiny videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets_tests.video.tiny import write_tiny_video


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home folder of this test's own."""
    return Home.at(tmp_path / "home")


@pytest.fixture
def tiny_video() -> Callable[..., Path]:
    """``tiny_video(path, seconds=..., size=..., fps=..., seed=...)`` writes a video; see
    `write_tiny_video`.
    """
    return write_tiny_video
