"""Dagster's daemon beside another server: one, as long as its keeper lives, and started again."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance
from dagster._daemon.types import DaemonHeartbeat

from sopilot_assets.defs.daemon import ALIVE_FOR, another_lives, kept_daemon, lock_file, log_file
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.processes.held_file import is_held, take
from sopilot_assets.processes.tied import tied
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import Profile, prepare_home

pytestmark = pytest.mark.whole

KEEPS = """
import sys, time
from sopilot_assets.defs.daemon import kept_daemon
from sopilot_assets.store.home import Home
with kept_daemon(Home.at(sys.argv[1]), told=lambda what: print(what, flush=True), pause_s=0.2):
    time.sleep(600)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path / "home")
    prepare_home(home)
    return home


def until(wanted: Callable[[], bool], limit_s: float = 60) -> None:
    deadline_s = time.monotonic() + limit_s
    while not wanted():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def daemons(home: Home) -> list[psutil.Process]:
    """The daemons of this home."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(home.root / "dagster" / "workspace.yaml") in words and any(
            "dagster-daemon" in one for one in words
        ):
            found.append(process)
    return found


def test_one_daemon_works_on_a_home_and_is_started_again(home: Home) -> None:
    told: list[str] = []
    with kept_daemon(home, told=told.append, pause_s=0.2), kept_daemon(home, told=told.append, pause_s=0.2):
        until(lambda: len(daemons(home)) == 1)
        (first,) = daemons(home)
        until(lambda: "alive already" in " ".join(told))
        assert is_held(lock_file(home))
        first.kill()
        until(lambda: [one.pid for one in daemons(home)] not in ([], [first.pid]))
        assert len(daemons(home)) == 1
        assert any("ended (-9) and is started again" in one for one in told)
    assert daemons(home) == []
    assert not is_held(lock_file(home))
    assert log_file(home).with_suffix(".log.1").exists()


def test_a_daemon_ends_with_its_keeper_even_when_that_is_killed(home: Home) -> None:
    keeper = subprocess.Popen([sys.executable, "-c", KEEPS, str(home.root)])
    until(lambda: len(daemons(home)) == 1)
    keeper.kill()
    keeper.wait()
    until(lambda: daemons(home) == [])
    until(lambda: not is_held(lock_file(home)))


def test_a_daemon_of_somebody_else_is_left_alone_until_it_is_silent(home: Home) -> None:
    now = datetime.now(UTC)
    assert not another_lives(home, now=now)
    with local_instance(home) as instance:
        beat(instance, now)
    assert another_lives(home, now=now + ALIVE_FOR / 2)
    assert not another_lives(home, now=now + ALIVE_FOR + timedelta(seconds=1))
    held = take(lock_file(home))
    assert held is not None
    os.write(held, f"{(now + timedelta(seconds=1)).isoformat()}\n".encode())
    os.close(held)
    assert not another_lives(home, now=now + timedelta(seconds=2)), "it was ours, and has ended"


def test_a_clock_that_is_set_back_keeps_no_dead_daemon_alive(home: Home) -> None:
    """One that was killed has noted no end, and its last sign of life lies ahead now."""
    now = datetime.now(UTC)
    with local_instance(home) as instance:
        beat(instance, now)
        assert not another_lives(home, now=now - timedelta(hours=3))
        beat(instance, now - timedelta(hours=3))
    held = take(lock_file(home))
    assert held is not None
    os.write(held, f"{now.isoformat()}\n".encode())
    os.close(held)
    assert another_lives(home, now=now - timedelta(hours=3)), "it beats since the clock was set"


def test_many_processes_may_be_the_first_to_open_the_instance(home: Home) -> None:
    words = [sys.executable, "-m", "sopilot_assets.defs.instance", str(home.root)]
    processes = [subprocess.Popen(words) for _ in range(4)]
    assert [process.wait(120) for process in processes] == [0] * 4
    for name in ("history/runs.db", "schedules/schedules.db"):
        with closing(sqlite3.connect(home.root / "dagster" / name)) as database:
            assert len(database.execute("select * from alembic_version").fetchall()) == 1


def test_with_postgresql_no_daemon_is_started(tmp_path: Path) -> None:
    home, told = Home.at(tmp_path / "home"), list[str]()
    prepare_home(home, Profile.SCALE)
    with kept_daemon(home, told=told.append, pause_s=0.1):
        until(lambda: told != [])
    assert told == ["Dagster's records are in PostgreSQL: docs/scale.md says where its daemon is started"]
    assert not lock_file(home).exists()


def beat(instance: DagsterInstance, at: datetime) -> None:
    instance.add_daemon_heartbeat(DaemonHeartbeat(at.timestamp(), "SENSOR", "1", errors=[]))


def test_a_tied_command_does_not_begin_without_who_started_it() -> None:
    words = tied([sys.executable, "-c", "print('begun')"])
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "begun\n"
    words[3] = "1"  # as if the starter had gone, and the system had taken the child over
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == ""
