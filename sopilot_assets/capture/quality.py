"""How well a recording was filmed, on five axes: brightness, sharpness, stability, resolution, duration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sopilot_assets.capture.reasons import Reason
from sopilot_assets.tasks.spec import QualityGate
from sopilot_assets.video.probe import FloatArray, VideoProbe

SHARPNESS_WIDTH: Final = 480
"""Sharpness is measured at this picture width, so that resolution does not count as sharpness."""

BURST: Final = 4
BURST_STEP_S: Final = 0.1
MOST_BURSTS: Final = 16
"""Pictures are taken in bursts of ``BURST``, ``BURST_STEP_S`` apart: sharpness from single ones, shake
from neighbours.
"""

_SHAKE_WIDTH: Final = 240
_BLACK: Final = 16
_WHITE: Final = 240
_FLAT: Final = 2.0
_EXPLAINED: Final = 0.9
"""A shift counts as camera motion only if undoing it makes the pictures at least this much more alike."""

Images = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Quality:
    """The five axes of one recording.

    ``brightness`` is the mean luma (0-255), ``dark_share`` and ``bright_share`` the shares of pixels that are
    nearly black or white. ``sharpness`` is the median variance of the Laplacian of the grey picture at 480
    pixels width. ``shake_percent`` is how far the whole picture moves within 0.1 s, in percent of its width
    (80th percentile): the camera's motion, since a moving person moves only a part of it. ``width``,
    ``height`` in pixels as displayed, ``duration_s`` in seconds.
    """

    brightness: float
    dark_share: float
    bright_share: float
    sharpness: float
    shake_percent: float
    width: int
    height: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class Shortfall:
    """One axis that misses its limit: what was found and what the task asks for, in the axis' unit."""

    reason: Reason
    found: float
    limit: float

    @property
    def detail(self) -> str:
        """E.g. ``too_dark: found 12.1, limit 40``."""
        return f"{self.reason.value}: found {self.found:g}, limit {self.limit:g}"


def burst_times(duration_s: float, *, begin_s: float = 0.0) -> FloatArray:
    """The ascending times (n,) in seconds at which quality is measured: bursts spread evenly over the
    ``duration_s`` after ``begin_s``, at most 16 of 4.
    """
    span_s = (BURST - 1) * BURST_STEP_S
    count = int(np.clip(duration_s, 1, MOST_BURSTS))
    starts_s = (np.arange(count) + 0.5) * duration_s / count - span_s / 2
    times_s = starts_s[:, None] + np.arange(BURST) * BURST_STEP_S
    clipped: FloatArray = begin_s + np.clip(np.sort(times_s.ravel()), 0.0, max(duration_s - 2e-3, 0.0))
    return clipped


def sharpness_short_side(probe: VideoProbe) -> int:
    """The shorter side, in pixels, of pictures that are 480 wide."""
    return max(round(min(probe.width, probe.height) * SHARPNESS_WIDTH / probe.width), 1)


def measure_quality(images: Images, times_s: FloatArray, probe: VideoProbe) -> Quality:
    """The quality of a recording from pictures (n, h, 480, 3) uint8 RGB taken at ``burst_times`` (n,), n
    >= 1.
    """
    grey = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]).astype(np.uint8)
    sharpness = [float(cv2.Laplacian(picture, cv2.CV_64F).var()) for picture in grey[::BURST]]
    return Quality(
        brightness=round(float(grey.mean()), 2),
        dark_share=round(float((grey < _BLACK).mean()), 4),
        bright_share=round(float((grey > _WHITE).mean()), 4),
        sharpness=round(float(np.median(sharpness)), 2),
        shake_percent=round(shake_percent(grey, times_s), 3),
        width=probe.width,
        height=probe.height,
        duration_s=round(probe.duration_s, 3),
    )


def shake_percent(grey: NDArray[np.uint8], times_s: FloatArray) -> float:
    """The 80th percentile of the picture's shift between neighbours of a burst, in percent of its width; 0
    without neighbours.

    The shift is the peak of the phase correlation (Kuglin & Hines 1975) of the two pictures, 0 unless undoing
    it makes them more alike: a person's motion or a blinking lamp does not.
    """
    neighbours = np.flatnonzero(np.diff(times_s) < 1.5 * BURST_STEP_S)
    shifts = [_shift_percent(grey[k], grey[k + 1]) for k in neighbours]
    return float(np.percentile(shifts, 80)) if shifts else 0.0


def shortfalls(quality: Quality, gate: QualityGate) -> tuple[Shortfall, ...]:
    """The axes on which a recording misses the task's limits, in the order they should be mended; nothing
    when the gate is off.
    """
    if not gate.enabled:
        return ()
    short, narrow = min(quality.width, quality.height), min(gate.min_width, gate.min_height)
    wide, broad = max(quality.width, quality.height), max(gate.min_width, gate.min_height)
    checks = (
        (quality.duration_s < gate.min_duration_s, Reason.TOO_SHORT, quality.duration_s, gate.min_duration_s),
        (short < narrow, Reason.TOO_SMALL, short, narrow),
        (wide < broad, Reason.TOO_SMALL, wide, broad),
        (quality.brightness < gate.brightness_min, Reason.TOO_DARK, quality.brightness, gate.brightness_min),
        (
            quality.brightness > gate.brightness_max,
            Reason.OVEREXPOSED,
            quality.brightness,
            gate.brightness_max,
        ),
        (
            quality.shake_percent > gate.stability_max,
            Reason.UNSTABLE,
            quality.shake_percent,
            gate.stability_max,
        ),
        (quality.sharpness < gate.sharpness_min, Reason.BLURRED, quality.sharpness, gate.sharpness_min),
    )
    return tuple(
        Shortfall(reason, float(found), float(limit)) for missed, reason, found, limit in checks if missed
    )


def _shift_percent(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    height = max(round(_SHAKE_WIDTH * first.shape[0] / first.shape[1]), 8)
    small = [
        cv2.resize(picture, (_SHAKE_WIDTH, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        for picture in (first, second)
    ]
    if min(float(picture.std()) for picture in small) < _FLAT:
        return 0.0
    (across, down), _ = cv2.phaseCorrelate(
        small[0], small[1], cv2.createHanningWindow((_SHAKE_WIDTH, height), cv2.CV_32F)
    )
    if _difference(small[0], small[1], across, down) >= _EXPLAINED * _difference(small[0], small[1], 0, 0):
        return 0.0
    return float(np.hypot(across, down)) * 100 / _SHAKE_WIDTH


def _difference(first: NDArray[np.float32], second: NDArray[np.float32], across: float, down: float) -> float:
    """The mean absolute difference of the pictures' middle after moving the first by (across, down)
    pixels.
    """
    height, width = first.shape
    matrix = np.array([[1, 0, across], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(first, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    rows, columns = slice(height // 8, -(height // 8)), slice(width // 8, -(width // 8))
    return float(np.abs(moved[rows, columns] - second[rows, columns]).mean())
