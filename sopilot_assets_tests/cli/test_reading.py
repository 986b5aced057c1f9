"""Commands that only read answer at once: each, in a process of its own, loads nothing that computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sopilot_assets.dossier.package import build_dossier, publish_dossier
from sopilot_assets.dossier.signing import load_key
from sopilot_assets.embedding.lite0_identity import NAME, NETWORK, network_folder, packaged_weights
from sopilot_assets.embedding.manifest import ModelManifest, write_manifest
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.cli.running import sopilot
from sopilot_assets_tests.dossier.made_up import study_inputs
from sopilot_assets_tests.labels.made_up import register

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
    "gold candidates tea",
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
    "score list --stale",
    "report show",
    "home doctor",
    "recording show take_1.mp4 --json",
    "campaign show",
    "dossier verify DOSSIER",
)
"""Commands that load none of them."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a task, scored recordings, a prepared model, a study, a campaign, a key, and a backup and a
    dossier beside it.
    """
    made = Home.at(tmp_path_factory.mktemp("reading") / "home")
    sopilot(made, "home", "init")
    sopilot(made, "task", "create", "tea", "--name", "Tea")
    sopilot(made, "study", "create", "spring", "--task", "tea", "--title", "Spring")
    sopilot(made, "key", "create")
    register(made, "take_1.mp4", "take_2.mp4")
    folder = network_folder(made.models, packaged_weights())
    write_manifest(folder, ModelManifest(name=NAME, source="made up", files={NETWORK: "ab" * 32}))
    sopilot(made, "campaign", "start", "--duration", "96h")
    key = load_key(made.keys / "dossier")
    publish_dossier(build_dossier(study_inputs(), key), local_path(made.root).parent / "dossiers")
    sopilot(made, "backup", "create", local_path(made.root).parent / "backups", exit_code=0)
    return made


def loaded(home: Home, command: str) -> set[str]:
    """Which of the heavy libraries a command loads."""
    root = Path(str(home.root))
    dossier = next((root.parent / "dossiers").glob("*.zip"))
    words = command.replace("backups", str(root.parent / "backups")).replace("DOSSIER", str(dossier)).split()
    done = subprocess.run(
        [sys.executable, "-c", _RUN, "--home", str(root), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    assert "Traceback" not in done.stderr
    return set(done.stderr.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("command", NOTHING)
def test_a_command_that_reads_loads_nothing_that_computes(home: Home, command: str) -> None:
    assert loaded(home, command) == set()
