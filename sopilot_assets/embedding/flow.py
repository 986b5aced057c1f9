"""Motion descriptors from dense optical flow: HOF and MBH histograms on a spatial grid.

HOF: I. Laptev et al., CVPR 2008. MBH: N. Dalal, B. Triggs, C. Schmid, ECCV 2006. Flow: T. Kroeger et al., DIS, ECCV 2016 (OpenCV's implementation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

GreyImage = npt.NDArray[np.uint8]
Flow = npt.NDArray[np.float32]

ORIENTATIONS: Final = 8
STILL_PX: Final = 0.3
"""Flow shorter than this (pixels per frame pair at the flow's width) counts as no motion."""


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """How motion is measured: image width in pixels and grid rows x columns."""

    width_px: int = 160
    rows: int = 3
    columns: int = 3


class FlowDescriber:
    """Histograms of the motion between two grey images; holds the flow solver's buffers."""

    def __init__(self, settings: FlowSettings) -> None:
        self.settings = settings
        self._solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def flow(self, before: GreyImage, after: GreyImage) -> Flow:
        """Flow (h, w, 2) in pixels, less its median: a moving camera is not work."""
        flow = self._solver.calc(before, after, None)
        return np.asarray(flow - np.median(flow[::4, ::4].reshape(-1, 2), axis=0), dtype=np.float32)

    def describe(self, before: GreyImage, after: GreyImage) -> tuple[Flow, Flow]:
        """(hof, mbh): (rows * columns * 9,) and (rows * columns * 16,), summed magnitudes per pixel of a cell."""
        flow = self.flow(before, after)
        rows, columns = self.settings.rows, self.settings.columns
        hof = orientation_histogram(flow[..., 0], flow[..., 1], rows=rows, columns=columns, still_px=STILL_PX)
        mbh = [
            orientation_histogram(
                cv2.Sobel(flow[..., c], cv2.CV_32F, 1, 0, ksize=1), cv2.Sobel(flow[..., c], cv2.CV_32F, 0, 1, ksize=1), rows=rows, columns=columns
            )
            for c in (0, 1)
        ]
        return hof, np.concatenate(mbh)


def orientation_histogram(x: Flow, y: Flow, *, rows: int, columns: int, still_px: float | None = None) -> Flow:
    """Orientation histograms of a vector field (h, w), soft in orientation, magnitude weighted, per grid cell, divided by the cell's pixels.

    With ``still_px`` a ninth bin holds the share of pixels that move less.
    """
    magnitude, angle = cv2.cartToPolar(x, y)
    position = angle * np.float32(ORIENTATIONS / (2 * np.pi))
    low = np.floor(position).astype(np.int32)
    share = position - low
    cell = _cells(*x.shape, rows=rows, columns=columns)
    bins = rows * columns * ORIENTATIONS
    low_index, high_index = cell * ORIENTATIONS + low % ORIENTATIONS, cell * ORIENTATIONS + (low + 1) % ORIENTATIONS
    total = np.bincount(low_index.ravel(), weights=(magnitude * (1 - share)).ravel(), minlength=bins)
    total += np.bincount(high_index.ravel(), weights=(magnitude * share).ravel(), minlength=bins)
    pixels = np.bincount(cell.ravel(), minlength=rows * columns)
    histogram = total.reshape(-1, ORIENTATIONS) / pixels[:, None]
    if still_px is not None:
        still = np.bincount(cell.ravel(), weights=(magnitude < still_px).ravel(), minlength=rows * columns) / pixels
        histogram = np.concatenate([histogram, still[:, None]], axis=1)
    return histogram.astype(np.float32).ravel()


def _cells(height: int, width: int, *, rows: int, columns: int) -> npt.NDArray[np.int32]:
    row = (np.arange(height) * rows // height).astype(np.int32)
    column = (np.arange(width) * columns // width).astype(np.int32)
    return row[:, None] * columns + column[None, :]
