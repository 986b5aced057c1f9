"""A home, task, person, site, study, campaign or key that is not there is an error with the nearest name."""

from __future__ import annotations

import inspect
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from sopilot_assets.capture.ledgers import ACTIVE, VIDEO_COLUMNS, videos_ledger
from sopilot_assets.cli.groups import GROUPS, LazyGroup, commands_in
from sopilot_assets.cli.known import EXISTING, Named
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.cli.running import sopilot

COMMANDS: dict[str, Any] = {
    " ".join((group.name, *words)): command
    for group in GROUPS
    for words, command in commands_in(LazyGroup(group).commands)
}
MAKE_A_HOME = {
    *("home init", "home doctor", "demo run", "backup restore"),
    *("task create", "key create", "legacy import", "desk serve", "desk user add"),
    "service install",
}
"""Commands that make a home where none is, and doctor, which says so itself."""
NEW_NAMES = {"task create": "task", "study create": "study", "legacy compare": "task"}
"""Commands that give the name, or look for it elsewhere."""


def marks(command: str) -> dict[str, object]:
    """What each parameter of a command is marked with."""
    parameters = inspect.signature(COMMANDS[command].callback, eval_str=True).parameters
    return {name: getattr(one.annotation, "__metadata__", ()) for name, one in parameters.items()}


@pytest.fixture
def made(home: Home) -> Home:
    """A home with the task oil_change, two recordings of it, a study and a key."""
    sopilot(home, "task", "create", "oil_change", "--name", "Oil change")
    rows = [
        {
            **dict.fromkeys(VIDEO_COLUMNS),
            "key": f"oil_change-t-{digit * 12}",
            "video_id": digit * 12,
            "sha256": digit * 64,
            "task_id": "oil_change",
            "role": "trainee",
            "person": "p01",
            "site": "line1",
            "status": ACTIVE,
            "original_name": f"{digit}.mp4",
            "stored_name": f"{digit}.mp4",
            "capture_path": f"{digit}.mp4",
        }
        for digit in "ab"
    ]
    videos_ledger(home).append(rows, run_id="intake", written_at="2026-02-23T09:30:00+00:00")
    sopilot(home, "study", "create", "spring", "--task", "oil_change", "--title", "Spring")
    sopilot(home, "key", "create")
    return home


@pytest.mark.parametrize(
    "command",
    [
        "task show oilchange",
        "task lock oilchange",
        "task lock oilchange --check",
        "capture check a.mp4 --task oilchange",
        "recording list --task oilchange",
        "score run --task oilchange",
        "score run --stale --task oilchange --dry-run",
        "score list --task oilchange",
        "score list --task oilchange --json",
        "label list oilchange",
        "label list oilchange --count",
        "label list oilchange --chain",
        "label prefill oilchange",
        "label prepare oilchange s.csv --who ann",
        "label import oilchange s.csv",
        "label add oilchange a.mp4 yes --who ann",
        "study create autumn --task oilchange --title Autumn",
        "study check --profile ops_v1 --task oilchange",
        "campaign start --task oilchange",
        "measure repeat --task oilchange",
        "measure damage --task oilchange",
    ],
)
def test_a_task_that_is_not_there_is_an_error_with_the_nearest_name(
    made: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(local_path(made.root).rglob("*"))
    refused = sopilot(made, *command.split(), exit_code=1)
    assert "did you mean oil_change?" in refused.stderr.lower()
    assert refused.stdout == ""
    assert sorted(local_path(made.root).rglob("*")) == before


@pytest.mark.parametrize(
    ("command", "nearest"),
    [
        ("study show sprng", "spring"),
        ("study register sprng", "spring"),
        ("study run sprng", "spring"),
        ("study show sprng --looks", "spring"),
        ("dossier build sprng", "spring"),
        ("dossier build spring --key dosier", "dossier"),
        ("recording list --person p1", "p01"),
        ("score list --site lin1", "line1"),
        ("recording list --site Line1", "line1"),
    ],
)
def test_any_other_name_too(made: Home, command: str, nearest: str) -> None:
    assert f"did you mean {nearest}?" in sopilot(made, *command.split(), exit_code=1).stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may write into the home of somebody else")
def test_root_is_warned_in_the_home_of_somebody_else(made: Home) -> None:
    assert "Warning" not in sopilot(made, "recording", "list").stderr
    os.chown(made.root, pwd.getpwnam("nobody").pw_uid, -1)
    said = sopilot(made, "recording", "list").stderr
    assert f"{made.root} belongs to nobody" in said
    assert "sudo -u nobody" in said


def test_a_name_is_named_where_nothing_is_known_yet(home: Home) -> None:
    assert "none is known" in sopilot(home, "score", "list", "--task", "tea", exit_code=1).stderr
    assert "none is known" in sopilot(home, "campaign", "show", "c1", exit_code=1).stderr


def test_what_is_there_passes(made: Home) -> None:
    assert "2 recordings wait" in sopilot(made, "score", "list", "--task", "oil_change").stdout
    assert "a.mp4" in sopilot(made, "recording", "list", "--person", "p01").stdout


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_marked(command: str) -> None:
    found = marks(command)
    for name in {"task", "study", "campaign"} & set(found):
        if NEW_NAMES.get(command) != name and not command.startswith(
            "capture "
        ):  # these read the task's file
            assert any(isinstance(one, Named) for one in found[name]), f"{name}: mark it, see cli/known.py"


@pytest.mark.parametrize(
    "command", ["score list", "recording list", "task list", "label list", "study list", "dossier list"]
)
def test_a_home_that_is_not_there_is_an_error_with_the_nearest_one(
    made: Home, tmp_path: Path, command: str
) -> None:
    refused = sopilot(tmp_path / "hom", *command.split(), exit_code=1)
    assert "expected a home folder, found nothing" in refused.stderr
    assert f"Did you mean {tmp_path / 'home'}?" in refused.stderr
    assert not (tmp_path / "hom").exists()
    (tmp_path / "hom").mkdir()
    assert "found another folder" in sopilot(tmp_path / "hom", *command.split(), exit_code=1).stderr


def test_all_others_need_a_home() -> None:
    asked = {command: marks(command)["home"] for command in COMMANDS if "home" in marks(command)}
    free = {command for command, found in asked.items() if EXISTING not in found}  # type: ignore[operator]
    assert free - {"measure compare"} == MAKE_A_HOME


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("capture add /nowhere --task oil_change --role gold --site line1", "found nothing. Name one"),
        ("gold import oil_change --by ann", "--steps names another one"),
        ("desk user remove bob", "`sopilot desk user list` lists them"),
        ("label export oil_change a.boris --who bob", "`sopilot label list oil_change --events` shows whose"),
        ("label import oil_change broken.json", "save it again with the tool that wrote it"),
        ("label import oil_change text.json", "`sopilot label prepare` writes a sheet"),
    ],
)
def test_what_is_not_there_or_no_sheet_comes_with_what_to_do(
    made: Home, words: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.json").write_text("{")
    Path("text.json").write_text('"yes"')
    assert says in " ".join(sopilot(made, *words.split(), exit_code=1).stderr.split())
