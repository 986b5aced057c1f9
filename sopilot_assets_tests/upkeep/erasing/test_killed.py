"""An erasure killed before each of its steps goes on; in full: `sopilot_assets_tests.soak.erasures`."""

from __future__ import annotations

import os
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sopilot_assets.capture.erasures import ErasureChange, erasures
from sopilot_assets.capture.registry import Registry
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.chains import event_chains
from sopilot_assets.upkeep.erasing.erase import erase_person, finish_erasures
from sopilot_assets.upkeep.erasing.plan import saved_plans
from sopilot_assets_tests.forkserver import started
from sopilot_assets_tests.upkeep.erasing.leftovers import traces_of

pytestmark = pytest.mark.whole

NOW = datetime(2025, 6, 9, 8, 0, tzinfo=UTC)
STEPS = ("dossiers", "rows", "reports and logs", "accounts", "Dagster's databases", "files")


def erase_until(root: str, person: str, last: str) -> None:
    """Erase a person; this process kills itself where the step ``last`` begins."""

    def step(name: str) -> None:
        if name == last:
            os.kill(os.getpid(), signal.SIGKILL)

    erase_person(Home.at(root), person, who="ann", why="asked", clock=lambda: NOW, run_id="e", on_step=step)


def test_whatever_was_killed_goes_on_to_the_same_end(original: Home, tmp_path: Path) -> None:
    home = Home.at(shutil.copytree(str(original.root), tmp_path / "home"))
    one = next(one for one in Registry.read(home).recordings.values() if one.role == "trainee")
    traces = traces_of(home, [str(one.key)], [one.original_name])
    for step in STEPS:
        process = started(erase_until, str(home.root), str(one.person), step)
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
        assert [plan.person for plan in saved_plans(home)] == [one.person]
        assert erasures(home)[str(one.key)].change is ErasureChange.BEGUN
        for chain in event_chains(home):
            for task_id in chain.tasks():
                chain.read(task_id)
    assert finish_erasures(home, clock=lambda: NOW, run_id="night") == [one.person]
    assert traces.left_in(local_path(home.root)) == []
    assert erasures(home)[str(one.key)].change is ErasureChange.ERASED
