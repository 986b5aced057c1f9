"""Whether a file is whole, by its container, and whether another file is its rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.capture.whole import is_closed, is_continued_by, may_begin_video
from sopilot_assets_tests.video.tiny import write_tiny_video

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
FIRST = {"movflags": "faststart"}


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.mp4", {}), ("b.mp4", FIRST), ("c.mp4", FRAGMENTS), ("d.mov", {}), ("e.mkv", {}), ("f.avi", {})],
)
def test_a_whole_file_is_closed_and_no_beginning_of_it_is(
    tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    path = write_tiny_video(tmp_path / name, container_options=options, options={"g": "10"})
    data = path.read_bytes()
    assert is_closed(path)
    for share in (0.0, 0.01, 0.3, 0.5, 0.9, 0.99):
        path.write_bytes(data[: int(len(data) * share)])
        assert not is_closed(path), share


def test_space_that_nobody_wrote_into_is_no_end(tmp_path: Path) -> None:
    path = write_tiny_video(tmp_path / "a.mp4", container_options=FIRST)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2].ljust(len(data), b"\0"))
    assert not is_closed(path)


def test_a_stream_without_an_end_of_its_own_is_never_closed(tmp_path: Path) -> None:
    assert not is_closed(write_tiny_video(tmp_path / "a.ts"))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
def test_what_begins_like_a_video_is_told_from_anything_else(tmp_path: Path, name: str) -> None:
    path = write_tiny_video(tmp_path / name)
    path.write_bytes(path.read_bytes()[:500])
    assert may_begin_video(path)
    for content, expected in ((b"", True), (bytes(4096), True), (b"Shopping list: bolts", False)):
        path.write_bytes(content)
        assert may_begin_video(path) is expected


def test_a_file_is_continued_by_itself_written_on_and_by_no_other(tmp_path: Path) -> None:
    noisy = {"options": {"crf": "1"}, "size": (320, 240)}
    whole = write_tiny_video(tmp_path / "a.mp4", container_options=FIRST, **noisy)
    other = write_tiny_video(tmp_path / "b.mp4", container_options=FIRST, seed=7, **noisy)
    data = whole.read_bytes()
    half = tmp_path / "half.mp4"
    for beginning in (data[: len(data) // 2], data[: len(data) // 3].ljust(len(data), b"\0")):
        half.write_bytes(beginning)
        assert is_continued_by(half, whole)
        assert not is_continued_by(half, other)
    assert not is_continued_by(whole, half) or half.stat().st_size == whole.stat().st_size
