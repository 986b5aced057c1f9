"""Bad examples from existing recordings."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from sopilot_assets.capture.damaged_copies import MARK, Damage, make_damaged_copies, recordings_among
from sopilot_assets.segments import Segment
from sopilot_assets.video.write import write_h264

SECONDS = 4
FPS = 10


def recording(path: Path, *, seconds: float = SECONDS, person: str | None = "p1") -> Path:
    """A video whose brightness says its time: 40 grey levels a second, on a patterned ground."""
    pattern = np.random.default_rng(3).integers(0, 12, (48, 64, 1), dtype=np.uint8)
    frames = [
        np.repeat(pattern + np.uint8(40 + 40 * number // FPS), 3, axis=2)
        for number in range(round(seconds * FPS))
    ]
    write_h264(path, frames, fps=FPS, crf=10)
    if person is not None:
        sidecar = {"person": person, "session": "s1", "recorded_at": "2025-05-05T10:00:00+09:00", "cell": 4}
        path.with_name(path.name + ".json").write_text(json.dumps(sidecar))
    return path


def source_times(path: Path) -> NDArray[np.float64]:
    """The source time (s) that each frame of a variant shows, read off its brightness."""
    with av.open(path) as video:
        greys = [frame.to_ndarray(format="gray").mean() for frame in video.decode(video=0)]
    return (np.array(greys) * 219 / 255 + 16 - _grey_at_start()) / 40 * 255 / 219


def _grey_at_start() -> float:
    return 16 + (40 + 5.5) * 219 / 255


def near(times_s: NDArray[np.float64], expected_s: NDArray[np.float64]) -> bool:
    return times_s.shape == expected_s.shape and bool(np.abs(times_s - expected_s).max() < 0.22)


def stretch(start_s: float, end_s: float, *, speed: float = 1.0) -> NDArray[np.float64]:
    return start_s + np.arange(round((end_s - start_s) * FPS / speed)) / FPS * speed


EXPECTED = {
    Damage.FREEZE: np.concatenate([stretch(0, 1.6), np.full(12, 1.6), stretch(2.8, 4)]),
    Damage.CUT_TAIL: stretch(0, 2.8),
    Damage.SKIP_START: stretch(1.2, 4),
    Damage.SWAP: np.concatenate(
        [stretch(0, 1), stretch(2.2, 3), stretch(1.8, 2.2), stretch(1, 1.8), stretch(3, 4)]
    ),
    Damage.SLOW: np.concatenate([stretch(0, 1.4), stretch(1.4, 2.4, speed=0.5), stretch(2.4, 4)]),
}


@pytest.mark.parametrize("kind", list(Damage))
def test_each_kind_shows_the_source_in_its_own_order(tmp_path: Path, kind: Damage) -> None:
    source = recording(tmp_path / "take.mp4")
    (variant,) = make_damaged_copies([source], kinds=[kind]).made
    assert variant.path == tmp_path / f"take_bad_{kind}.mp4"
    assert near(source_times(variant.path), EXPECTED[kind])
    assert all(0 <= part.start_s < part.end_s <= SECONDS for part in variant.changed)


def test_the_sidecar_keeps_the_person_and_names_the_source(tmp_path: Path) -> None:
    source = recording(tmp_path / "take.mp4")
    (variant,) = make_damaged_copies([source], kinds=[Damage.FREEZE], out_dir=tmp_path / "bad").made
    assert variant.changed == (Segment(1.6, 2.8),)
    sidecar = json.loads((tmp_path / "bad" / "take_bad_freeze.mp4.json").read_text())
    assert sidecar == {
        "person": "p1",
        "session": "s1",
        "recorded_at": "2025-05-05T10:00:00+09:00",
        "cell": 4,
        "source_video": hashlib.sha256(source.read_bytes()).hexdigest(),
        "source_file": "take.mp4",
        "change": {"kind": "freeze", "source_intervals_s": [[1.6, 2.8]]},
    }


def test_a_second_run_writes_the_same_files_again(tmp_path: Path) -> None:
    recording(tmp_path / "take.mp4")
    first = make_damaged_copies([tmp_path])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    second = make_damaged_copies([tmp_path])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert second.made == first.made
    assert len(before) == 2 + 2 * len(Damage)
    assert len(second.skipped) == len(Damage)


def test_variants_are_not_made_of_variants_even_under_another_name(tmp_path: Path) -> None:
    renamed = recording(tmp_path / "copy.mp4", person=None)
    renamed.with_name("copy.mp4.json").write_text(json.dumps({"source_video": "ab" * 32}))
    marked = recording(tmp_path / f"take{MARK}swap.mp4", person=None)
    result = make_damaged_copies([renamed, marked])
    assert (result.made, result.bad, result.skipped) == ((), (), (renamed, marked))


def test_bad_sources_are_named_and_the_others_go_on(tmp_path: Path) -> None:
    good = recording(tmp_path / "good.mp4")
    short = recording(tmp_path / "short.mp4", seconds=0.5)
    (tmp_path / "text.mp4").write_text("not a video")
    odd = recording(tmp_path / "odd.mp4", person=None)
    odd.with_name("odd.mp4.json").write_text("[1, 2")
    sources = [tmp_path / "text.mp4", short, odd, tmp_path / "gone.mp4", good]
    result = make_damaged_copies(sources, kinds=[Damage.SLOW])
    assert [variant.source for variant in result.made] == [good]
    assert [entry.source for entry in result.bad] == sources[:-1]
    assert all(entry.source.name in entry.problem for entry in result.bad)
    assert "at least 1 s" in result.bad[1].problem
    assert not list(tmp_path.glob("short_bad*"))


def test_two_sources_never_write_the_same_file(tmp_path: Path) -> None:
    one, two = tmp_path / "a" / "take.mp4", tmp_path / "b" / "take.mp4"
    for path in (one, two):
        path.parent.mkdir()
        recording(path)
    result = make_damaged_copies([one, two], out_dir=tmp_path / "bad", kinds=[Damage.SWAP])
    assert [variant.source for variant in result.made] == [one]
    assert [entry.source for entry in result.bad] == [two]
    assert str(one) in result.bad[0].problem


def test_a_turned_recording_is_written_as_it_is_displayed(tmp_path: Path) -> None:
    upright = recording(tmp_path / "plain.mp4")
    turned = tmp_path / "turned.mp4"
    with av.open(upright) as source, av.open(turned, "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    content = bytearray(turned.read_bytes())
    matrix = content.find(
        (0x10000).to_bytes(4, "big") + bytes(12) + (0x10000).to_bytes(4, "big"), content.find(b"tkhd")
    )
    quarter = [0, 0x10000, 0, 0xFFFF0000, 0, 0]
    content[matrix : matrix + 24] = b"".join(value.to_bytes(4, "big") for value in quarter)
    turned.write_bytes(content)
    (variant,) = make_damaged_copies([turned], kinds=[Damage.CUT_TAIL]).made
    with av.open(variant.path) as video:
        stream_out = video.streams.video[0]
        assert (stream_out.width, stream_out.height) == (48, 64)


def test_other_codecs_and_rates_are_read(tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    with av.open(path, "w") as target:
        stream = target.add_stream("libvpx-vp9", rate=Fraction(30000, 1001), options={"cpu-used": "8"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(45):
            image = np.full((48, 64, 3), 40 + 4 * number, np.uint8)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        target.mux(stream.encode(None))
    (variant,) = make_damaged_copies([path], kinds=[Damage.CUT_TAIL]).made
    with av.open(variant.path) as video:
        rate = video.streams.video[0].average_rate
        assert rate is not None
        assert float(rate) == pytest.approx(29.97, abs=0.05)
        assert video.streams.video[0].frames == pytest.approx(0.7 * 45, abs=1)


def test_a_folder_is_searched_for_recordings_only(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    names = ["deep/b.MOV", "a.mp4", "a.mp4.json", "steps.csv", ".hidden.mp4"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert recordings_among([tmp_path, tmp_path / "a.mp4"]) == [
        tmp_path / "a.mp4",
        tmp_path / "deep" / "b.MOV",
    ]
