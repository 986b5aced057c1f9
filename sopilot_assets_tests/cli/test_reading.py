"""Commands that only read answer at once: each, in a process of its own, loads nothing that computes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sopilot_assets.dossier.package import build_dossier, publish_dossier
from sopilot_assets.dossier.signing import load_key
from sopilot_assets.embedding.lite0_identity import LITE0_FLOW, NETWORK, network_folder, packaged_weights
from sopilot_assets.embedding.manifest import ModelManifest, write_manifest
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.cli import forked
from sopilot_assets_tests.cli.running import sopilot
from sopilot_assets_tests.dossier.made_up import study_inputs
from sopilot_assets_tests.labels.made_up import register

pytestmark = pytest.mark.whole

HEAVY = ("sklearn", "numba", "llvmlite", "torch", "onnxruntime", "matplotlib", "dagster")
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
    "task list --references",
    "score list",
    "label list",
    "label list tea",
    "label list tea --disputed",
    "label list tea --chain",
    "study list",
    "study show spring",
    "study show spring --looks",
    "dossier list",
    "policy show",
    "policy show tea",
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
    write_manifest(folder, ModelManifest(name=LITE0_FLOW, source="made up", files={NETWORK: "ab" * 32}))
    sopilot(made, "campaign", "start", "--duration", "96h")
    key = load_key(made.keys / "dossier")
    publish_dossier(build_dossier(study_inputs(), key), local_path(made.root).parent / "dossiers")
    sopilot(made, "backup", "create", local_path(made.root).parent / "backups", exit_code=0)
    return made


@pytest.fixture(scope="module")
def answers(home: Home) -> Mapping[str, Mapping[str, Any]]:
    """What each command said and loaded, in a process of its own."""
    root = Path(str(home.root))
    dossier = next((root.parent / "dossiers").glob("*.zip"))
    places = {"backups": str(root.parent / "backups"), "DOSSIER": str(dossier)}
    commands = [
        ["--home", str(root), *(places.get(word, word) for word in command.split())] for command in NOTHING
    ]
    done = subprocess.run(
        [sys.executable, "-m", forked.__name__],
        input=json.dumps({"watched": HEAVY, "commands": commands}),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(NOTHING, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("command", NOTHING)
def test_a_command_that_reads_loads_nothing_that_computes(
    answers: Mapping[str, Mapping[str, Any]], command: str
) -> None:
    answer = answers[command]
    assert answer["exit_code"] in {0, 1}, answer["said"]
    assert "Traceback" not in answer["said"]
    assert answer["loaded"] == []
