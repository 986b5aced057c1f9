"""Dagster's daemon as a service: what systemd hears of it, and what becomes of runs when it ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance
from dagster._daemon.types import DaemonHeartbeat

from sopilot_assets.defs.daemon import another_lives, lock_file
from sopilot_assets.defs.dagster_internals.watched_daemon import JournalLines, Pulse, end_runs, serve
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.errors import ConfigError
from sopilot_assets.processes.held_file import is_held, take
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import prepare_home

pytestmark = pytest.mark.whole

SLEEPS = "import signal, sys, time; {}; print('begun', flush=True); time.sleep(60)"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path / "home")
    prepare_home(home)
    return home


@pytest.fixture
def instance(home: Home) -> Iterator[DagsterInstance]:
    with local_instance(home) as opened:
        yield opened


def beat(instance: DagsterInstance, at_s: float, parts: tuple[str, ...] = ()) -> None:
    for part in parts or tuple(instance.get_required_daemon_types()):
        instance.add_daemon_heartbeat(DaemonHeartbeat(at_s, part, "1", errors=[]))


def test_a_daemon_lives_while_each_of_its_parts_writes_heartbeats(instance: DagsterInstance) -> None:
    now_s = [0.0]
    beat(instance, 1000.0)  # of the daemon before
    pulse = Pulse(instance, patience_s=60, clock=lambda: now_s[0])
    assert not pulse.lives()
    beat(instance, 1001.0, ("SENSOR",))
    assert not pulse.lives()
    beat(instance, 1001.0)
    assert pulse.lives()
    now_s[0] = 59.0
    assert pulse.lives()
    beat(instance, 1002.0, ("SENSOR",))
    now_s[0] = 61.0
    assert not pulse.lives(), "all but the sensors hang"
    beat(instance, 5.0)  # the clock was set back meanwhile
    assert pulse.lives()


@contextmanager
def at_work(instance: DagsterInstance, asked: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the file of a run, as the launcher starts it."""
    file = Path(instance.root_directory) / "running" / "a-run"
    held = take(file)
    assert held is not None
    words = [sys.executable, "-c", SLEEPS.format(asked)]
    with subprocess.Popen(words, pass_fds=(held,), stdout=subprocess.PIPE, text=True) as process:
        os.pwrite(held, str(process.pid).encode(), 0)
        os.close(held)
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_runs_may_end_by_themselves_and_are_ended_otherwise(instance: DagsterInstance) -> None:
    assert end_runs(instance, left_alone_s=30) == 0
    with at_work(instance, "signal.alarm(1)"):
        assert end_runs(instance, left_alone_s=30) == 0
    starts = "import subprocess; subprocess.Popen(['sleep', '60'])"
    with at_work(instance, starts) as process:
        (child,) = psutil.Process(process.pid).children()
        assert end_runs(instance, left_alone_s=0.1) == 1
        assert process.wait() == -signal.SIGKILL
        until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_each_line_for_the_journal_has_its_priority() -> None:
    record = logging.LogRecord("dagster.daemon", logging.ERROR, "", 0, "first\nsecond", None, None)
    assert JournalLines().format(record) == "<3>dagster.daemon: first\n<3>second"
    record.levelno = logging.INFO
    assert JournalLines().format(record).startswith("<6>")


def until(wanted: Callable[[], bool], limit_s: float = 60) -> None:
    deadline_s = time.monotonic() + limit_s
    while not wanted():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_the_service_tells_systemd_and_leaves_its_place_in_order(home: Home, tmp_path: Path) -> None:
    (home.root / "dagster" / "workspace.yaml").write_text("load_from: []\n", encoding="utf-8")
    words = [sys.executable, "-m", "sopilot_assets.cli", "--home", str(home.root), "service", "run"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(120)
        environment = {**os.environ, "NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "4000000"}
        with subprocess.Popen(words, env=environment) as service:
            assert systemd.recv(100) == b"READY=1\nWATCHDOG=1"
            with pytest.raises(ConfigError, match="expected no other daemon at work on this home"):
                serve(home)
            service.send_signal(signal.SIGHUP)
            assert service.wait(60) == 0
            told = b""
            while told != b"STOPPING=1":
                told = systemd.recv(100)
    assert not is_held(lock_file(home))
    assert not another_lives(home, now=datetime.now(UTC)), "another one may begin at once"
