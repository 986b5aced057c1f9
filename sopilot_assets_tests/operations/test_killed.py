"""A run that is killed at any moment loses nothing, doubles nothing and leaves no half-written file."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sopilot_assets.capture.simulate import SimulatedSet
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import BOOKKEEPING
from sopilot_assets.store.publish import TEMPORARY_PREFIX
from sopilot_assets_tests.defs.conftest import add_task, drop, drop_steps

KILLS = int(os.environ.get("SOPILOT_KILLS", "2"))
"""How many runs are killed; SOPILOT_KILLS=20 for the thorough form."""

SCORE = (sys.executable, "-c", "from sopilot_assets.cli import app; app()", "score")


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "SOPILOT_HOME": str(home)}


def score(home: Path) -> float:
    """Seconds that scoring takes when nobody interrupts it."""
    started_s = time.monotonic()
    subprocess.run(SCORE, env=environment(home), check=True, capture_output=True, timeout=300)
    return time.monotonic() - started_s


def kill_while_scoring(home: Path, after_s: float) -> bool:
    """Whether the run was still at work when it was killed; its children end with it."""
    process = subprocess.Popen(
        SCORE, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with suppress(subprocess.TimeoutExpired):
        process.wait(after_s)
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    at_work = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
    return at_work


def results(home: Path) -> dict[str, bytes]:
    """Every result of the stations, by its path below the home."""
    folders = ("embeddings", "references", "alignments", "reviews", "videos")
    paths = (path for folder in folders for path in (home / folder).rglob("*") if path.is_file())
    # names of killed writers' files begin with a dot; they are swept, and never read
    return {str(path.relative_to(home)): path.read_bytes() for path in paths if not path.name.startswith(".")}


def rows(home: Path) -> list[dict[str, object]]:
    frame = scores_ledger(Home.at(home)).all_rows().drop(columns=list(BOOKKEEPING)).sort_values("key")
    return [{str(name): value for name, value in row.items()} for row in frame.astype(str).to_dict("records")]


@pytest.fixture(scope="module")
def dropped(tiny_set: SimulatedSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose drop is taken in and not scored yet."""
    home = Home.at(tmp_path_factory.mktemp("killed") / "home")
    add_task(home, tiny_set)
    drop_steps(home, tiny_set)
    drop(home, tiny_set.golds, "gold")
    drop(home, tiny_set.trainees, "trainee")
    intake = (*SCORE[:-1], "capture", "intake")
    subprocess.run(
        intake, env=environment(Path(str(home.root))), check=True, capture_output=True, timeout=120
    )
    return Path(str(home.root))


@pytest.fixture(scope="module")
def undisturbed(dropped: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The same home after a run that nobody killed, and the seconds it took."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(dropped, home)
    return home, score(home)


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_run_and_its_restart_end_like_an_undisturbed_one(
    seed: int, dropped: Path, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    calm, usual_s = undisturbed
    home = tmp_path / "home"
    shutil.copytree(dropped, home)
    kill_while_scoring(home, random.Random(seed).uniform(0.25, 1.0) * usual_s)
    score(home)
    assert results(home) == results(calm)
    assert rows(home) == rows(calm)
    assert len(rows(home)) == len({row["key"] for row in rows(home)}) == 6


def test_the_same_drop_scored_twice_gives_the_same_bytes(
    dropped: Path, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    home = tmp_path / "again"
    shutil.copytree(dropped, home)
    score(home)
    assert results(home) == results(undisturbed[0])
    assert rows(home) == rows(undisturbed[0])
    assert not list(home.rglob(f"{TEMPORARY_PREFIX}*"))
