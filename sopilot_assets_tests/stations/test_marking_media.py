"""What the marking page shows of a recording: the real times of its pictures, and small pictures of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sopilot_assets.privacy.covering import UNCOVERED
from sopilot_assets.stations.marking_media import COLUMNS, LEAST_PICTURES, Film, read_film, write_strip


def test_times_are_those_of_the_recording_also_where_they_vary(
    tiny_video: Callable[..., Path], tmp_path: Path
) -> None:
    times_s = [0.0, 0.04, 0.085, 0.3, 0.9]
    film = read_film(tiny_video(tmp_path / "phone.mp4", times_s=times_s), UNCOVERED)
    assert film.frames_ms == (0, 40, 85, 300, 900)
    assert film.itself


@pytest.mark.parametrize("change", [{"codec": "mpeg4"}, {"rotation_deg": 90.0}])
def test_what_browsers_do_not_play_upright_has_the_times_of_its_proxy(
    tiny_video: Callable[..., Path], tmp_path: Path, change: dict[str, object]
) -> None:
    film = read_film(tiny_video(tmp_path / "old.mp4", seconds=1.0, fps=30, **change), UNCOVERED)
    assert not film.itself
    assert film.frames_ms[:3] == (0, 80, 160)
    assert len(film.frames_ms) == 13


def test_a_strip_has_the_pictures_of_the_recording_in_order(
    tiny_video: Callable[..., Path], tmp_path: Path
) -> None:
    def brighter(number: int, image: np.ndarray) -> np.ndarray:
        return np.full_like(image, min(number * 4, 255))

    video = tiny_video(tmp_path / "fade.mp4", seconds=6.0, fps=10, picture=brighter)
    film, target = read_film(video, UNCOVERED), tmp_path / "strip.jpg"
    write_strip(video, film, UNCOVERED, target)
    assert film.pictures == LEAST_PICTURES
    with Image.open(target) as strip:
        assert strip.size == (COLUMNS * film.width, 2 * film.height)
        grey = np.asarray(strip.convert("L"), dtype=float)
    levels = [_level(grey, film, place) for place in range(film.pictures)]
    assert levels == sorted(levels)
    assert levels[-1] - levels[0] > 150


def _level(grey: np.ndarray, film: Film, place: int) -> float:
    top, left = place // film.columns * film.height, place % film.columns * film.width
    return float(grey[top : top + film.height, left : left + film.width].mean())
