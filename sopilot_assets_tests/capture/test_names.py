"""What intake passes over by its name."""

from __future__ import annotations

import pytest

from sopilot_assets.capture.names import finished_name, is_ignored, is_system_folder, is_unfinished

UNFINISHED = (
    "part",
    "PART",
    "partial",
    "tmp",
    "temp",
    "crdownload",
    "download",
    "filepart",
    "opdownload",
    "ffs_tmp",
    "ffs_lock",
    "!qB",
    "!ut",
    "!bt",
    "bc!",
    "aria2",
    "aria2__temp",
    "part-Frag3",
    "ytdl",
    "fdmdownload",
    "xltd",
    "td",
    "uploading",
    "incomplete",
    "unfinished",
    "pending",
    "mega",
)


@pytest.mark.parametrize("suffix", UNFINISHED)
def test_a_name_of_a_copying_program_is_unfinished(suffix: str) -> None:
    assert is_unfinished(f"take 7.mp4.{suffix}")
    assert finished_name(f"take 7.mp4.{suffix}") == "take 7.mp4"


@pytest.mark.parametrize(
    "name",
    [
        ".take.mp4",
        "~$steps.xlsx",
        "Thumbs.db",
        "Thumbs.db:encryptable",
        "take.mp4:Zone.Identifier",
        "GL010123.LRV",
        "GX010123.THM",
        "DJI_1.LRF",
    ],
)
def test_what_systems_and_cameras_write_beside_recordings_is_ignored(name: str) -> None:
    assert is_ignored(name)


@pytest.mark.parametrize(
    "name",
    [
        "take.mp4",
        "take 10:32:01.mp4",
        "~take.mp4",
        "part.mp4",
        "tmp.MOV",
        "00001.MTS",
        "temp",
        "take.partly.mp4",
        "#1.mp4",
        "take",
        "作業!.mp4",
    ],
)
def test_recordings_are_not_ignored_whatever_they_are_called(name: str) -> None:
    assert not is_ignored(name)


@pytest.mark.parametrize(
    "name",
    [
        "#recycle",
        "$RECYCLE.BIN",
        "@Recycle",
        "@eaDir",
        "#snapshot",
        ".Trash-1000",
        ".Trashes",
        "RECYCLER",
        "Recycled",
        "Recycle Bin",
        "lost+found",
        "LOST.DIR",
        "System Volume Information",
        "__MACOSX",
        "trashbox",
        "FOUND.000",
        "~snapshot",
        "@Recently-Snapshot",
        "take.mp4.download",
        "Network Trash Folder",
    ],
)
def test_recycle_bins_and_folders_of_systems_are_known(name: str) -> None:
    assert is_system_folder(name)


@pytest.mark.parametrize(
    "name", ["line1", "#1", "recycling plant", "Trash sorting", "lost and found", "cam_2"]
)
def test_sites_are_no_recycle_bins(name: str) -> None:
    assert not is_system_folder(name)
