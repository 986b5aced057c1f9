"""The two work places: bench, light, camera; and the picture of each empty bench."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sopilot_assets.capture.simulate.sprites import Colour, Image, Light, noise_field

BENCH: Final = (480, 340)
"""Width and height of the bench, in bench units."""
MARGIN: Final = 48
"""Bench units drawn around it, so that a moving camera never sees an edge."""


@dataclass(frozen=True)
class Site:
    """One work place.

    ``light`` is where light comes from (x right, y down), ``shadow`` its softness in quarter pixels and depth
    in [0, 1]; ``tint`` multiplies red, green and blue, ``gain`` the exposure. ``zoom``, ``turn`` (degrees),
    ``shift`` (bench units) and ``lean`` (perspective) place the camera; ``grain`` is its noise (grey levels).
    """

    name: str
    camera: str
    wooden: bool
    bench: Colour
    metal: Colour
    tray: Colour
    light: Light
    shadow: tuple[float, float]
    tint: tuple[float, float, float]
    gain: float
    zoom: float
    turn: float
    shift: tuple[float, float]
    lean: float
    grain: float


SITES: Final[Mapping[str, Site]] = {
    site.name: site
    for site in (
        Site(
            name="site_a",
            camera="cam1",
            wooden=True,
            bench=(166, 128, 90),
            metal=(122, 130, 138),
            tray=(70, 76, 84),
            light=(-0.62, -0.78),
            shadow=(2.2, 0.42),
            tint=(1.03, 1.0, 0.93),
            gain=1.0,
            zoom=1.0,
            turn=0.6,
            shift=(0.0, 0.0),
            lean=0.00035,
            grain=1.9,
        ),
        Site(
            name="site_b",
            camera="cam2",
            wooden=False,
            bench=(92, 118, 122),
            metal=(96, 118, 100),
            tray=(142, 128, 84),
            light=(0.74, -0.5),
            shadow=(3.6, 0.30),
            tint=(0.93, 1.0, 1.07),
            gain=0.93,
            zoom=1.13,
            turn=-5.0,
            shift=(12.0, -8.0),
            lean=-0.00025,
            grain=2.6,
        ),
    )
}


def draw_bench(site: Site, *, scale: float, rng: np.random.Generator) -> Image:
    """The bare bench with what lies around on it, RGB, margins included, ``scale`` pixels a bench unit."""
    width, height = (round((side + 2 * MARGIN) * scale) for side in BENCH)
    texture = _planks if site.wooden else _mat
    surface = texture((height, width), scale=scale, rng=rng)
    tinted = np.asarray(site.bench, np.float32) * surface[..., None]
    picture = np.asarray(np.clip(tinted, 0, 255), np.uint8)
    clutter = _wood_clutter if site.wooden else _mat_clutter
    clutter(picture, scale=scale)
    return picture


def light_map(site: Site, *, size: tuple[int, int]) -> Image:
    """How bright each pixel of the final picture is lit, H x W x 3 with 255 for full light."""
    width, height = size
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    near = np.exp(-((x - 0.8 * site.light[0]) ** 2 + (y - 0.8 * site.light[1]) ** 2) / 3.2)
    level = (0.72 + 0.28 * near) * (1 - 0.10 * (x**2 + y**2) / 2)
    return np.repeat((np.clip(level, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)


def camera_matrix(
    site: Site, *, scale: float, size: tuple[int, int], sway: tuple[float, float, float]
) -> NDArray[np.float64]:
    """The 3 x 3 map from canvas to picture pixels; ``sway`` adds x, y (bench units) and a turn (degrees)."""
    width, height = size
    turn = np.deg2rad(site.turn + sway[2])
    zoom = site.zoom
    cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
    middle = ((BENCH[0] / 2 + MARGIN) * scale, (BENCH[1] / 2 + MARGIN) * scale)
    to_middle = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, 1.0]])
    tilt = np.array([[1, 0, 0], [0, 1, 0], [0, site.lean / scale, 1.0]])
    shift = [(site.shift[axis] + sway[axis]) * scale for axis in (0, 1)]
    place = np.array([[cos, -sin, width / 2 + shift[0]], [sin, cos, height / 2 + shift[1]], [0, 0, 1.0]])
    return np.asarray(place @ tilt @ to_middle, np.float64)


def _planks(shape: tuple[int, int], *, scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
    grain = noise_field(shape, cell=(60 * scale, 2.2 * scale), rng=rng) * 0.055
    knots = noise_field(shape, cell=(90 * scale, 26 * scale), rng=rng) * 0.06
    surface = 1 + grain + knots
    plank = max(round(74 * scale), 4)
    for top in range(plank // 2, shape[0], plank):
        surface[top : top + max(round(1.5 * scale), 1)] *= 0.62
        surface[top : top + plank] *= 1 + 0.05 * float(rng.standard_normal())
    return surface


def _mat(shape: tuple[int, int], *, scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
    surface = 1 + noise_field(shape, cell=(1.6 * scale, 1.6 * scale), rng=rng) * 0.04
    surface += noise_field(shape, cell=(70 * scale, 50 * scale), rng=rng) * 0.05
    pitch = max(round(40 * scale), 4)
    surface[::pitch] *= 1.10
    surface[:, ::pitch] *= 1.10
    return surface


def _at(x: float, y: float, scale: float) -> tuple[int, int]:
    return round((x + MARGIN) * scale), round((y + MARGIN) * scale)


def _block(picture: Image, box: tuple[float, float, float, float], colour: Colour, *, scale: float) -> None:
    left, top, right, bottom = box
    cv2.rectangle(picture, _at(left, top, scale), _at(right, bottom, scale), colour, -1, cv2.LINE_AA)


def _wood_clutter(picture: Image, *, scale: float) -> None:
    _block(picture, (-60, -60, 540, -6), (104, 96, 86), scale=scale)
    _block(picture, (180, -60, 270, -14), (74, 92, 120), scale=scale)
    _block(picture, (14, 268, 74, 352), (214, 212, 202), scale=scale)
    for line in range(7):
        _block(
            picture, (22, 278 + 10 * line, 62 - 5 * (line % 3), 279 + 10 * line), (150, 150, 150), scale=scale
        )
    cv2.circle(picture, _at(452, 300, scale), round(24 * scale), (64, 78, 120), -1, cv2.LINE_AA)
    cv2.circle(picture, _at(452, 300, scale), round(19 * scale), (44, 30, 22), -1, cv2.LINE_AA)


def _mat_clutter(picture: Image, *, scale: float) -> None:
    _block(picture, (-60, -60, 540, 6), (150, 154, 158), scale=scale)
    for bin_ in range(6):
        _block(picture, (30 + 76 * bin_, -60, 92 + 76 * bin_, -4), (58, 84, 140), scale=scale)
    _block(picture, (-60, 318, 540, 326), (206, 176, 60), scale=scale)
    cable = np.array([_at(478 - 5 * k, 330 - 34 * k + 9 * (k % 2), scale) for k in range(9)], np.int32)
    cv2.polylines(picture, [cable], False, (38, 40, 44), max(round(5 * scale), 1), cv2.LINE_AA)
