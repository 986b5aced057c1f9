"""Draining the capture folder without the sensor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sopilot_assets.capture.drain import Drained, drain_capture
from sopilot_assets.capture.intake import IntakeStatus
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import new_task


@pytest.fixture
def folder(home: Home) -> Path:
    """A place in the capture folder of a home with one task."""
    new_task(home.root, "tea", name="Tea")
    place = local_path(home.capture) / "tea" / "trainee" / "line1"
    place.mkdir(parents=True)
    return place


def drain(home: Home, wait: Callable[[float], None] = lambda _: None) -> Drained:
    return drain_capture(home, run_id="test", now=lambda: datetime.now(UTC), wait=wait)


def test_an_empty_folder_is_not_waited_for(home: Home) -> None:
    def never(_: float) -> None:
        raise AssertionError("waited for nothing")

    assert drain(home, never) == Drained((), (), ())


def test_all_that_has_settled_is_taken_in(home: Home, folder: Path, tiny_video: Callable[..., Path]) -> None:
    for seed in range(3):
        tiny_video(folder / f"take_{seed}.mp4", seconds=2.5, seed=seed)
    drained = drain(home)
    assert drained.count(IntakeStatus.ACCEPTED) == len(drained.new_keys) == 3
    assert drained.waiting == ()
    assert list(folder.iterdir()) == []


def test_a_file_that_is_being_copied_is_left_waiting(home: Home, folder: Path) -> None:
    path = folder / "take.mp4"
    path.write_bytes(b"1")

    def copy_on(_: float) -> None:
        path.write_bytes(path.read_bytes() + b"1")

    drained = drain(home, copy_on)
    assert (drained.outcomes, drained.waiting) == ((), ("tea/trainee/line1/take.mp4",))
    assert path.exists()


def test_files_of_a_task_that_cannot_be_used_are_skipped_with_the_reason(home: Home, folder: Path) -> None:
    (folder / "take.mp4").write_bytes(b"1")
    (local_path(home.tasks) / "tea.yaml").write_text("steps: []\n", "utf-8")
    drained = drain(home)
    assert [one.why for one in drained.skipped] == ["its task file cannot be used; mend it first"]
    assert (folder / "take.mp4").exists()
