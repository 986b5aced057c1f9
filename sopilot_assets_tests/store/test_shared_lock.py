"""A lock of all machines: one holder at a time, and it goes with its process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sopilot_assets.errors import StoreError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import only_writer, publish_text
from sopilot_assets.store.shared_lock import held_everywhere
from sopilot_assets.upkeep.setting_up import join_store
from sopilot_assets_tests.defs.scale.engines import free_port, postgres_server
from sopilot_assets_tests.store.object_store import object_store

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from sopilot_assets.store.shared_lock import held_everywhere
with held_everywhere("labels"):
    print("held", flush=True)
    time.sleep(600)
"""
COUNT = """
import sys
from pathlib import Path
from sopilot_assets.store.publish import only_writer, publish_text
root = Path(sys.argv[1])
for _ in range(int(sys.argv[2])):
    with only_writer(root / "ledgers" / "count.lock"):
        counted = root / "ledgers" / "count"
        before = int(counted.read_text()) if counted.exists() else 0
        publish_text(counted, str(before + 1))
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[None]:
    """A PostgreSQL server that processes find through the environment."""
    with postgres_server() as url, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SOPILOT_POSTGRES_URL", url)
        yield


def python(source: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", source, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_killed_holder_lets_go(postgres: None) -> None:
    with python(HOLD) as holder, held_everywhere("another"):
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        waiting = python(HOLD)
        time.sleep(0.5)
        holder.kill()
        with waiting:
            assert waiting.stdout is not None
            assert waiting.stdout.readline() == "held\n"
            waiting.kill()


def test_machines_that_share_a_home_count_to_the_same_number(
    postgres: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with object_store(monkeypatch) as store:
        roots = [tmp_path / name for name in ("one", "two")]
        for root in roots:
            root.mkdir()
            join_store(Home.at(root), store.url)
        counters = [python(COUNT, str(root), "8") for root in roots]
        assert [counter.communicate(timeout=120)[0] for counter in counters] == ["", ""]
        with only_writer(roots[0] / "ledgers" / "count.lock"):
            assert (roots[0] / "ledgers" / "count").read_text() == "16"


def test_a_database_that_does_not_answer_is_said(tmp_path: Path) -> None:
    environment = {"SOPILOT_POSTGRES_URL": f"postgresql+psycopg2://nobody@127.0.0.1:{free_port()}/none"}
    with pytest.raises(StoreError, match="could not be held"), held_everywhere("x", environment):
        publish_text(tmp_path / "never", "")
    assert not list(tmp_path.iterdir())
