from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from upath import UPath

from sopilot_assets.embedding.backends import load_embedder
from sopilot_assets.embedding.clips import embedding_bytes
from sopilot_assets.embedding.color_motion import ColorMotion, clip_numbers, sampling_rate_hz
from sopilot_assets.video.probe import probe


def test_the_twelve_numbers_of_two_plain_frames() -> None:
    frames = np.stack([np.full((4, 6, 3), level, dtype=np.uint8) for level in (100, 140)])
    expected = np.array([120, 120, 120, 20, 20, 20, 40, 0, 40, 40, 120, 20], dtype=float)
    np.testing.assert_allclose(clip_numbers(frames), expected / np.linalg.norm(expected), atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_counting_levels_gives_the_bytes_of_the_plain_formulas(seed: int) -> None:
    chance = np.random.default_rng(seed)
    shape = (int(chance.integers(2, 12)), *(int(side) for side in chance.integers(8, 60, 2)), 3)
    frames = np.clip(chance.integers(0, 256, (1, *shape[1:])) + chance.integers(-9, 9, shape), 0, 255)
    frames = frames.astype(np.uint8)
    greys = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]).astype(np.float32)
    changes = np.abs(np.diff(greys, axis=0))
    levels = greys.mean(axis=(1, 2), dtype=np.float64)
    plain = np.array(
        [
            *frames.mean(axis=(0, 1, 2), dtype=np.float64),
            *frames.std(axis=(0, 1, 2), dtype=np.float64),
            *(changes.mean(dtype=np.float64), changes.std(dtype=np.float64), np.quantile(changes, 0.9)),
            np.polyfit(np.arange(len(levels)), levels, 1)[0],
            *(greys.mean(dtype=np.float64), greys.std(dtype=np.float64)),
        ]
    )
    expected = (plain / np.linalg.norm(plain)).astype(np.float32)
    assert clip_numbers(frames).tobytes() == expected.tobytes()


def test_one_frame_has_no_motion() -> None:
    numbers = clip_numbers(np.full((1, 4, 6, 3), 100, dtype=np.uint8))
    assert numbers[6:10].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(("fps", "rate_hz"), [(25, 25 / 6), (30, 3.75), (2, 2.0)])
def test_frames_are_taken_as_rarely_as_the_old_system_took_them(
    tmp_path: Path, tiny_video: Callable[..., Path], fps: int, rate_hz: float
) -> None:
    path = tiny_video(tmp_path / "a.mp4", fps=fps)
    assert sampling_rate_hz(probe(path)) == pytest.approx(rate_hz, rel=1e-3)


def test_a_video_becomes_four_second_clips_that_do_not_overlap(
    tmp_path: Path, tiny_video: Callable[..., Path]
) -> None:
    path = tiny_video(tmp_path / "a.mp4", seconds=9.0)
    embedder = load_embedder("color_motion", models=UPath(tmp_path))
    made = embedder.embed(path)
    assert made.clip_start_s.tolist() == [0.0, 4.0, 8.0]
    assert made.blocks["color_motion"].shape == (3, 12)
    assert embedding_bytes(made) == embedding_bytes(ColorMotion().embed(path))
