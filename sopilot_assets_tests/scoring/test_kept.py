"""What is remembered of a file is true of the file as it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sopilot_assets.errors import UnreadableVideo
from sopilot_assets.privacy.covering import UNCOVERED
from sopilot_assets.scoring.review.kept import index_of, kept
from sopilot_assets.scoring.review.stills import _gold_still, read_stills
from sopilot_assets.video.probe import read_index


def test_a_file_is_read_again_only_when_it_changed(tmp_path: Path) -> None:
    asked = []

    @kept(most=4)
    def words(path: Path, of: int) -> str:
        asked.append(of)
        return path.read_text("utf-8").split()[of]

    file = tmp_path / "words"
    file.write_text("one two", "utf-8")
    assert [words(file, 0), words(file, 1), words(file, 0)] == ["one", "two", "one"]
    assert asked == [0, 1]
    file.write_text("six ten", "utf-8")
    os.utime(file, ns=(1, 1))
    assert words(file, 0) == "six"
    file.write_text("seven ten", "utf-8")
    os.utime(file, ns=(1, 1))
    assert words(file, 0) == "seven"


def test_an_error_is_not_remembered(tmp_path: Path, tiny_video: Callable[..., Path]) -> None:
    path = tmp_path / "video.mp4"
    with pytest.raises(UnreadableVideo):
        index_of(path)
    tiny_video(path, seconds=2.0)
    assert index_of(path).probe == read_index(path).probe


def test_a_still_of_a_gold_is_what_reading_all_of_them_gives(
    tmp_path: Path, tiny_video: Callable[..., Path]
) -> None:
    path = tiny_video(tmp_path / "gold.mp4", seconds=3.0)
    times_s = [0.3, 2.9, 1.5, 99.0]
    together = read_stills(path, times_s, UNCOVERED)
    for _ in range(2):
        assert {time_s: _gold_still(path, time_s, UNCOVERED) for time_s in times_s} == together
