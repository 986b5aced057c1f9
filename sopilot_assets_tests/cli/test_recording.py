"""`sopilot recording`: facts corrected, recordings withdrawn and restored, from the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.cli.running import rows, sopilot


@pytest.fixture
def filmed(tmp_path: Path, home: Home, tiny_video: Callable[..., Path]) -> Home:
    """A home with two golds from a phone, of which nothing is known."""
    sopilot(home, "task", "create", "tea", "--name", "Tea")
    for number in (1, 2):
        tiny_video(tmp_path / "phone" / f"IMG_{number}.mp4", seconds=6.0, size=(320, 240), seed=number)
    place = ("--task", "tea", "--role", "gold", "--site", "line1")
    sopilot(home, "capture", "add", tmp_path / "phone" / "IMG_1.mp4", *place)
    sopilot(home, "capture", "add", tmp_path / "phone", *place)
    sopilot(home, "capture", "register")
    return home


def persons(home: Home) -> dict[object, object]:
    return {row["original_name"]: row["person"] for row in rows(home, "recording", "list")}


def test_persons_are_given_afterwards_and_the_list_of_changes_says_by_whom(filmed: Home) -> None:
    words = ("recording", "correct", "IMG_1.mp4", "IMG_2.mp4", "--person", "p1", "--who", "ann")
    assert "`sopilot score run --stale`" in sopilot(filmed, *words).stdout
    assert persons(filmed) == {"IMG_1.mp4": "p1", "IMG_2.mp4": "p1"}
    assert "That is known already." in sopilot(filmed, *words).stdout
    sopilot(filmed, "recording", "correct", "IMG_2.mp4", "--unknown", "person")
    told = [(row["file"], row["was"], row["now"]) for row in rows(filmed, "recording", "list", "--changes")]
    assert sorted(told, key=str) == sorted(
        [("IMG_1.mp4", None, "p1"), ("IMG_2.mp4", None, "p1"), ("IMG_2.mp4", "p1", None)], key=str
    )
    assert "ann" in sopilot(filmed, "recording", "show", "IMG_1.mp4").stdout


def test_a_gold_is_withdrawn_listed_with_the_reason_and_restored(filmed: Home) -> None:
    sopilot(filmed, "recording", "withdraw", "IMG_2.mp4", "--why", "spilt", "--who", "ann")
    assert list(persons(filmed)) == ["IMG_1.mp4"]
    (out,) = rows(filmed, "recording", "list", "--withdrawn")
    assert (out["original_name"], out["why"], out["changed_by"]) == ("IMG_2.mp4", "spilt", "ann")
    assert "withdrawn" in sopilot(filmed, "recording", "show", "IMG_2.mp4").stdout
    refused = sopilot(filmed, "recording", "withdraw", "IMG_2.mp4", "--why", "again", exit_code=1)
    assert "expected a recording that counts; withdrawn by ann: spilt" in refused.stderr
    sopilot(filmed, "recording", "withdraw", "--undo", "IMG_2.mp4")
    reason = sopilot(filmed, "recording", "withdraw", "IMG_1.mp4", exit_code=1).stderr
    assert "--why: expected the reason" in reason
    assert set(persons(filmed)) == {"IMG_1.mp4", "IMG_2.mp4"}


def test_a_time_that_is_none_is_refused_with_an_example(filmed: Home) -> None:
    words = ("recording", "correct", "IMG_1.mp4", "--recorded-at", "monday")
    told = sopilot(filmed, *words, exit_code=1).stderr
    assert "--recorded-at monday: expected a time such as 2026-03-02T08:15:00+09:00" in told


def test_doctor_tells_unknown_persons_from_too_few(filmed: Home) -> None:
    def told() -> str:
        (row,) = (row for row in rows(filmed, "home", "doctor") if row["check"] == "golds")
        return f"{row['what']}: {row['action']}"

    (local_path(filmed.root) / "settings.yaml").write_text("limits: {golds: 2, gold_persons: 2}\n")
    assert "2 golds by unknown persons" in told()
    assert "recording correct IMG_" in told()
    sopilot(filmed, "recording", "correct", "IMG_1.mp4", "--person", "p1")
    assert "2 golds by 1 persons and by unknown ones" in told()
    sopilot(filmed, "recording", "correct", "IMG_2.mp4", "--person", "p2")
    assert "2 by 2 persons" in told()
