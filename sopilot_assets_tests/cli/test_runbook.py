"""The runbook can be followed from top to bottom: every command is run, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sopilot_assets.cli import app
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import HOME_VARIABLE, Home
from sopilot_assets.upkeep.setting_up import dagster_home

WITH_DAEMON = os.environ.get("SOPILOT_WITH_DAEMON") == "1"
"""SOPILOT_WITH_DAEMON=1 for the thorough form: Dagster's daemon works on the home meanwhile."""

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
_LINE = re.compile(r"^\$ (?P<command>.*?)(?:\s+# (?P<remark>.*))?$", re.MULTILINE)
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def commands() -> list[tuple[str, int]]:
    """Every command of the runbook and the exit code that it says, 0 where it says nothing."""
    blocks = "".join(_BLOCK.findall(RUNBOOK.read_text("utf-8")))
    found = []
    for line in _LINE.finditer(blocks):
        code = re.search(r"exit code (\d+)", line["remark"] or "")
        found.append((line["command"], int(code[1]) if code else 0))
    return found


def run(command: str) -> tuple[int, str]:
    """The exit code and the output of one command in this folder."""
    words = shlex.split(command)
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


def test_the_runbook_can_be_followed_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    followed = commands()
    with ExitStack() as running:
        for command, expected in followed:
            if "--force" in command:  # as the runbook says: stopped before a home is replaced
                running.close()
            code, output = run(command)
            alerted = WITH_DAEMON and "home doctor" in command and code == 1 and "partners" in output
            assert code == expected or alerted, (
                f"{command}: exit code {code}, the runbook says {expected}\n{output}"
            )
            if WITH_DAEMON and command == "sopilot home init":
                running.enter_context(daemon(Home.at(tmp_path / "sopilot_home")))
    assert len(followed) > 60
    home, restored = Home.at(tmp_path / "sopilot_home"), Home.at(tmp_path / "restored_home")
    rows = scores_ledger(home).latest()
    assert len(rows) > 0
    assert rows.equals(scores_ledger(restored).latest())


@pytest.mark.parametrize(
    "row",
    [
        "model verify", "task lock", "sample fetch", "capture add", "sample damage", "measure damage",
        "score run", "recording list", "label prepare", "label prefill", "study register", "study run",
        "dossier build", "score run --stale", "measure repeat", "--home demo_home demo run", "campaign start",
        "campaign stop", "campaign show", "report show", "backup create", "backup restore",
        "backup verify --drill", "home doctor", "retention apply", "alert deliver --test",
    ],
)  # fmt: skip
def test_every_row_of_the_old_runbook_has_its_command(row: str) -> None:
    assert f"sopilot {row}" in RUNBOOK.read_text("utf-8")


def test_every_section_is_in_both_languages() -> None:
    text = RUNBOOK.read_text("utf-8")
    heads = re.findall(r"^##+ (.*)$", text, re.MULTILINE)
    assert len(heads) > 20
    assert [head for head in heads if not re.search(r" / .*[぀-ヿ一-鿿]", head)] == []
