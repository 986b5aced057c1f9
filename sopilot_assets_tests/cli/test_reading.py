"""Commands that only read answer at once: each, in a process of its own, loads nothing that computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.cli.running import sopilot

HEAVY = ("sklearn", "numba", "llvmlite", "torch", "onnxruntime", "matplotlib", "dagster")
_RUN = f"""
import sys
from sopilot_assets.cli import app
try:
    app(sys.argv[1:])
finally:
    print("loaded:", *({{*{HEAVY!r}}} & set(sys.modules)), file=sys.stderr)
"""
NOTHING = (
    "--help",
    "--version",
    "score --help",
    "study --help",
    "backup --help",
    "score run --help",
    "task list",
    "task show tea",
    "task lock tea --check",
    "recording list",
    "recording list --refused",
    "recording list --withdrawn",
    "recording list --changes",
    "reference list",
    "score list",
    "label list",
    "label list tea",
    "label list tea --disputed",
    "label verify tea",
    "study list",
    "study show spring",
    "study show spring --looks",
    "dossier list",
    "key list",
    "campaign list",
    "alert list",
    "alert list --all",
    "backup list backups",
    "model list",
)
"""Commands that load none of them."""

MODEL = ("score list --stale", "report show", "home doctor")
"""Commands that ask the model of a task who it is."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a task, a study, a key and a backup beside it."""
    made = Home.at(tmp_path_factory.mktemp("reading") / "home")
    sopilot(made, "home", "init")
    sopilot(made, "task", "create", "tea", "--name", "Tea")
    sopilot(made, "study", "create", "spring", "--task", "tea", "--title", "Spring")
    sopilot(made, "key", "create")
    sopilot(made, "backup", "create", local_path(made.root).parent / "backups", exit_code=0)
    return made


def loaded(home: Home, command: str) -> set[str]:
    """Which of the heavy libraries a command loads."""
    root = Path(str(home.root))
    words = command.replace("backups", str(root.parent / "backups")).split()
    done = subprocess.run(
        [sys.executable, "-c", _RUN, "--home", str(root), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    assert "Traceback" not in done.stderr
    return set(done.stderr.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("command", NOTHING)
def test_a_command_that_reads_loads_nothing_that_computes(home: Home, command: str) -> None:
    assert loaded(home, command) == set()


@pytest.mark.parametrize("command", MODEL)
def test_a_command_that_asks_for_the_model_loads_no_more_than_that(home: Home, command: str) -> None:
    assert loaded(home, command) <= {"onnxruntime"}
