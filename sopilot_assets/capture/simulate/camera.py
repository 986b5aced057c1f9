"""The camera: where it stands, how it shakes, its exposure and its noise."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sopilot_assets.capture.simulate.sites import Site, camera_matrix, light_map
from sopilot_assets.capture.simulate.sprites import Image

_NOISE_PICTURES: Final = 4
_NOISE_MARGIN: Final = 24
_SHAKE: Final = 0.28  # bench units
_SWAY_HERTZ: Final = (0.23, 0.71, 1.9)
_DRIFT: Final = 0.035


class Camera:
    """Turns a drawn canvas into what a camera at ``site`` records; ``rng`` makes each recording its own."""

    def __init__(
        self, site: Site, *, scale: float, size: tuple[int, int], fps: int, rng: np.random.Generator
    ) -> None:
        self._site, self._scale, self._size, self._fps = site, scale, size, fps
        self._light = light_map(site, size=size)
        self._stand = (*rng.normal(0, 2.0, 2), float(rng.normal(0, 0.5)))
        self._phases = rng.uniform(0, 2 * np.pi, (3, 3))
        self._drift_phase = float(rng.uniform(0, 2 * np.pi))
        self._drift_s = float(rng.uniform(14, 26))
        self._gain = site.gain * float(rng.normal(1, 0.025))
        self._noise = _noise_pictures(site.grain, size=size, rng=rng)
        self._offsets = rng.integers(0, _NOISE_MARGIN, (997, 2))

    def shot(self, canvas: Image, *, number: int) -> Image:
        """Frame ``number``: the canvas seen through this camera, H x W x 3 uint8 RGB."""
        time_s = number / self._fps
        matrix = camera_matrix(self._site, scale=self._scale, size=self._size, sway=self._sway(time_s))
        seen = cv2.warpPerspective(canvas, matrix, self._size, flags=cv2.INTER_LINEAR)
        cv2.multiply(seen, self._light, dst=seen, scale=1 / 255)
        exposed = cv2.LUT(seen, self._exposure(time_s))
        return self._noisy(np.asarray(exposed, np.uint8), number=number)

    def _sway(self, time_s: float) -> tuple[float, float, float]:
        x, y, turn = (
            sum(
                math.sin(2 * math.pi * hertz * time_s + phase)
                for hertz, phase in zip(_SWAY_HERTZ, phases, strict=True)
            )
            for phases in self._phases
        )
        stand = self._stand
        return stand[0] + _SHAKE * x, stand[1] + _SHAKE * y, stand[2] + 0.02 * turn

    def _exposure(self, time_s: float) -> NDArray[np.uint8]:
        drift = 1 + _DRIFT * math.sin(2 * math.pi * time_s / self._drift_s + self._drift_phase)
        levels = np.arange(256, dtype=np.float32)[:, None] * (self._gain * drift)
        tinted = levels * np.asarray(self._site.tint, np.float32)
        return np.asarray(np.clip(tinted + 3, 0, 255), np.uint8)[None]

    def _noisy(self, picture: Image, *, number: int) -> Image:
        width, height = self._size
        left, top = self._offsets[number % len(self._offsets)]
        more, less = self._noise[number % _NOISE_PICTURES]
        window = np.s_[top : top + height, left : left + width]
        return np.asarray(cv2.subtract(cv2.add(picture, more[window]), less[window]), np.uint8)


def _noise_pictures(
    grain: float, *, size: tuple[int, int], rng: np.random.Generator
) -> list[tuple[Image, Image]]:
    """Pairs of pictures, one to add and one to subtract, a little larger than a frame."""
    width, height = size
    shape = (height + _NOISE_MARGIN, width + _NOISE_MARGIN, 3)
    pairs = []
    for _ in range(_NOISE_PICTURES):
        noise = rng.standard_normal(shape, dtype=np.float32)
        noise = 0.7 * noise[..., :1] + 0.5 * noise
        level = np.rint(grain * noise).astype(np.int16)
        pairs.append((np.maximum(level, 0).astype(np.uint8), np.maximum(-level, 0).astype(np.uint8)))
    return pairs
