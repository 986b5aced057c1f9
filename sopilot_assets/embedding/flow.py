"""Motion descriptors from dense optical flow: HOF and MBH histograms on a grid and over the whole picture.

HOF: I. Laptev et al., CVPR 2008. MBH: N. Dalal, B. Triggs, C. Schmid, ECCV 2006. Flow: T. Kroeger et al.,
DIS, ECCV 2016 (OpenCV's implementation).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from sopilot_assets.embedding.clips import Features, Floats
from sopilot_assets.embedding.pooling import clip_means

GreyImage = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

GRID: Final = 3
"""Rows and columns of the grid."""
ORIENTATIONS: Final = 8
FIELD_STEP_PX: Final = 2
"""The solver's finest level is a quarter of the picture, so every second pixel loses nothing."""
STILL_PX: Final = 0.3
"""Flow shorter than this (pixels per pair of samples, in a picture 160 wide) counts as no motion."""
_HOF_BINS: Final = ORIENTATIONS + 1
_MBH_BINS: Final = 2 * ORIENTATIONS


class FlowMeter:
    """Collects the motion histograms of consecutive samples as they are read; holds the flow solver."""

    def __init__(self) -> None:
        self._solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._before: GreyImage | None = None
        self._times_s: list[float] = []
        self._hof: list[Field] = []
        self._mbh: list[Field] = []

    def add(self, time_s: float, grey: GreyImage) -> None:
        """Take the next sample, a grey image (h, w)."""
        if self._before is not None:
            # OpenCV's stub forgets that the initial flow may be None
            flow = self._solver.calc(self._before, grey, None)  # type: ignore[call-overload]
            field = relative_flow(np.asarray(flow, dtype=np.float32))
            self._times_s.append(time_s)
            self._hof.append(flow_histogram(field))
            self._mbh.append(boundary_histogram(field))
        self._before = grey

    def blocks(self, clip_start_s: Floats, *, length_s: float) -> Mapping[str, Features]:
        """``hof`` and ``mbh`` on the grid, ``hof_whole`` and ``mbh_whole`` over the picture: (n, d) each.

        Histograms are averaged over a clip, divided by their sum (how the hands move, not how fast or how
        close to the camera) and square-rooted (Hellinger).
        """
        times_s = np.array(self._times_s, dtype=np.float64)
        blocks: dict[str, Features] = {}
        for name, bins, samples in (("hof", _HOF_BINS, self._hof), ("mbh", _MBH_BINS, self._mbh)):
            stacked = np.array(samples, dtype=np.float32).reshape(-1, GRID * GRID * bins)
            means = clip_means(stacked, times_s, clip_start_s, length_s=length_s)
            blocks[name] = _hellinger(means)
            blocks[f"{name}_whole"] = _hellinger(means.reshape(-1, GRID * GRID, bins).mean(axis=1))
        return blocks


def relative_flow(flow: Field) -> Field:
    """Every second vector of a flow field (h, w, 2), less the median vector: a moving camera is not work."""
    field = flow[::FIELD_STEP_PX, ::FIELD_STEP_PX]
    sample = field[::2, ::2].reshape(-1, 2)
    return np.asarray(field - np.median(sample, axis=0).astype(np.float32), dtype=np.float32)


def flow_histogram(field: Field) -> Field:
    """HOF of a field (h, w, 2): per cell 8 orientations weighted by length, and the share of stillness."""
    magnitude, angle = _polar(field[..., 0], field[..., 1])
    turning = _orientation_histogram(magnitude, angle)
    cell = _cells(*magnitude.shape)
    pixels = np.bincount(cell, minlength=GRID * GRID)
    still = np.bincount(cell, weights=(magnitude < STILL_PX).ravel(), minlength=GRID * GRID)
    return np.concatenate(
        [turning, (still / np.maximum(pixels, 1))[:, None]], axis=1, dtype=np.float32
    ).ravel()


def boundary_histogram(field: Field) -> Field:
    """MBH of a field (h, w, 2): per cell 8 orientations of the gradient of each flow component."""
    histograms = []
    for component in (0, 1):
        flow = np.ascontiguousarray(field[..., component])
        across = cv2.Sobel(flow, cv2.CV_32F, 1, 0, ksize=1)
        down = cv2.Sobel(flow, cv2.CV_32F, 0, 1, ksize=1)
        histograms.append(_orientation_histogram(*_polar(np.asarray(across), np.asarray(down))))
    return np.concatenate(histograms, axis=1).astype(np.float32).ravel()


def _polar(x: npt.NDArray[np.generic], y: npt.NDArray[np.generic]) -> tuple[Field, Field]:
    """(length, angle in [0, 2 pi]) of the vectors (x, y)."""
    length, angle = cv2.cartToPolar(x.astype(np.float32), y.astype(np.float32))
    return np.asarray(length, dtype=np.float32), np.asarray(angle, dtype=np.float32)


def _orientation_histogram(magnitude: Field, angle: Field) -> Field:
    """(cells, 8): length by orientation, each vector shared between its two nearest orientations."""
    position = angle * np.float32(ORIENTATIONS / (2 * np.pi))
    low = position.astype(np.int32)
    upper_part = (magnitude * (position - low)).ravel()
    cell = _cells(*magnitude.shape)
    base = cell * (ORIENTATIONS + 2)
    index = base + low.ravel()
    bins = GRID * GRID * (ORIENTATIONS + 2)
    total = np.bincount(index, weights=magnitude.ravel() - upper_part, minlength=bins)
    total += np.bincount(index + 1, weights=upper_part, minlength=bins)
    wide = total.reshape(GRID * GRID, ORIENTATIONS + 2)
    wide[:, :2] += wide[:, ORIENTATIONS:]  # a full turn is no turn
    pixels = np.maximum(np.bincount(cell, minlength=GRID * GRID), 1)
    return np.asarray(wide[:, :ORIENTATIONS] / pixels[:, None], dtype=np.float32)


def _cells(height: int, width: int) -> npt.NDArray[np.int64]:
    """(h * w,) the grid cell of each pixel, row-major."""
    row = np.arange(height) * GRID // height
    column = np.arange(width) * GRID // width
    return (row[:, None] * GRID + column[None, :]).ravel()


def _hellinger(histograms: Features) -> Features:
    sums = histograms.sum(axis=1, keepdims=True)
    return np.asarray(np.sqrt(histograms / np.maximum(sums, 1e-9)), dtype=np.float32)
