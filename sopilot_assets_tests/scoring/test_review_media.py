"""Recordings inside a review page, as they are where browsers play them, else as small copies."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sopilot_assets.errors import StoreError
from sopilot_assets.privacy.covering import UNCOVERED
from sopilot_assets.scoring.review import (
    playable,
    plays_as_it_is,
    proxy,
)
from sopilot_assets.video.frames import open_frames
from sopilot_assets.video.probe import probe
from sopilot_assets_tests.scoring.review_pages import (
    GOLD,
)
from sopilot_assets_tests.video.made import remuxed
from sopilot_assets_tests.video.tiny import frame_number, write_tiny_video


def test_a_small_copy_keeps_the_time_of_a_recording_with_an_uneven_rate(tmp_path: Path) -> None:
    source = tmp_path / "uneven.mp4"
    starts_ms = [0, 100, 200, 300, 1300, 1400, 2600, 2700]
    _write_uneven(source, starts_ms)
    copy = proxy(source, tmp_path, "uneven", UNCOVERED)
    for chunk in open_frames(copy, rate_hz=12.5, short_side=16):
        for time_s, image in zip(chunk.times_s, chunk.images, strict=True):
            due = sum(start <= time_s * 1000 + 1e-6 for start in starts_ms) - 1
            assert image.mean() == pytest.approx(30 + 25 * due, abs=6), time_s


def test_a_small_copy_keeps_a_players_clock_where_pictures_begin_after_the_sound(tmp_path: Path) -> None:
    source = write_tiny_video(tmp_path / "a.mp4", seconds=4, options={"bf": "0", "crf": "10"})
    late = remuxed(source, tmp_path / "late.mkv", first_s=2, sound_s=6)
    copy = proxy(late, tmp_path, "late", UNCOVERED)
    assert probe(copy).duration_s == pytest.approx(6, abs=0.2)
    begin_s = probe(late).begin_s
    for chunk in open_frames(copy, rate_hz=2, short_side=120):
        for time_s, image in zip(chunk.times_s, chunk.images, strict=True):
            due = max(int((time_s - begin_s) * 30 + 0.05), 0)
            assert frame_number(image) == pytest.approx(due, abs=2), time_s


def test_a_small_copy_keeps_the_time_where_the_beginning_cannot_be_decoded(tmp_path: Path) -> None:
    whole = write_tiny_video(tmp_path / "a.ts", seconds=6, options={"g": "60", "bf": "0"})
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole.read_bytes()[whole.stat().st_size // 188 // 6 * 188 :])
    first = next(iter(open_frames(cut, rate_hz=25, short_side=120)))
    first_s, number = float(first.times_s[0]), frame_number(first.images[0])
    assert first_s > 0.5
    for chunk in open_frames(proxy(cut, tmp_path, "cut", UNCOVERED), rate_hz=2, short_side=120):
        for time_s, image in zip(chunk.times_s, chunk.images, strict=True):
            due = number + max(time_s - first_s, 0) * 30
            assert frame_number(image) == pytest.approx(due, abs=4), time_s


def _write_uneven(path: Path, starts_ms: list[int]) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=1000, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, start in enumerate(starts_ms):
            frame = av.VideoFrame.from_ndarray(
                np.full((48, 64, 3), 30 + 25 * number, np.uint8), format="rgb24"
            )
            frame.pts, frame.time_base = start, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def test_a_small_recording_that_browsers_play_is_embedded_as_it_is(
    videos: Mapping[str, Path], tmp_path: Path
) -> None:
    assert playable(videos[GOLD], tmp_path / "proxies", GOLD, UNCOVERED) == videos[GOLD]
    assert not (tmp_path / "proxies").exists()


def test_a_recording_that_browsers_may_not_play_is_copied(videos: Mapping[str, Path], tmp_path: Path) -> None:
    packed = tmp_path / "packed.mkv"
    with av.open(str(videos[GOLD])) as source, av.open(str(packed), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert not plays_as_it_is(packed)
    assert playable(packed, tmp_path / "proxies", GOLD, UNCOVERED).parent == tmp_path / "proxies"


def test_a_small_copy_has_the_proportions_of_a_player(tmp_path: Path) -> None:
    options = {"x264-params": "sar=4/3"}
    stretched = write_tiny_video(tmp_path / "a.mp4", size=(192, 144), options=options)
    turned = write_tiny_video(tmp_path / "b.mp4", size=(192, 144), rotation_deg=90, options=options)
    for path, size in ((stretched, (256, 144)), (turned, (144, 256))):
        found = probe(proxy(path, tmp_path, path.stem, UNCOVERED))
        assert (found.width, found.height) == size


def test_a_small_copy_is_made_once(videos: Mapping[str, Path], tmp_path: Path) -> None:
    copy = proxy(videos[GOLD], tmp_path, GOLD, UNCOVERED)
    before = copy.stat().st_mtime_ns
    assert proxy(videos[GOLD], tmp_path, GOLD, UNCOVERED) == copy
    assert copy.stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]


def test_a_small_copy_never_enlarges(videos: Mapping[str, Path], tmp_path: Path) -> None:
    copy = probe(proxy(videos[GOLD], tmp_path, GOLD, UNCOVERED))
    assert (copy.width, copy.height) == (96, 64)


@pytest.mark.parametrize("name", ["../gold", "", "a/b", "a b", "gold.mp4"])
def test_a_name_that_is_no_file_name_is_refused(
    name: str, videos: Mapping[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="expected letters"):
        proxy(videos[GOLD], tmp_path / "proxies", name, UNCOVERED)
    assert not list(tmp_path.iterdir())
