"""Every picture handed on is the one displayed at its time: by frame numbers drawn into the picture."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from sopilot_assets.errors import JoinedVideo
from sopilot_assets.video.frames import frames_at
from sopilot_assets.video.probe import read_index
from sopilot_assets.video.reading import Reading
from sopilot_assets_tests.video.made import remuxed, two_tracks
from sopilot_assets_tests.video.tiny import frame_number, write_tiny_video

SECONDS = 18.0
FAR_BETWEEN_S = np.array([0.31, 0.52, 9.71, 9.92, 17.33, 17.93])

X264 = {"preset": "ultrafast", "crf": "10"}
X265 = {"preset": "ultrafast", "crf": "10"}
GROUPS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "h264 closed": ("libx264", {**X264, "g": "20", "bf": "2"}),
    "h264 without B-frames": ("libx264", {**X264, "g": "20", "bf": "0"}),
    "h264 open": ("libx264", {**X264, "x264-params": "open-gop=1:keyint=20:bframes=3:b-pyramid=normal"}),
    "h264 intra refresh": ("libx264", {**X264, "x264-params": "intra-refresh=1:keyint=20:bframes=0"}),
    "h264 one key frame": ("libx264", {**X264, "x264-params": "keyint=infinite:scenecut=0:bframes=1"}),
    "hevc open": ("libx265", {**X265, "x265-params": "keyint=20:bframes=3:open-gop=1:log-level=none"}),
    "hevc closed": ("libx265", {**X265, "x265-params": "keyint=20:bframes=0:open-gop=0:log-level=none"}),
    "hevc intra refresh": ("libx265", {**X265, "x265-params": "keyint=20:intra-refresh=1:log-level=none"}),
    "mpeg4 with B-frames": ("mpeg4", {"qscale": "2", "flags": "+qscale", "g": "20", "bf": "2"}),
    "mpeg2 open": ("mpeg2video", {"qscale": "2", "flags": "+qscale", "g": "12", "bf": "2"}),
}
KEPT_IN = ("mp4", "mkv", "ts", "avi")
RATES = (10, 25)


def _kinds() -> list[tuple[str, str, int]]:
    """Group structure, container, rate; AVI takes no HEVC, and MPEG-2 has no 10 frames a second."""
    return [
        (group, container, fps)
        for group, container, fps in product(GROUPS, KEPT_IN, RATES)
        if not (group.startswith("hevc") and container == "avi")
        and not (group.startswith("mpeg2") and fps == 10)
        and not (fps == 25 and container in ("ts", "mkv") and "open" not in group)  # the same again
    ]


@pytest.mark.parametrize(("group", "container", "fps"), _kinds())
def test_every_picture_is_the_one_displayed_at_its_time(
    group: str, container: str, fps: int, tmp_path: Path
) -> None:
    codec, options = GROUPS[group]
    path = write_tiny_video(
        tmp_path / f"a.{container}", seconds=SECONDS, fps=fps, codec=codec, options=options, size=(96, 64)
    )
    index = read_index(path)
    assert _decoded_in_order(path) == list(range(round(SECONDS * fps)))
    assert (len(index.starts_s), index.end_s) == (SECONDS * fps, pytest.approx(SECONDS, abs=0.11))
    for times_s in (index.sample_times(rate_hz=8), FAR_BETWEEN_S, FAR_BETWEEN_S[-1:]):
        stream = frames_at(path, index, times_s, short_side=64)
        shown = [(t, frame_number(i)) for c in stream for t, i in zip(c.times_s, c.images, strict=True)]
        assert shown == [(time_s, _due(time_s, fps)) for time_s in times_s]
        assert (stream.samples_held, stream.frames_damaged) == (0, 0)


def _due(time_s: float, fps: int) -> int:
    return int((time_s + 1.5e-3) * fps)


def _decoded_in_order(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [frame_number(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def _decoded(path: Path, times_s: NDArray[np.float64]) -> int:
    reading = Reading(path, read_index(path), (96, 64))
    assert len(list(reading.samples(times_s))) == len(times_s)
    return reading.decoded


def test_reading_jumps_over_what_nobody_asks_for_where_key_frames_are_such(tmp_path: Path) -> None:
    codec, options = GROUPS["h264 open"]
    path = write_tiny_video(
        tmp_path / "a.mkv", seconds=60, fps=10, codec=codec, options=options, size=(96, 64)
    )
    assert _decoded(path, np.array([0.1, 50.05])) < 60


def test_a_recording_with_one_key_frame_is_decoded_once_however_many_places_are_asked_for(
    tmp_path: Path,
) -> None:
    codec, options = GROUPS["h264 one key frame"]
    path = write_tiny_video(
        tmp_path / "a.mp4", seconds=60, fps=10, codec=codec, options=options, size=(96, 64)
    )
    assert _decoded(path, np.arange(5) * 12.0 + 1) <= 600


def test_after_a_few_key_frames_that_are_none_a_recording_is_read_forward(tmp_path: Path) -> None:
    codec, options = GROUPS["h264 intra refresh"]
    path = write_tiny_video(
        tmp_path / "a.mp4", seconds=90, fps=10, codec=codec, options=options, size=(96, 64)
    )
    assert _decoded(path, np.arange(9) * 10.0 + 1) < 1000


def test_reading_ends_after_as_many_frames_as_are_allowed(tmp_path: Path) -> None:
    path = write_tiny_video(tmp_path / "a.mp4", seconds=20, fps=10, options={"g": "300"})
    times_s = np.array([0.5, 1.0, 15.0])
    stream = frames_at(path, read_index(path), times_s, short_side=64, most_frames=60)
    assert sum(len(chunk.times_s) for chunk in stream) == stream.samples_asked == 2


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_sound_that_lasts_longer_than_the_pictures_takes_nothing_from_them(
    container: str, tmp_path: Path
) -> None:
    source = write_tiny_video(tmp_path / "a.mp4", seconds=4, options={"bf": "0"})
    found = read_index(remuxed(source, tmp_path / f"b.{container}", sound_s=12)).probe
    assert found.duration_s == pytest.approx(4, abs=0.2)
    assert found.declared_duration_s is None or found.declared_duration_s == pytest.approx(4, abs=0.2)


@pytest.mark.parametrize("container", ["mkv", "webm", "ts"])
def test_a_recording_whose_time_begins_late_begins_at_0(container: str, tmp_path: Path) -> None:
    codec = "libvpx" if container == "webm" else "libx264"
    options = {} if container == "webm" else {"bf": "0"}
    kind = "webm" if container == "webm" else "mp4"
    source = write_tiny_video(tmp_path / f"a.{kind}", seconds=4, codec=codec, options=options)
    index = read_index(remuxed(source, tmp_path / f"b.{container}", first_s=60))
    assert (index.starts_s[0], index.end_s) == (0.0, pytest.approx(4, abs=0.1))
    assert index.probe.declared_duration_s is None or index.probe.declared_duration_s < 5.1


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_times_are_those_of_a_players_clock_where_pictures_begin_after_the_sound(
    container: str, tmp_path: Path
) -> None:
    source = write_tiny_video(tmp_path / "a.mp4", seconds=4, options={"bf": "0", "crf": "10"})
    path = remuxed(source, tmp_path / f"b.{container}", first_s=2, sound_s=6)
    index = read_index(path)
    assert index.begin_s == pytest.approx(2, abs=0.15)
    assert index.end_s == pytest.approx(6, abs=0.2)
    times_s = index.sample_times(rate_hz=4)
    assert times_s[0] == index.begin_s
    copied_s = index.clock_times(rate_hz=4)
    assert len(copied_s) == pytest.approx(4 * index.end_s, abs=1)
    assert copied_s[:8].tolist() == [index.begin_s] * 8
    (chunk,) = frames_at(path, index, times_s, short_side=120)
    assert [frame_number(image) for image in chunk.images] == [
        _due(time_s - index.begin_s, 30) for time_s in times_s
    ]


def test_recordings_that_were_joined_as_files_are_refused_with_where_time_runs_back(tmp_path: Path) -> None:
    parts = [
        write_tiny_video(tmp_path / f"{name}.ts", seconds=seconds, options={"bf": "2"})
        for name, seconds in (("a", 4.0), ("b", 3.0))
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(JoinedVideo, match=r"joined\.ts.*time runs back at 4\.0 s"):
        read_index(joined)


def test_two_mp4_files_in_one_are_refused_too(tmp_path: Path) -> None:
    part = write_tiny_video(tmp_path / "a.mp4", seconds=3).read_bytes()
    joined = tmp_path / "joined.mp4"
    joined.write_bytes(part * 2)
    with pytest.raises(JoinedVideo, match=r"time runs back at 3\.0 s"):
        read_index(joined)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.flv", "flv"), ("a.flv", "libx264"), ("a.wmv", "wmv2"), ("a.asf", "mpeg4"), ("a.ivf", "libvpx")],
)
def test_recordings_whose_reader_stops_at_a_second_head_are_refused_too(
    name: str, codec: str, tmp_path: Path
) -> None:
    options = {"deadline": "realtime", "cpu-used": "8"} if codec == "libvpx" else None
    parts = [
        write_tiny_video(tmp_path / f"{part}_{name}", seconds=seconds, codec=codec, options=options)
        for part, seconds in (("first", 3.0), ("second", 2.0))
    ]
    for part, seconds in zip(parts, (3.0, 2.0), strict=True):
        assert read_index(part).probe.duration_s == pytest.approx(seconds, abs=0.05)
    joined = tmp_path / f"joined_{name}"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(JoinedVideo, match=r"joined_a\..*time runs back at (2\.9|3\.0) s"):
        read_index(joined)


@pytest.mark.parametrize("default", [0, 1])
def test_a_track_of_stills_before_the_recording_is_not_taken_for_it(default: int, tmp_path: Path) -> None:
    stills = write_tiny_video(
        tmp_path / "stills.mp4", times_s=[0.0, 3.0, 6.0], size=(320, 240), options={"bf": "0"}
    )
    moving = write_tiny_video(tmp_path / "moving.mp4", seconds=8, size=(160, 120), options={"bf": "0"})
    index = read_index(two_tracks(tmp_path / "both.mkv", stills, moving, default=default))
    assert (index.probe.frame_count, index.probe.width) == (240, 160)


def test_of_two_tracks_the_default_one_is_read_and_of_equals_the_larger(tmp_path: Path) -> None:
    small = write_tiny_video(tmp_path / "small.mp4", size=(96, 64), options={"bf": "0"})
    large = write_tiny_video(tmp_path / "large.mp4", size=(160, 120), options={"bf": "0"})
    assert read_index(two_tracks(tmp_path / "a.mkv", large, small, default=1)).probe.width == 96
    assert read_index(two_tracks(tmp_path / "b.mkv", small, large, default=1)).probe.width == 160
