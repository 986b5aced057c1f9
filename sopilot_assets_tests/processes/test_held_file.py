"""A file is held as long as the process that was given it lives, and no longer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sopilot_assets.processes.held_file import is_held, take

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_nobody_else_can_take_what_is_held_and_asking_takes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "file"
    assert is_held(file) is None
    held = take(file)
    assert held is not None
    assert take(file) is None
    assert is_held(file) is True
    os.close(held)
    assert is_held(file) is False
    again = take(file)
    assert again is not None
    os.close(again)


def test_a_process_holds_what_it_was_given_until_it_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    held = take(file)
    assert held is not None
    with subprocess.Popen(SLEEPS, pass_fds=(held,)) as process:
        os.close(held)
        assert is_held(file) is True
        process.kill()
        process.wait()
        assert is_held(file) is False


def test_a_killed_process_that_nobody_has_waited_for_holds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "file"
    held = take(file)
    assert held is not None
    with subprocess.Popen(SLEEPS, pass_fds=(held,)) as process:
        os.close(held)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_held(file) is False
