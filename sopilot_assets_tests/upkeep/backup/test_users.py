"""Who works in a home is found by open files, and by the home that a command line means."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sopilot_assets.processes.held_file import take
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.backup.users import users_of
from sopilot_assets.upkeep.setting_up import DAEMON_LOCK, prepare_home

WAITING = "import sys; print(1, flush=True); sys.stdin.read()"


@pytest.mark.parametrize(
    ("words", "environment", "counts"),
    [
        (("--home", "{home}", "desk", "serve"), {}, True),
        (("--home={home}", "desk", "serve"), {}, True),
        (("desk", "serve"), {"SOPILOT_HOME": "{home}"}, True),
        (("desk", "serve", "--home", "home"), {"SOPILOT_HOME": "/elsewhere"}, True),
        (("desk", "serve"), {"SOPILOT_HOME": "/elsewhere"}, False),
        (("--home", "{home}2", "desk", "serve"), {}, False),
    ],
)
def test_a_command_of_ours_is_at_work_in_the_home_that_it_means(
    tmp_path: Path, words: tuple[str, ...], environment: Mapping[str, str], counts: bool
) -> None:
    home, program = tmp_path / "home", tmp_path / "bin" / "sopilot"
    home.mkdir()
    program.parent.mkdir()
    program.write_text(WAITING, encoding="utf-8")
    told = {name: value.format(home=home) for name, value in environment.items()}
    line = [sys.executable, str(program), *(word.format(home=home) for word in words)]
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, env={**os.environ, **told}
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = [one for one in users_of(home) if f"({process.pid})" in one]
        process.kill()
    assert bool(found) is counts


def test_a_daemon_of_another_container_is_seen_by_what_it_holds(home: Home) -> None:
    """Its process is not."""
    root = local_path(home.root)
    prepare_home(home)
    assert users_of(root) == []
    held = take(root / "dagster" / DAEMON_LOCK)  # by this process, which does not count
    assert users_of(root) == ["a daemon of another container or account"]
    os.close(held or 0)
    assert users_of(root) == []
