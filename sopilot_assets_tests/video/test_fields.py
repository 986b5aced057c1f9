"""Recordings whose pictures are stored as two fields each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sopilot_assets.capture.examine import examine
from sopilot_assets.tasks.spec import QualityGate
from sopilot_assets.video.frames import open_frames
from sopilot_assets_tests.video.made import as_fields, remuxed
from sopilot_assets_tests.video.tiny import bench_picture, frame_number


@pytest.mark.parametrize(("name", "together"), [("a.mts", True), ("a.mts", False), ("b.mp4", False)])
def test_two_fields_are_one_picture_shown_at_the_time_of_the_first(
    tmp_path: Path, name: str, together: bool
) -> None:
    pictures = [bench_picture(number, size=(160, 128), share=number / 60) for number in range(60)]
    path = as_fields(tmp_path / "a.mts", pictures, fps=25, together=together)
    if name != path.name:
        path = remuxed(path, tmp_path / name)
    stream = open_frames(path, rate_hz=8, short_side=128)
    chunks = list(stream)
    shown = [frame_number(image) for chunk in chunks for image in chunk.images]
    assert stream.index.probe.frame_count == 60
    assert stream.index.end_s == pytest.approx(2.4, abs=0.03)
    assert shown == [int(time_s * 25 + 1e-6) for time_s in np.arange(len(stream.times_s)) / 8]
    assert not any(chunk.held.any() for chunk in chunks)
    assert examine(str(path), QualityGate(enabled=False)).damaged_share == 0
