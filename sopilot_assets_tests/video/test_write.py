"""Written H.264: what browsers need, and the same bytes for the same frames."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from sopilot_assets.errors import VideoError
from sopilot_assets.video.write import write_h264
from sopilot_assets_tests.video.tiny import write_tiny_video


def moving_bar(count: int, *, size: tuple[int, int], seed: int = 1) -> list[NDArray[np.uint8]]:
    """``count`` noisy frames of ``size`` (width, height) with a bar that moves to the right."""
    rng = np.random.default_rng(seed)
    frames = [rng.integers(0, 60, (size[1], size[0], 3), dtype=np.uint8) for _ in range(count)]
    for number, frame in enumerate(frames):
        frame[:, 2 * number : 2 * number + 12] = (220, 60, 30)
    return frames


def test_browsers_play_it(tmp_path: Path) -> None:
    path = tmp_path / "bar.mp4"
    assert write_h264(path, moving_bar(30, size=(64, 48)), fps=25) == 30
    with av.open(path) as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.codec_context.profile == "Main"
        assert (stream.average_rate, stream.frames) == (25, 30)
        assert not video.streams.audio


def test_the_index_comes_before_the_pictures(tmp_path: Path) -> None:
    path = tmp_path / "bar.mp4"
    write_h264(path, moving_bar(12, size=(64, 48)), fps=25)
    content = path.read_bytes()
    assert 0 < content.find(b"moov") < content.find(b"mdat")


def test_colours_and_order_survive(tmp_path: Path) -> None:
    path = tmp_path / "bar.mp4"
    frames = moving_bar(20, size=(64, 48))
    write_h264(path, frames, fps=25, crf=12)
    with av.open(path) as video:
        shown = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(shown) == 20
    for number in (0, 7, 19):
        bar = shown[number][:, 2 * number + 3 : 2 * number + 9].mean(axis=(0, 1))
        assert np.abs(bar - (220, 60, 30)).max() < 16


def test_a_player_can_seek_every_two_seconds(tmp_path: Path) -> None:
    path = tmp_path / "bar.mp4"
    write_h264(path, moving_bar(45, size=(160, 48)), fps=10)
    with av.open(path) as video:
        keys_s = [frame.time for frame in video.decode(video=0) if frame.key_frame]
    assert keys_s[0] == 0
    assert len(keys_s) >= 3
    assert max(np.diff([*keys_s, 4.5])) <= 2.0


def test_a_fractional_rate_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "bar.mp4"
    write_h264(path, moving_bar(10, size=(64, 48)), fps=Fraction(30000, 1001))
    with av.open(path) as video:
        times_s = [float(frame.time or 0) for frame in video.decode(video=0)]
    assert times_s == pytest.approx([n * 1001 / 30000 for n in range(10)], abs=1e-4)


def test_odd_sizes_are_padded_by_one(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    write_h264(path, moving_bar(5, size=(65, 49)), fps=25)
    with av.open(path) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height) == (66, 50)


@pytest.mark.parametrize("size", [(64, 48), (214, 120), (162, 112)])
def test_the_same_frames_give_the_same_bytes(tmp_path: Path, size: tuple[int, int]) -> None:
    frames = moving_bar(16, size=size)
    rng = np.random.default_rng(5)
    contents = set()
    for number in range(12):
        stirred = [np.full(int(length), 20 * number, np.uint8) for length in rng.integers(1, 200_000, 12)]
        del stirred[::2]  # leaves memory that is not zero to whoever asks for some
        path = tmp_path / f"{number}.mp4"
        write_h264(path, frames, fps=25)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_no_frames_leave_an_existing_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "bar.mp4"
    path.write_bytes(b"old")
    with pytest.raises(VideoError, match=r"bar\.mp4: expected at least one frame"):
        write_h264(path, [], fps=25)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((48, 64), np.uint8), "expected H x W x 3 uint8"),
        (np.zeros((48, 64, 3), np.float32), "expected H x W x 3 uint8"),
        (np.zeros((48, 66, 3), np.uint8), "expected the size of the first frame"),
    ],
)
def test_a_bad_frame_is_named_and_nothing_is_left(
    tmp_path: Path, bad: NDArray[np.uint8], message: str
) -> None:
    path = tmp_path / "bar.mp4"
    with pytest.raises(VideoError, match=f"frame 3: {message}"):
        write_h264(path, [*moving_bar(3, size=(64, 48)), bad], fps=25)
    assert list(tmp_path.iterdir()) == []


def test_writing_av1_leaves_the_process_scheduled_as_it_was(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)
    write_tiny_video(tmp_path / "av1.mp4", codec="libsvtav1", options={"preset": "12"})
    assert os.sched_getscheduler(0) == before
