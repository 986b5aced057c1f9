"""What counts as a dropped file, and when it has settled."""

from __future__ import annotations

import os
from pathlib import Path

from sopilot_assets.capture.scan import CapturePlace, Stability, scan_capture
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


def test_task_and_role_are_read_in_any_capitals_as_windows_keeps_them(home: Home) -> None:
    drop(home, "Bolts/GOLD/Line1/a.mp4")
    (dropped,) = scan_capture(home, task_ids={"bolts"}).candidates
    assert dropped.place == CapturePlace("bolts", "gold", "Line1", None)
    assert scan_capture(home, task_ids=set(), unusable_ids={"bolts"}).candidates == ()


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


def names(home: Home) -> list[str]:
    return sorted(one.path.name for one in scan_capture(home, task_ids={"bolts"}).candidates)


def test_recycle_bins_small_copies_and_unfinished_names_are_left_and_need_nobody(home: Home) -> None:
    place = "bolts/trainee/plant_a"
    for folder in ("#recycle", "$RECYCLE.BIN", "@Recycle", "@eaDir/take.mp4", "lost+found"):
        drop(home, f"{place}/{folder}/deleted.mp4")
    for name in ("GL01.LRV", "GX01.THM", "b.mp4.ffs_tmp", "c.mp4.!qB", "d.mp4.opdownload"):
        drop(home, f"{place}/{name}")
    scan = scan_capture(home, task_ids={"bolts"})
    assert (scan.candidates, {one.usual for one in scan.skipped}) == ((), {True})
    assert len(scan.skipped) == 10


def test_a_recording_beside_its_unfinished_copy_waits_and_is_named(home: Home) -> None:
    place = "bolts/trainee/plant_a"
    part = drop(home, f"{place}/take.mp4.aria2")
    drop(home, f"{place}/take.mp4")
    drop(home, f"{place}/other.mp4")
    assert names(home) == ["other.mp4"]
    (waits,) = (one for one in scan_capture(home, task_ids={"bolts"}).skipped if not one.usual)
    assert "take.mp4.aria2 lies beside it" in waits.why
    part.unlink()
    assert names(home) == ["other.mp4", "take.mp4"]


def sidecar_names(home: Home) -> dict[str, str]:
    found = scan_capture(home, task_ids={"bolts"}).candidates
    return {one.path.name: one.sidecar.name for one in found if one.sidecar is not None}


def test_sidecars_are_found_in_any_spelling(home: Home) -> None:
    pairs = {
        "a.mp4": "a.mp4.json",
        "B.MP4": "b.mp4.JSON",
        "short.mp4": "short.json",
        "ガイド.mp4": "カ\u3099イト\u3099.mp4.json",
    }
    for name, sidecar in pairs.items():
        drop(home, f"bolts/trainee/plant_a/{name}")
        drop(home, f"bolts/trainee/plant_a/{sidecar}", b"{}")
    assert sidecar_names(home) == pairs
    assert scan_capture(home, task_ids={"bolts"}).sidecars == ()


def test_a_sidecar_that_could_be_of_two_recordings_or_of_none_is_nobodys(home: Home) -> None:
    for name in ("a.mp4", "a.mov", "b.mp4"):
        drop(home, f"bolts/trainee/plant_a/{name}")
    for name in ("a.json", "b.json", "b.mp4.json", "c.mp4.json"):
        drop(home, f"bolts/trainee/plant_a/{name}", b"{}")
    assert sidecar_names(home) == {"b.mp4": "b.mp4.json"}
    alone = scan_capture(home, task_ids={"bolts"}).sidecars
    assert [one.path.name for one in alone] == ["a.json", "b.json", "c.mp4.json"]


def test_a_file_whose_inode_changes_at_every_look_settles(home: Home) -> None:
    path = drop(home, "bolts/gold/plant_a/a.mp4")
    _, state = Stability().observe(scan_capture(home, task_ids={"bolts"}).candidates)
    path.with_name("b").write_bytes(b"x")  # another inode, as some network file systems show it
    path.with_name("b").rename(path)
    os.utime(path, (1000.0, 1000.0))
    settled, _ = state.observe(scan_capture(home, task_ids={"bolts"}).candidates)
    assert [one.path.name for one in settled] == ["a.mp4"]
