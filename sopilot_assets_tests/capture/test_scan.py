"""What counts as a dropped file, and when it has settled."""

from __future__ import annotations

import os
from pathlib import Path

from sopilot_assets.capture.scan import Stability, scan_capture
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path


def drop(home: Home, relative: str, content: bytes = b"x", *, mtime_s: float = 1000.0) -> Path:
    path = local_path(home.capture) / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (mtime_s, mtime_s))
    return path


def test_an_absent_capture_folder_is_an_empty_one(home: Home) -> None:
    assert scan_capture(home, task_ids={"bolts"}).candidates == ()


def test_the_folders_say_task_role_site_and_camera(home: Home) -> None:
    drop(home, "bolts/gold/plant_a/a.mp4")
    drop(home, "bolts/trainee/plant_b/left/b.mp4")
    first, second = (candidate.place for candidate in scan_capture(home, task_ids={"bolts"}).candidates)
    assert first is not None
    assert second is not None
    assert (first.task_id, first.role, first.site, first.camera) == ("bolts", "gold", "plant_a", None)
    assert (second.task_id, second.role, second.site, second.camera) == (
        "bolts",
        "trainee",
        "plant_b",
        "left",
    )


def test_annotations_sidecars_and_unfinished_files_are_no_candidates(home: Home) -> None:
    drop(home, "bolts/gold/steps.csv")
    for name in ("a.mp4.json", ".a.mp4", "a.mp4.part", "b.crdownload", "c.tmp", "Thumbs.db", ".DS_Store"):
        drop(home, f"bolts/gold/plant_a/{name}")
    drop(home, "bolts/gold/plant_a/.cache/a.mp4")
    assert scan_capture(home, task_ids={"bolts"}).candidates == ()


def test_files_of_a_task_that_needs_mending_wait(home: Home) -> None:
    drop(home, "bolts/gold/plant_a/a.mp4")
    scan = scan_capture(home, task_ids=set(), unusable_ids={"bolts"})
    assert scan.candidates == ()
    assert [one.relative for one in scan.skipped] == ["bolts/gold/plant_a/a.mp4"]


def test_a_file_settles_after_two_equal_ticks(home: Home) -> None:
    path = drop(home, "bolts/gold/plant_a/a.mp4")

    def tick(state: Stability) -> tuple[int, Stability]:
        settled, after = state.observe(scan_capture(home, task_ids={"bolts"}).candidates)
        return len(settled), Stability.from_json(after.to_json())

    count, state = tick(Stability())
    assert count == 0
    path.write_bytes(b"xy")
    count, state = tick(state)
    assert count == 0
    count, state = tick(state)
    assert count == 1
    drop(home, "bolts/gold/plant_a/a.mp4.json", b"{}")
    count, state = tick(state)
    assert count == 0
    count, state = tick(state)
    assert count == 1
    path.unlink()
    count, state = tick(state)
    assert (count, state.seen) == (0, {})


def test_the_watched_files_are_bounded_and_the_oldest_come_first(home: Home) -> None:
    for number in range(5):
        drop(home, f"bolts/gold/plant_a/{number}.mp4", mtime_s=1000.0 - number)
    candidates = scan_capture(home, task_ids={"bolts"}).candidates
    _, state = Stability(limit=2).observe(candidates)
    settled, _ = state.observe(candidates)
    assert [candidate.path.name for candidate in settled] == ["4.mp4", "3.mp4"]


def test_a_cursor_that_is_not_ours_starts_afresh() -> None:
    for text in (None, "", "17", "not json", "[1]"):
        assert Stability.from_json(text).seen == {}
