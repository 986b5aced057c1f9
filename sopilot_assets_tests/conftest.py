"""Fixtures shared by all tests: an empty home, a writer of tiny videos and a small simulated set."""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.defs_state.base import DefsStateStorage
from hypothesis import settings
from upath import UPath

from sopilot_assets.capture.simulate.dataset import SimulatedSet, simulate
from sopilot_assets.embedding.backends import load_embedder
from sopilot_assets.store.home import Home
from sopilot_assets_tests.made_once import MadeOnce
from sopilot_assets_tests.stations.small_homes import embedded_home, scored_home
from sopilot_assets_tests.video.tiny import write_tiny_video

# the same examples in every run, however busy the machine; `HYPOTHESIS_PROFILE=default` looks for new ones
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

# what is imported and collected stays; looking through it for garbage took a tenth of the tests' time
gc.disable()

# no test works on the home of whoever runs them; without one, days begin long before those of any test
os.environ["SOPILOT_HOME"] = "/nonexistent/sopilot_home"

# Dagster reads the list of its migrations anew for each of the three parts of each new instance
_revisions: dict[str | None, ScriptDirectory] = {}
_read_revisions = ScriptDirectory.from_config


def _revisions_read_once(config: Config) -> ScriptDirectory:
    place = config.get_main_option("script_location")
    if place not in _revisions:
        _revisions[place] = _read_revisions(config)
    return _revisions[place]


ScriptDirectory.from_config = staticmethod(_revisions_read_once)

# Dagster keeps the instance that was entered last for whoever loads definitions. When a context of an earlier
# test is thrown away, at any moment, it takes the one before, which is gone. No definition here has a state.
setattr(DefsStateStorage, "get", staticmethod(lambda: None))  # noqa: B010 - mypy forbids methods set otherwise

LONGEST_FIRST = (
    "soak/test_soak.py",
    "cli/test_runbook.py",
    "defs/scale/test_two_workers.py",
    "soak/test_kills.py",
    "defs/evidence/test_evidence.py",
    "stations/test_score_repeats.py",
    "evidence/test_faults.py",
    "store/test_publish_faults.py",
)
"""Files that take longest. Begun last, one of them would leave the other workers idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; all others keep their order."""

    def place(item: pytest.Item) -> int:
        path = item.path.as_posix()
        return next((n for n, name in enumerate(LONGEST_FIRST) if path.endswith(name)), len(LONGEST_FIRST))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Leave what is there now out of every later look for garbage."""
    gc.freeze()
    gc.enable()
    atexit.register(gc.unfreeze)  # nanobind counts what is left


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


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """What all workers of this run have in common."""
    return MadeOnce.of_this_run(tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_set(made_once: MadeOnce) -> SimulatedSet:
    """Three golds and three trainees of the filter change, small and short; no test changes them."""
    return made_once.get(
        "simulated",
        lambda folder: simulate(
            folder,
            seed=3,
            golds=3,
            trainees=3,
            variants=["correct", "missing_step", "order_swap"],
            sites=("site_a",),
            size=(160, 120),
            fps=6,
            step_seconds=4.0,
        ),
    )


@pytest.fixture(scope="session")
def embedded_original(made_once: MadeOnce, tiny_set: SimulatedSet) -> Home:
    """The set, taken in and embedded, with a reference; to be copied."""
    return Home.at(made_once.get("embedded", lambda folder: embedded_home(folder, tiny_set)))


@pytest.fixture(scope="session")
def original(made_once: MadeOnce, embedded_original: Home) -> Home:
    """The same with scores, made without Dagster; to be copied."""
    return Home.at(made_once.get("scored", lambda folder: scored_home(folder, embedded_original)))


@pytest.fixture(scope="session")
def ready_dossier(made_once: MadeOnce) -> Home:
    """A made-up home with a study whose dossier is ready; to be copied."""
    # only here: it imports all of the evidence chain
    from sopilot_assets_tests.evidence.adopting import home_with_dossier

    return made_once.get("ready_dossier", lambda folder: home_with_dossier(folder / "home"))


@pytest.fixture(scope="session")
def lite0_models(made_once: MadeOnce) -> Path:
    """The folder ``models`` of a home that has prepared lite0_box; to be copied."""

    def prepare(folder: Path) -> Path:
        load_embedder("lite0_box", models=UPath(folder / "models"))
        return folder / "models"

    return made_once.get("lite0", prepare)
