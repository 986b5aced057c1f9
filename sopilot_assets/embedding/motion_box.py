"""Where the work is: the part of the picture in which most of the motion of a few seconds lies.

A whole picture shows the room as well as the hands, and another site is another room. The motion box follows
the work from what changes between samples alone; nothing has to be found or recognised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

GreyImage = npt.NDArray[np.uint8]
Image = npt.NDArray[np.uint8]
Energy = npt.NDArray[np.float64]

TAILS: Final = 0.08
"""Share of the motion that is left out at either end of an axis."""
MARGIN: Final = 1.25
"""The box is this many times as wide as the motion."""
LEAST_SHARE: Final = 0.25
"""The box's least side, as a share of the picture's shorter side."""
CUT_TIMES: Final = 4.0
CUT_LEVELS: Final = 12.0
"""A pair that changes by more than both, CUT_TIMES the median around it and CUT_LEVELS grey levels, is a cut
and not motion."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a picture, as shares of its width and height from the left and the top."""

    left: float
    top: float
    right: float
    bottom: float

    def of(self, image: Image) -> Image:
        """That part of an image (h, w, 3), at least one pixel of it."""
        height, width = image.shape[:2]
        left, top = min(round(self.left * width), width - 1), min(round(self.top * height), height - 1)
        right, bottom = max(round(self.right * width), left + 1), max(round(self.bottom * height), top + 1)
        return image[top:bottom, left:right]


WHOLE: Final = Box(0.0, 0.0, 1.0, 1.0)


class MotionBoxMeter:
    """Collects where consecutive samples differ as they are read; ``reach`` is how many pairs before and
    after a sample its box is made of.
    """

    def __init__(self, *, reach: int) -> None:
        self.reach = reach
        self._before: GreyImage | None = None
        self._size = (0, 0)
        self._levels: list[float] = []
        self._columns: list[npt.NDArray[np.float32]] = []
        self._rows: list[npt.NDArray[np.float32]] = []

    def add(self, grey: GreyImage) -> None:
        """Take the next sample, a grey image (h, w); all have one size."""
        if self._before is not None:
            difference = cv2.absdiff(self._before, grey)
            energy = np.square(difference, dtype=np.float32)
            self._levels.append(float(cv2.mean(difference)[0]))
            self._columns.append(energy.sum(axis=0))
            self._rows.append(energy.sum(axis=1))
        self._before, self._size = grey, (grey.shape[0], grey.shape[1])

    def box(self, sample: int) -> Box:
        """The box around the ``sample``-th image that was added; of the pairs after it those count that were
        added by now. The whole picture where nothing moves.
        """
        near = slice(max(sample - self.reach, 0), sample + self.reach)
        levels = np.array(self._levels[near])
        if not levels.size:
            return WHOLE
        steady = levels <= max(CUT_TIMES * float(np.median(levels)), CUT_LEVELS)
        columns = np.stack(self._columns[near])[steady].sum(axis=0, dtype=np.float64)
        rows = np.stack(self._rows[near])[steady].sum(axis=0, dtype=np.float64)
        return _around(columns, rows) if columns.sum() > 0 else WHOLE


def _around(columns: Energy, rows: Energy) -> Box:
    """A square in pixels around the middle of the motion, shifted and cut so that it lies in the picture."""
    width, height = columns.shape[0], rows.shape[0]
    (left, right), (top, bottom) = _extent(columns), _extent(rows)
    side = max(MARGIN * max(right - left, bottom - top), LEAST_SHARE * min(width, height))
    x, across = _placed((left + right) / 2, side, width)
    y, down = _placed((top + bottom) / 2, side, height)
    return Box(x / width, y / height, (x + across) / width, (y + down) / height)


def _extent(energy: Energy) -> tuple[float, float]:
    """Between which places along an axis (pixels) all but the tails of the energy lies."""
    shares = np.concatenate([[0.0], np.cumsum(energy)]) / energy.sum()
    low, high = np.interp([TAILS, 1 - TAILS], shares, np.arange(shares.shape[0]))
    return float(low), float(high)


def _placed(middle: float, side: float, length: int) -> tuple[float, float]:
    """Begin and length of a stretch of ``side`` around ``middle`` inside of ``length``."""
    inside = min(side, float(length))
    return min(max(middle - inside / 2, 0.0), length - inside), inside
