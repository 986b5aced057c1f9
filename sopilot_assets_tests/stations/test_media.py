"""Pictures and videos for browsers: made once, in a child process, and not tried for ever."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.processes.held_file import take
from sopilot_assets.stations.media import (
    make_stills,
    make_video,
    on_grid,
    still_of,
    thumbnail_ms,
    video_of,
)
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path


@pytest.fixture
def home(embedded_original: Home, tmp_path: Path) -> Home:
    return Home.at(shutil.copytree(str(embedded_original.root), tmp_path / "own"))


def recordings(home: Home) -> list[Recording]:
    return list(Registry.read(home).recordings.values())


def test_pictures_are_made_once_for_several_recordings_at_a_time(home: Home) -> None:
    wanted = [(one, thumbnail_ms(one.duration_s)) for one in recordings(home)[:2]]
    assert all(still_of(home, one.key, at).waits for one, at in wanted)
    assert make_stills(home, wanted)
    made = [still_of(home, one.key, at).path for one, at in wanted]
    assert all(path is not None and path.read_bytes().startswith(b"\xff\xd8") for path in made)
    before = [Path(str(path)).stat().st_mtime_ns for path in made]
    assert make_stills(home, wanted)
    assert [Path(str(path)).stat().st_mtime_ns for path in made] == before


def test_what_cannot_be_made_says_why_and_is_not_tried_again(home: Home) -> None:
    one = recordings(home)[0]
    (local_path(home.videos) / one.stored_name).write_bytes(b"no video" * 1000)
    make_stills(home, [(one, 500)])
    make_video(home, one)
    for made in (still_of(home, one.key, 500), video_of(home, one)):
        assert made.path is None
        assert made.why
        assert not made.waits
        assert str(home.root) not in str(made.why)


def test_a_recording_that_browsers_play_is_played_itself_and_another_by_its_proxy(home: Home) -> None:
    one, other = recordings(home)[:2]
    (local_path(home.videos) / other.stored_name).write_bytes(_mjpeg())
    assert video_of(home, one).waits
    assert make_video(home, one)
    assert make_video(home, other)
    assert video_of(home, one).path == local_path(home.videos) / one.stored_name
    proxy = video_of(home, other).path
    assert proxy is not None
    assert proxy.parent == local_path(home.proxies)
    proxy.unlink()  # as retention does
    assert video_of(home, other).waits


def _mjpeg() -> bytes:
    """A video that no browser plays."""
    content = io.BytesIO()
    with av.open(content, "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), number * 5, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return content.getvalue()


def test_only_one_makes_pictures_at_a_time(home: Home) -> None:
    held = take(local_path(home.proxies) / ".stills.lock")
    assert held is not None
    try:
        one = recordings(home)[0]
        assert not make_stills(home, [(one, 0)])
        assert still_of(home, one.key, 0).waits
    finally:
        os.close(held)


@pytest.mark.parametrize(("time_s", "kept_ms"), [(0.0, 0), (-3.0, 0), (3.26, 3300), (0.04, 0)])
def test_pictures_are_kept_at_whole_tenths_of_a_second(time_s: float, kept_ms: int) -> None:
    assert on_grid(time_s) == kept_ms
