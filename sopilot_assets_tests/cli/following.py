"""A guide is followed: its commands are run in order, with Dagster's daemon at work if asked for."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from typer.testing import CliRunner

from sopilot_assets.cli import app
from sopilot_assets.store.home import HOME_VARIABLE, Home
from sopilot_assets.upkeep.setting_up import dagster_home

WITH_DAEMON: Final = os.environ.get("SOPILOT_WITH_DAEMON") == "1"
"""SOPILOT_WITH_DAEMON=1 for the thorough form: Dagster's daemon works on the home meanwhile."""

_LINE = re.compile(r"^\$ (?P<command>.*?)(?:\s+# (?P<remark>.*))?$", re.MULTILINE)
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def commands(guide: str) -> list[tuple[str, int]]:
    """Every command in the text of a guide, continued lines joined, and its exit code, 0 if not said."""
    blocks = "".join(_BLOCK.findall(guide.replace("\\\n", " ")))
    found = []
    for line in _LINE.finditer(blocks):
        code = re.search(r"exit code (\d+)", line["remark"] or "")
        found.append((line["command"], int(code[1]) if code else 0))
    return found


def run(command: str) -> tuple[int, str]:
    """The exit code and the output of one command in this folder."""
    words = [re.sub("^~(?=/)", os.environ["HOME"], word) for word in shlex.split(command)]
    if words[0] == "sopilot":
        result = CliRunner().invoke(app, words[1:], env={"COLUMNS": "200"})
        return result.exit_code, f"{result.output}\n{result.exception!r}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@contextmanager
def daemon(home: Home) -> Iterator[None]:
    """Dagster's daemon at work on a home, as `make dev` starts it; in the end all of it gets the Ctrl-C."""
    root = dagster_home(home)
    program = str(Path(sys.executable).with_name("dagster-daemon"))
    environment = {**os.environ, "DAGSTER_HOME": str(root), HOME_VARIABLE: str(home.root)}
    with (root / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            [program, "run", "-w", str(root / "workspace.yaml")],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=120)
        while is_at_work(process.pid):
            time.sleep(0.2)


def is_at_work(group: int) -> bool:
    """Whether a process of the group lives."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
