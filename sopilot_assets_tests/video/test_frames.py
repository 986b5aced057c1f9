"""Sampling by display time, with both readers."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sopilot_assets.errors import NotAVideo, NoVideoStream, TruncatedVideo
from sopilot_assets.video.frames import FrameStream, frames_at, open_frames
from sopilot_assets.video.probe import probe, read_index
from sopilot_assets_tests.video.tiny import (
    Image,
    bench_picture,
    frame_number,
    write_audio_only,
    write_tiny_video,
)

UNEVEN_S = np.cumsum(np.random.default_rng(3).choice([1 / 60, 1 / 30, 1 / 8, 0.6], 80)).tolist()
LATE_S = [1.5 + number / 30 for number in range(60)]


def _read(stream: FrameStream) -> tuple[np.ndarray, np.ndarray]:
    chunks = list(stream)
    return np.concatenate([chunk.times_s for chunk in chunks]), np.concatenate(
        [chunk.images for chunk in chunks]
    )


@pytest.mark.parametrize("name", ["h264.mp4", "uneven.mp4", "uneven.mkv", "late.mkv", "stream.ts", "late.ts"])
def test_each_sample_is_the_frame_on_display_at_its_time(name: str, tmp_path: Path) -> None:
    starts_s = {"uneven": UNEVEN_S, "late": LATE_S}.get(
        name.split(".", maxsplit=1)[0], [k / 30 for k in range(60)]
    )
    path = write_tiny_video(tmp_path / name, times_s=starts_s, options={"crf": "12"})
    times_s, images = _read(open_frames(path, rate_hz=5, short_side=120))
    due = np.searchsorted(np.array(starts_s) - starts_s[0], times_s + 2e-3, side="right") - 1
    assert [frame_number(image) for image in images] == due.tolist()


def test_the_last_frames_display_interval_is_sampled_too(
    tiny_video: Callable[..., Path], tmp_path: Path
) -> None:
    path = tiny_video(tmp_path / "a.mp4", fps=2, seconds=1.5, options={"bf": "0"})
    index = read_index(path)
    assert index.end_s == pytest.approx(1.5)
    times_s, images = _read(open_frames(path, rate_hz=4, short_side=120))
    assert times_s.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
    assert [frame_number(image) for image in images] == [0, 0, 1, 1, 2, 2]


def _corners(image: Image) -> str:
    height, width = image.shape[:2]
    spots = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return "".join("RGBk"[int(image[spot].argmax()) if image[spot].max() > 150 else 3] for spot in spots)


def _coloured(_: int, image: Image) -> Image:
    height, width = image.shape[:2]
    coloured = np.full_like(image, 30)
    coloured[: height // 2, : width // 2, 0] = coloured[: height // 2, width // 2 :, 2] = 220
    coloured[height // 2 :, : width // 2, 1] = 220
    return coloured


@pytest.mark.parametrize(
    ("rotation_deg", "mirrored", "corners", "clockwise_deg"),
    [(90, False, "BkRG", 270), (180, False, "kGBR", 180), (270, False, "GRkB", 90), (0, True, "BRkG", 0)],
)
def test_turned_and_mirrored_recordings_come_out_upright(
    rotation_deg: float, mirrored: bool, corners: str, clockwise_deg: int, tmp_path: Path
) -> None:
    path = write_tiny_video(
        tmp_path / "a.mp4", picture=_coloured, rotation_deg=rotation_deg, mirrored=mirrored, seconds=1
    )
    stream = open_frames(path, rate_hz=2, short_side=60)
    _, images = _read(stream)
    upright = rotation_deg in (0, 180)
    assert images.shape[1:] == ((60, 80, 3) if upright else (80, 60, 3))
    assert {_corners(image) for image in images} == {corners}
    assert stream.index.probe.rotation_deg == clockwise_deg
    assert (stream.index.probe.width > stream.index.probe.height) == upright


def test_damaged_packets_are_skipped_counted_and_never_hidden(tmp_path: Path) -> None:
    path = write_tiny_video(tmp_path / "a.mp4", seconds=8, options={"g": "30"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = b"\xff" * 3000
    path.write_bytes(data)
    stream = open_frames(path, rate_hz=10, short_side=120)
    times_s, images = _read(stream)
    assert stream.frames_damaged > 0
    assert np.array_equal(times_s, stream.times_s)
    assert [frame_number(image) for image in images[:20]] == list(range(0, 60, 3))
    assert [frame_number(image) for image in images[-15:]] == list(range(195, 240, 3))


def test_a_recording_cut_at_its_end_keeps_what_is_there_and_invents_nothing(tmp_path: Path) -> None:
    path = write_tiny_video(tmp_path / "a.mp4", seconds=8, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    stream = open_frames(path, rate_hz=10, short_side=60)
    times_s, images = _read(stream)
    found = stream.index.probe
    assert found.declared_duration_s == pytest.approx(8.0)
    assert 2 < found.duration_s < 7
    assert times_s[-1] < found.duration_s
    assert frame_number(images[-1]) <= found.frame_count


def test_far_between_samples_are_read_by_jumping(tmp_path: Path) -> None:
    for name, options in (("a.mp4", {"g": "30"}), ("a.ts", {"g": "30"})):
        path = write_tiny_video(tmp_path / name, seconds=30, fps=10, options=options)
        index = read_index(path)
        times_s = np.array([0.5, 0.9, 12.0, 12.4, 29.8])
        found, images = _read(frames_at(path, index, times_s, short_side=120))
        assert found.tolist() == times_s.tolist()
        assert [frame_number(image) for image in images] == [5, 9, 120, 124, 298]


def test_a_probe_tells_uneven_from_steady_and_names_the_codec(tmp_path: Path) -> None:
    steady = probe(write_tiny_video(tmp_path / "a.mkv"))
    uneven = probe(write_tiny_video(tmp_path / "b.mp4", times_s=UNEVEN_S))
    assert (steady.variable_rate, uneven.variable_rate) == (False, True)
    assert (steady.codec, steady.frame_count, steady.width, steady.height) == ("h264", 60, 160, 120)
    assert steady.mean_fps == pytest.approx(30, abs=0.1)
    assert uneven.duration_s == pytest.approx(UNEVEN_S[-1] - UNEVEN_S[0], abs=0.7)


def test_what_is_not_a_video_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello " * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "playlist.mp4").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{write_tiny_video(tmp_path / 'x.ts')}\n"
    )
    cut = write_tiny_video(tmp_path / "cut.mp4")
    cut.write_bytes(cut.read_bytes()[:3000])
    for name in ("text.mp4", "empty.mp4", "playlist.mp4"):
        with pytest.raises(NotAVideo, match=name):
            probe(tmp_path / name)
    with pytest.raises(NoVideoStream, match="audio"):
        probe(write_audio_only(tmp_path / "sound.mp4"))
    with pytest.raises(TruncatedVideo, match="cut"):
        probe(cut)


def test_a_long_video_is_read_in_bounded_memory(tmp_path: Path) -> None:
    still = bench_picture(0, size=(160, 120))
    path = write_tiny_video(
        tmp_path / "long.mp4",
        seconds=1900,
        fps=5,
        picture=lambda *_: still,
        options={"preset": "ultrafast"},
    )
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stream = open_frames(path, rate_hz=1, short_side=120)
    assert sum(len(chunk.times_s) for chunk in stream) == 1900
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert grown_kb < 200_000
