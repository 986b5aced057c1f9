from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sopilot_assets.embedding.pooling import StillnessMeter, grey_image
from sopilot_assets.embedding.stillness import block_change, frozen_clips, frozen_segments, jumps_after
from sopilot_assets.segments import Segment
from sopilot_assets.video.frames import open_frames
from sopilot_assets_tests.embedding.made import made_embedding
from sopilot_assets_tests.video.tiny import write_tiny_video

Image = NDArray[np.uint8]
MOVING, STILL, PULSE = 30.0, 0.0, 4.0


def measured(path: Path) -> list[float]:
    meter = StillnessMeter()
    for chunk in open_frames(path, rate_hz=8, short_side=120):
        for time_s, image, held in zip(chunk.times_s, chunk.images, chunk.held, strict=True):
            meter.add(float(time_s), grey_image(image), held=bool(held))
    return [float(level) for level in meter.stillness()]


def noisy(level: float, *, still: range) -> Callable[[int, Image], Image]:
    """Sensor noise on every frame; the frames in ``still`` repeat the first of them, noise included."""

    def picture(number: int, image: Image) -> Image:
        held = still.start if number in still else number
        noise = np.random.default_rng(held).normal(0, level, image.shape)
        block = np.zeros(image.shape)
        block[60:90, 4 * (held % 30) : 4 * (held % 30) + 30] = 80
        return np.clip(120 + block + noise, 0, 255).astype(np.uint8)

    return picture


@pytest.mark.parametrize("key_frames", ["12", "250"])
def test_a_frozen_feed_is_found_in_encoded_video(
    tmp_path: Path, tiny_video: Callable[..., Path], key_frames: str
) -> None:
    path = tiny_video(
        tmp_path / "a.mp4",
        seconds=8.0,
        fps=25,
        options={"crf": "28", "g": key_frames},
        picture=noisy(2.0, still=range(75, 150)),
    )
    (span,) = frozen_segments(made_embedding(seconds=8.0, stillness=measured(path)))
    assert span.iou(Segment(3.0, 6.0)) > 0.7


def test_a_motionless_scene_with_sensor_noise_is_not_frozen(
    tmp_path: Path, tiny_video: Callable[..., Path]
) -> None:
    def picture(number: int, image: Image) -> Image:
        return np.clip(120 + np.random.default_rng(number).normal(0, 2, image.shape), 0, 255).astype(np.uint8)

    path = tiny_video(tmp_path / "a.mp4", seconds=5.0, fps=25, options={"crf": "20"}, picture=picture)
    assert frozen_segments(made_embedding(seconds=5.0, stillness=measured(path))) == []


def test_a_short_wait_is_not_a_freeze() -> None:
    still = [MOVING] * 16 + [STILL] * 12 + [MOVING] * 19
    assert frozen_segments(made_embedding(stillness=still)) == []
    assert frozen_segments(made_embedding(stillness=still), min_duration_s=1.0) == [Segment(2.0, 3.5)]


def test_a_key_frame_does_not_split_a_frozen_span() -> None:
    still = [MOVING] * 8 + [STILL] * 15 + [PULSE] + [STILL] * 15 + [MOVING] * 8
    assert frozen_segments(made_embedding(stillness=still)) == [Segment(1.0, 4.875)]


def test_a_slow_recording_whose_frames_are_sampled_twice_is_not_frozen() -> None:
    assert frozen_segments(made_embedding(stillness=[STILL, PULSE] * 23 + [STILL])) == []


def test_pictures_that_cannot_be_read_hide_what_happened_meanwhile() -> None:
    made = made_embedding(stillness=[MOVING] * 16 + [float("nan")] * 16 + [MOVING] * 15)
    (span,) = frozen_segments(made)
    assert (span.start_s, span.end_s) == (2.0, 4.0)
    assert jumps_after(made, span)
    single = made_embedding(stillness=[MOVING] * 16 + [float("nan")] * 2 + [MOVING] * 29)
    assert frozen_segments(single) == []


def test_a_held_picture_gives_no_stillness_for_both_its_pairs() -> None:
    meter = StillnessMeter()
    for number, held in enumerate([False, True, False, False]):
        meter.add(number / 8, np.full((16, 16), number, dtype=np.uint8), held=held)
    assert np.isnan(meter.stillness()).tolist() == [True, True, False]


