"""`sopilot capture`: what lies in a folder ends accepted, recognised, or in quarantine with advice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.cli.running import rows, sopilot

WriteVideo = Callable[..., Path]


@pytest.fixture
def drop(tmp_path: Path, home: Home, tiny_video: WriteVideo) -> Path:
    """A folder with a recording, the same under another name, and a text that calls itself a video."""
    folder = tmp_path / "monday"
    folder.mkdir()
    tiny_video(folder / "take_1.mp4", seconds=3.0)
    (folder / "take_2.mp4").write_bytes((folder / "take_1.mp4").read_bytes())
    (folder / "notes.mp4").write_text("not a video", "utf-8")
    sopilot(home, "task", "create", "tea", "--name", "Tea")
    return folder


def add(home: Home, folder: Path) -> str:
    words = ("capture", "add", folder, "--task", "tea", "--role", "trainee", "--site", "line1")
    return sopilot(home, *words).stdout


def test_a_folder_is_copied_and_taken_in(home: Home, drop: Path) -> None:
    assert "3 of 3 files copied" in add(home, drop)
    outcomes = {str(row["file"]).rpartition("/")[2]: row for row in rows(home, "capture", "register")}
    ends = sorted((str(row["outcome"]), row["reason"]) for row in outcomes.values() if row["reason"])
    assert ("quarantined", "not_a_video") in ends
    assert sorted(str(row["outcome"]) for row in outcomes.values()) == [
        "accepted",
        "duplicate",
        "quarantined",
    ]
    assert not [path for path in local_path(home.capture).rglob("*") if path.is_file()]
    assert rows(home, "capture", "register") == []


def test_what_is_registered_is_not_copied_again(home: Home, drop: Path) -> None:
    add(home, drop)
    sopilot(home, "capture", "register")
    assert "registered already" in add(home, drop)


def test_quarantine_says_what_to_do_in_both_languages(home: Home, drop: Path) -> None:
    add(home, drop)
    sopilot(home, "capture", "register")
    english, japanese = (
        rows(home, "recording", "list", "--refused", "--lang", lang)[0] for lang in ("en", "ja")
    )
    assert "The file is not a video." in str(english["what_to_do"])
    assert "動画ファイルではありません" in str(japanese["what_to_do"])


def test_a_check_measures_five_axes_and_changes_nothing(home: Home, drop: Path) -> None:
    before = sorted(path.name for path in drop.iterdir())
    found = rows(home, "capture", "check", drop / "take_1.mp4", exit_code=1)
    axes = {str(row["axis"]): row for row in found}
    assert list(axes) == ["brightness", "sharpness", "stability", "resolution", "duration"]
    assert not axes["duration"]["ok"]
    assert axes["duration"]["wanted"] == "at least 5 s"
    assert sorted(path.name for path in drop.iterdir()) == before


def test_a_check_of_something_else_says_so(home: Home, drop: Path) -> None:
    found = rows(home, "capture", "check", drop / "notes.mp4", "--lang", "ja", exit_code=1)
    assert [row["axis"] for row in found] == ["reading"]
    assert "動画ファイルではありません" in str(found[0]["what_to_do"])


def test_a_source_that_is_not_there_is_an_error(home: Home, tmp_path: Path) -> None:
    words = ("capture", "add", tmp_path / "none", "--task", "tea", "--role", "gold", "--site", "line1")
    said = sopilot(home, *words, exit_code=1).stderr
    assert "expected a recording or a folder of recordings, found nothing" in said
    assert list(local_path(home.capture).iterdir()) == []
