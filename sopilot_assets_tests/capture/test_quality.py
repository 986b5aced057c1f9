"""The five axes, on pictures whose quality is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sopilot_assets.capture.quality import (
    BURST,
    MOST_BURSTS,
    Quality,
    burst_times,
    measure_quality,
    shake_percent,
    shortfalls,
)
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.tasks.spec import QualityGate
from sopilot_assets.video.probe import VideoProbe
from sopilot_assets_tests.video.tiny import bench_picture

PROBE = VideoProbe(
    duration_s=20.0,
    declared_duration_s=20.0,
    frame_count=600,
    declared_frame_count=600,
    width=480,
    height=360,
    rotation_deg=0,
    codec="h264",
    mean_fps=30.0,
    variable_rate=False,
    container="mp4",
    damaged_packets=0,
)
GOOD = Quality(
    brightness=120,
    dark_share=0,
    bright_share=0,
    sharpness=100,
    shake_percent=0.1,
    width=640,
    height=480,
    duration_s=20,
)
GATE = QualityGate(enabled=True)
TIMES_S = burst_times(PROBE.duration_s)
SCENE = bench_picture(0, size=(480, 360))


def shifted(across: float, down: float, picture: np.ndarray = SCENE) -> np.ndarray:
    matrix = np.array([[1, 0, across], [0, 1, down]], np.float32)
    return cv2.warpAffine(picture, matrix, (480, 360), borderMode=cv2.BORDER_REPLICATE)


def grey(pictures: list[np.ndarray]) -> np.ndarray:
    return np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures])


@pytest.mark.parametrize("duration_s", [0.03, 0.5, 2.0, 7.3, 60.0, 36_000.0])
def test_bursts_lie_inside_the_recording_and_are_bounded(duration_s: float) -> None:
    times_s = burst_times(duration_s)
    assert (np.diff(times_s) >= 0).all()
    assert times_s[0] >= 0
    assert times_s[-1] < duration_s
    assert len(times_s) <= BURST * MOST_BURSTS


def test_brightness_is_the_mean_luma_with_the_clipped_shares() -> None:
    half = np.zeros((4, 360, 480, 3), np.uint8)
    half[:, :, 240:] = 255
    found = measure_quality(half, TIMES_S[:4], PROBE)
    assert (found.brightness, found.dark_share, found.bright_share) == (127.5, 0.5, 0.5)


def test_blur_lowers_sharpness() -> None:
    def sharpness(sigma: float) -> float:
        blurred = cv2.GaussianBlur(SCENE, (0, 0), sigma)
        return measure_quality(np.stack([blurred] * 4), TIMES_S[:4], PROBE).sharpness

    assert sharpness(1) > 2 * sharpness(2) > 4 * sharpness(6)


@pytest.mark.parametrize(("across", "down"), [(12, 0), (0, -10), (-9, 7)])
def test_a_moving_camera_is_measured_in_percent_of_the_width(across: int, down: int) -> None:
    pictures = grey([shifted(across * k, down * k) for k in range(BURST)])
    assert shake_percent(pictures, TIMES_S[:BURST]) == pytest.approx(np.hypot(across, down) / 4.8, abs=0.3)


def test_a_moving_person_and_a_blinking_lamp_are_no_shake() -> None:
    moving = [bench_picture(k * 77, size=(480, 360), share=k / 4) for k in range(BURST)]
    assert shake_percent(grey(moving), TIMES_S[:BURST]) == 0.0


def test_a_still_or_blank_picture_does_not_shake() -> None:
    blank = [np.full((360, 480, 3), 90, np.uint8)] * BURST
    assert shake_percent(grey([SCENE] * BURST), TIMES_S[:BURST]) == pytest.approx(0.0, abs=0.01)
    assert shake_percent(grey(blank), TIMES_S[:BURST]) == 0.0


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({}, []),
        ({"brightness": 10.0}, [Reason.TOO_DARK]),
        ({"brightness": 240.0}, [Reason.OVEREXPOSED]),
        ({"sharpness": 1.0}, [Reason.BLURRED]),
        ({"shake_percent": 9.0}, [Reason.UNSTABLE]),
        ({"width": 200, "height": 150}, [Reason.TOO_SMALL, Reason.TOO_SMALL]),
        ({"width": 480, "height": 640}, []),
        ({"duration_s": 1.0, "brightness": 5.0}, [Reason.TOO_SHORT, Reason.TOO_DARK]),
    ],
)
def test_each_axis_that_misses_its_limit_is_named(change: dict[str, float], reasons: list[Reason]) -> None:
    quality = Quality(**{**{name: getattr(GOOD, name) for name in GOOD.__dataclass_fields__}, **change})
    assert [one.reason for one in shortfalls(quality, GATE)] == reasons
    assert shortfalls(quality, QualityGate(enabled=False)) == ()