def test_a_clip_is_frozen_when_half_of_it_is() -> None:
    still = [MOVING] * 16 + [STILL] * 24 + [MOVING] * 7  # frozen from 2.0 to 5.0 s
    made = made_embedding(stillness=still)
    assert made.clip_start_s[frozen_clips(made)].tolist() == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]


def test_one_changed_block_is_seen() -> None:
    before = np.zeros((64, 64), dtype=np.uint8)
    after = before.copy()
    after[8:16, 16:24] = 10
    assert block_change(before, after) == 10.0
    assert block_change(after, before) == 10.0


JUMP = 60.0


@pytest.mark.parametrize(
    ("after", "jumped"),
    [
        pytest.param([JUMP] + [MOVING] * 15, True, id="the work went on unseen"),
        pytest.param([PULSE, JUMP] + [MOVING] * 14, True, id="the encoder draws it anew before"),
        pytest.param([MOVING] * 16, False, id="it goes on where it was"),
        pytest.param([], None, id="it does not go on"),
    ],
)
def test_a_camera_that_hung_shows_the_work_further_on_afterwards(
    after: list[float], jumped: bool | None
) -> None:
    lively = [20.0, 30.0, 40.0] * 8
    made = made_embedding(seconds=12.0, stillness=lively + [STILL] * 32 + after)
    (span,) = frozen_segments(made)
    assert (span.start_s, span.end_s) == pytest.approx((3.0, 7.0), abs=0.13)
    assert jumps_after(made, span) is jumped


def test_a_camera_that_hung_for_a_moment_is_known_by_the_jump() -> None:
    lively = [20.0, 30.0, 40.0] * 8
    for after, found in (([JUMP], [Segment(3.0, 4.5)]), ([MOVING], [])):
        still = lively + [STILL] * 12 + after + [MOVING] * 20
        assert frozen_segments(made_embedding(seconds=8.0, stillness=still)) == found


def test_a_moment_of_stillness_is_no_camera_that_hung_whatever_comes_afterwards() -> None:
    still = [20.0, 30.0, 40.0] * 8 + [STILL] * 8 + [JUMP] + [MOVING] * 20
    assert frozen_segments(made_embedding(seconds=8.0, stillness=still)) == []


def test_a_scene_at_rest_before_the_work_is_no_camera_that_hung() -> None:
    made = made_embedding(seconds=8.0, stillness=[STILL] * 24 + [JUMP] + [MOVING] * 38)
    (span,) = frozen_segments(made)
    assert jumps_after(made, span) is False


def test_what_an_encoder_refines_after_the_picture_stopped_belongs_to_the_span() -> None:
    settling = [2.5, 3.0, 0.0, 0.0, 0.0, 2.1, 2.3]
    made = made_embedding(stillness=[MOVING] * 8 + settling + [STILL] * 20 + [MOVING] * 12)
    assert frozen_segments(made) == [Segment(1.0, 4.375)]


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"preset": "veryfast", "crf": "36"}),
        ("libx265", {"preset": "fast", "crf": "30", "x265-params": "keyint=250:log-level=none"}),
    ],
)
def test_a_rest_under_strong_compression_is_told_from_a_camera_that_hung(
    codec: str, options: dict[str, str], tmp_path: Path
) -> None:
    def worked(number: int, image: Image, *, unseen: int) -> Image:
        hand = number if number < 75 else 75 if number < 135 else number - 60 + unseen
        noise = np.random.default_rng(number).normal(0, 1, (*image.shape[:2], 1))
        block = np.zeros(image.shape)
        left = 64 + int(56 * np.sin(hand / 25))
        block[40:90, left : left + 24] = 90
        return np.clip(100 + block + noise, 0, 255).astype(np.uint8)

    for unseen, jumped in ((0, False), (45, True)):
        path = write_tiny_video(
            tmp_path / f"{unseen}.mp4",
            seconds=9.0,
            fps=25,
            codec=codec,
            options=options,
            picture=partial(worked, unseen=unseen),
        )
        made = made_embedding(seconds=9.0, stillness=measured(path))
        (span,) = frozen_segments(made)
        assert span.iou(Segment(3.0, 5.4)) > 0.9
        assert jumps_after(made, span) is jumped
