"""From samples to clips: what a clip's features are when its frames have theirs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from sopilot_assets.embedding.clips import Features, Floats
from sopilot_assets.embedding.stillness import WIDTH_PX, block_change

Image = npt.NDArray[np.uint8]

_CLOCK_S: Final = 1e-6


def clip_means(features: Features, times_s: Floats, clip_start_s: Floats, *, length_s: float) -> Features:
    """(n, d) the mean of the samples (m, d) taken at ``times_s`` (m,) inside each clip.

    A clip without a sample takes the nearest one; without any samples all features are 0.
    """
    return _per_clip(features, times_s, clip_start_s, length_s, np.mean)


def clip_spreads(features: Features, times_s: Floats, clip_start_s: Floats, *, length_s: float) -> Features:
    """(n, d) the standard deviation of the samples inside each clip: how much the picture changes."""
    return _per_clip(features, times_s, clip_start_s, length_s, np.std)


def _per_clip(
    features: Features,
    times_s: Floats,
    clip_start_s: Floats,
    length_s: float,
    statistic: Callable[..., Floats],
) -> Features:
    if not len(times_s):
        return np.zeros((len(clip_start_s), features.shape[1]), dtype=np.float32)
    firsts = np.searchsorted(times_s, clip_start_s - _CLOCK_S)
    lasts = np.searchsorted(times_s, clip_start_s + length_s - _CLOCK_S)
    rows = []
    for first, last, start_s in zip(firsts, lasts, clip_start_s, strict=True):
        nearest = int(np.abs(times_s - (start_s + length_s / 2)).argmin()) if last == first else first
        rows.append(statistic(features[nearest : max(last, nearest + 1)], axis=0, dtype=np.float64))
    return np.asarray(np.stack(rows), dtype=np.float32)


def half_precision(features: Features) -> Features:
    """The features rounded to what float16 holds, as float32: 5e-4 relative, half the space when stored."""
    return np.asarray(features.astype(np.float16), dtype=np.float32)


@contextlib.contextmanager
def one_cv2_thread() -> Iterator[None]:
    """Run OpenCV single-threaded inside, as before outside: on pictures this small its threads cost more than
    they do.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def grey_image(image: Image) -> Image:
    """The luma of an RGB image (h, w, 3) at 160 pixels' width, in its own proportions: what motion and
    stillness are measured on.
    """
    height = max(round(image.shape[0] * WIDTH_PX / image.shape[1]), 8)
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(luma, (WIDTH_PX, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


class StillnessMeter:
    """Collects the stillness of consecutive samples as they are read.

    A sample that stands in for a picture that could not be read gives NaN for both its pairs.
    """

    def __init__(self) -> None:
        self._before: tuple[Image, bool] | None = None
        self._times_s: list[float] = []
        self._stillness: list[float] = []

    def add(self, time_s: float, grey: Image, *, held: bool) -> None:
        """Take the next sample, a grey image (h, w)."""
        if self._before is not None:
            before, before_held = self._before
            self._times_s.append(time_s)
            self._stillness.append(np.nan if held or before_held else block_change(before, grey))
        self._before = grey, held

    def times_s(self) -> Floats:
        """(m,) the time of each pair's later sample, in seconds."""
        return np.array(self._times_s, dtype=np.float64)

    def stillness(self) -> Features:
        """(m,) the largest block change of each pair, in grey levels."""
        return np.array(self._stillness, dtype=np.float32)
