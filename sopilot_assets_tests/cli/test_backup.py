"""`sopilot backup`: what people see, and what the exit codes say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sopilot_assets.settings import settings_path
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_bytes, publish_text
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.upkeep.backup.made_up import made_up_home, tree


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "home"
    made_up_home(folder, recordings=2)
    return folder


@pytest.fixture
def living(made: Path, tmp_path: Path) -> Home:
    return Home.at(shutil.copytree(made, tmp_path / "home"))


def test_from_a_backup_to_a_restored_home(living: Home, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    (row,) = rows(living, "backup", "create", place)
    assert row["sound"]
    assert int(str(row["new_objects"])) > 10
    (listed,) = rows(living, "backup", "list", place)
    assert (listed["backup"], listed["damage"]) == (row["backup"], None)
    assert "all whole" in sopilot(living, "backup", "verify", place).output
    assert rows(living, "backup", "verify", place) == []
    assert rows(living, "backup", "verify", "--drill", place)[0]["passed"]
    new = tmp_path / "new"
    said = sopilot(new, "backup", "restore", place, "--backup", str(row["backup"])[:12]).output
    assert "as it was at" in said
    held = {name: content for name, content in tree(local_path(living.root)).items() if "backup" not in name}
    fresh = {name for name in held if name.endswith("100%.mp4")}  # copied just now, so perhaps not complete
    assert tree(new) == {name: content for name, content in held.items() if name not in fresh}


def test_damage_is_shown_and_counts(living: Home, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    sopilot(living, "backup", "create", place)
    spoiled = next(path for path in sorted(place.glob("objects/*/*")) if path.stat().st_size)
    publish_bytes(spoiled, b"other")
    (damage,) = rows(living, "backup", "verify", place, exit_code=1)
    assert damage["file"] == spoiled.relative_to(place).as_posix()
    assert damage["held"]
    assert not rows(living, "backup", "verify", "--drill", place, exit_code=1)[0]["passed"]
    said = sopilot(tmp_path / "new", "backup", "restore", place, exit_code=1).output
    assert "Nothing was replaced" in said
    assert not (tmp_path / "new").exists()


def test_the_settings_say_where(living: Home, tmp_path: Path) -> None:
    said = sopilot(living, "backup", "create", exit_code=1).output
    assert "names no place for backups" in said
    publish_text(settings_path(living), "backup: {destination: backups}\n")
    said = sopilot(living, "backup", "create", exit_code=1).output
    assert "line 1, backup.destination: expected an absolute path or a URL, found 'backups'" in said
    publish_text(settings_path(living), f"backup: {{destination: {tmp_path / 'backups'}, keep: 1}}\n")
    for _ in range(2):
        sopilot(living, "backup", "create")
    assert len(rows(living, "backup", "list")) == 1
    assert "0 backups removed" in sopilot(living, "backup", "forget", "--keep", "3").output


def test_a_home_in_use_is_not_overwritten(living: Home, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    sopilot(living, "backup", "create", place)
    assert "--force" in sopilot(living, "backup", "restore", place, exit_code=1).output
    assert "home.before-" in sopilot(living, "backup", "restore", place, "--force").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["restore", "--backup", "2099"], "expected one backup that begins with 2099, found 0"),
        (["forget", "--keep", "0"], "Usage"),
    ],
)
def test_what_cannot_be_is_refused(living: Home, tmp_path: Path, words: list[str], said: str) -> None:
    place = tmp_path / "backups"
    sopilot(living, "backup", "create", place)
    result = sopilot(living, "backup", words[0], place, *words[1:], exit_code=2 if "--keep" in words else 1)
    assert said in result.output


@pytest.mark.parametrize("command", ["list", "verify", "verify --drill", "restore"])
def test_a_place_without_backups_is_said(living: Home, tmp_path: Path, command: str) -> None:
    said = sopilot(living, "backup", *command.split(), tmp_path / "nothing", exit_code=1).output
    assert "there is no repository of backups" in said
    assert not (tmp_path / "nothing").exists()
