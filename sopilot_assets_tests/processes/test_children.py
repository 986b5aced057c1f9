"""A step ends by itself, by its limit or by a stop, and leaves no process behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sopilot_assets.processes.children import (
    MARK,
    Child,
    Ended,
    end_marked,
    marks_at_work,
    run_child,
)

pytestmark = pytest.mark.whole

BORN = "c20260302-070000"

SLEEPER = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"
PARENT = (
    "import subprocess, sys, time;"
    f"one = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}], start_new_session=True);"
    "print(one.pid, flush=True); time.sleep(600)"
)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[Ended, str]]:
    def run(
        code: str, *, limit_s: float = 60.0, grace_s: float = 0.0, stop: bool = False
    ) -> tuple[Ended, str]:
        child = Child(
            [sys.executable, "-c", code], {"GIVEN": "here"}, f"{BORN}/0/step", tmp_path / "a" / "log"
        )
        ended = run_child(child, limit_s=limit_s, grace_s=grace_s, stop_requested=lambda: stop)
        return ended, child.log.read_text(encoding="utf-8")

    return run


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process of another campaign, whose id begins the same."""
    environment = {**os.environ, MARK: f"{BORN}1/0/step"}
    with subprocess.Popen([sys.executable, "-c", SLEEPER], env=environment) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_child_that_ends_gives_its_exit_code_and_its_words(
    run: Callable[..., tuple[Ended, str]], code: int
) -> None:
    said = f"import os, sys; print(os.environ['GIVEN'], os.environ[{MARK!r}]); sys.exit({code})"
    ended, log = run(said)
    assert (ended.cause, ended.exit_code) == ("exit", code)
    assert log == f"here {BORN}/0/step\n"


def test_a_child_at_its_limit_is_asked_first(run: Callable[..., tuple[Ended, str]]) -> None:
    polite = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n time.sleep(600)\nexcept KeyboardInterrupt:\n"
        " print('asked', flush=True)\n raise SystemExit(5)"
    )
    ended, log = run(polite, limit_s=4)
    assert (ended.cause, ended.exit_code, log) == ("time", 5, "asked\n")
    assert ended.seconds < 30


def test_a_child_that_does_not_listen_is_ended(
    run: Callable[..., tuple[Ended, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sopilot_assets.processes.children.ASKED_S", 0.5)
    ended, _ = run(STUBBORN, limit_s=0.7)
    assert (ended.cause, ended.exit_code) == ("time", -9)


def test_nothing_that_it_started_is_left(run: Callable[..., tuple[Ended, str]]) -> None:
    ended, log = run(PARENT, limit_s=1.5)
    assert ended.cause == "time"
    grandchild = int(log.split()[0])
    assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE
    assert marks_at_work(BORN) == set()


def test_a_stop_lets_a_child_finish_within_the_grace_time(run: Callable[..., tuple[Ended, str]]) -> None:
    ended, _ = run("import time; time.sleep(0.6)", grace_s=30.0, stop=True)
    assert (ended.cause, ended.exit_code) == ("exit", 0)
    ended, _ = run(SLEEPER, grace_s=0.3, stop=True)
    assert ended.cause == "stop"


def test_only_the_marked_are_ended(stranger: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER], env={**os.environ, MARK: f"{BORN}/7/score"}, start_new_session=True
    ) as orphan:
        deadline = time.monotonic() + 10
        while marks_at_work(BORN) != {f"{BORN}/7/score"} and time.monotonic() < deadline:
            time.sleep(0.05)  # until it runs the interpreter
        assert end_marked(BORN) == 1
        assert orphan.wait(10) == -9
    assert stranger.poll() is None
    assert marks_at_work(f"{BORN}1") == {f"{BORN}1/0/step"}
