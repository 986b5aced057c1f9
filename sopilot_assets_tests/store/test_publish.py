"""Published files are whole or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.errors import StoreError
from sopilot_assets.store.publish import (
    TEMPORARY_PREFIX,
    file_sha256,
    local_path,
    publish_bytes,
    publish_path,
    publish_text,
    published_files,
    remove_unfinished,
    sweep_unfinished,
)


def test_published_bytes_replace_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    publish_text(target, "old")
    publish_text(target, "new")
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_a_writer_that_fails_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    publish_bytes(target, b"old")

    def fail(temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise RuntimeError("the writer broke")

    with pytest.raises(RuntimeError, match="the writer broke"):
        publish_path(target, fail)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_a_store_error_that_names_the_file(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"

    def full(temporary: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match=r"file\.bin: could not be published \(No space left on device\)"):
        publish_path(target, full)
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_file_keeps_the_suffix_of_the_target(tmp_path: Path) -> None:
    seen: list[str] = []
    publish_path(tmp_path / "clip.mp4", lambda temporary: seen.append(temporary.suffix) or temporary.touch())
    assert seen == [".mp4"]


def test_sweeping_removes_only_old_unfinished_files(tmp_path: Path) -> None:
    old, young, finished = (tmp_path / name for name in (f"{TEMPORARY_PREFIX}a", f"{TEMPORARY_PREFIX}b", "c"))
    for path in (old, young, finished):
        path.touch()
    now_s = young.stat().st_mtime
    assert sweep_unfinished(tmp_path, older_than_s=10, now_s=now_s) == 0
    assert sweep_unfinished(tmp_path, older_than_s=10, now_s=now_s + 60) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert finished.exists()


def test_files_that_are_still_being_written_are_not_published(tmp_path: Path) -> None:
    whole = [tmp_path / name for name in ("b.json", "a.json", "deep/c.json")]
    half = [tmp_path / name for name in (".publishing-d.json", ".publishing-scratch/e.json")]
    for path in (*whole, *half, tmp_path / "other.txt"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"{}")
    (tmp_path / "folder.json").mkdir()
    assert published_files(tmp_path, "*.json") == [tmp_path / "a.json", tmp_path / "b.json"]
    assert published_files(tmp_path, "**/*.json") == sorted(whole)
    assert published_files(tmp_path / "nowhere", "*") == []
    assert remove_unfinished(tmp_path) == 2
    assert all(path.exists() for path in whole)
    assert not any(path.exists() for path in half)


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # the SHA-256 test vector of FIPS 180-2, appendix B.1
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_path_in_an_object_store_is_not_local() -> None:
    from upath import UPath

    with pytest.raises(StoreError, match="expected a path on this machine"):
        local_path(UPath("memory://bucket/key"))
