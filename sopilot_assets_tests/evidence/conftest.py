"""A home of made-up recordings before and after the chain of its study."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets_tests.evidence.made_up_study import made_up_home, run_chain
from sopilot_assets_tests.made_once import MadeOnce


@pytest.fixture(scope="session")
def calm(made_once: MadeOnce) -> tuple[Path, Path]:
    """A home whose study was not run yet, and the same after a run that nothing disturbed; to be copied."""

    def make(folder: Path) -> tuple[Path, Path]:
        made_up_home(folder / "before")
        shutil.copytree(folder / "before", folder / "after")
        run_chain(Home.at(folder / "after"))
        return folder / "before", folder / "after"

    return made_once.get("calm", make)


@pytest.fixture
def fresh(calm: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the home before the run."""
    return Path(shutil.copytree(calm[0], tmp_path / "home"))


@pytest.fixture
def done(calm: tuple[Path, Path], tmp_path: Path) -> Home:
    """A copy of the home after the run."""
    return Home.at(shutil.copytree(calm[1], tmp_path / "home"))
