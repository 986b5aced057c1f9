"""Parts and tools as sprites."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np

from sopilot_assets.capture.simulate.sites import Site
from sopilot_assets.capture.simulate.sprites import (
    Colour,
    Field,
    Image,
    Limb,
    Sprite,
    limbs_sprite,
    noise_field,
    painted_sprite,
)
from sopilot_assets.capture.simulate.state import Thing

SEAT_RADIUS: Final = 43.0
_Painter = Callable[[Field, Field], tuple[Field, Field]]

_STEEL: Final = (150, 154, 160)
_RUBBER: Final = (44, 44, 48)


def draw_things(site: Site, *, scale: float, rng: np.random.Generator) -> Mapping[Thing, Sprite]:
    """A sprite for every thing, lit as at ``site``, at ``scale`` pixels per bench unit."""
    painters: Mapping[Thing, tuple[float, _Painter]] = {
        Thing.COVER: (62, _cover(site)),
        Thing.OLD_FILTER: (42, _filter(site, (128, 92, 56), grime=0.30)),
        Thing.NEW_FILTER: (42, _filter(site, (214, 212, 202), grime=0.03)),
        Thing.CLOTH: (40, _cloth(site)),
        Thing.HOUSING: (110, _housing(site)),
        Thing.BOARD: (90, _board(site)),
        Thing.RULER: (86, _ruler(site)),
    }
    things = {thing: painted_sprite(size, paint, scale=scale) for thing, (size, paint) in painters.items()}
    for thing, limbs in _LIMBED.items():
        things[thing] = limbs_sprite(limbs, scale=scale, light=site.light, rng=rng, weave=0.03)
    return things


def seat_sprite(site: Site, *, scale: float, clean: float) -> Sprite:
    """The open filter seat, from grimy (``clean`` 0) to bright metal (1)."""
    rng = np.random.default_rng(11)

    def paint(x: Field, y: Field) -> tuple[Field, Field]:
        radius = np.hypot(x, y)
        grime = noise_field((x.shape[0], x.shape[1]), cell=(6 * scale, 6 * scale), rng=rng)
        dirt = (1 - clean) * np.clip(0.75 + 0.35 * grime, 0, 1)
        metal = np.asarray((168, 172, 176), np.float32) * (0.86 + 0.10 * _slope(x, y, site, 44))[..., None]
        muck = np.asarray((74, 58, 40), np.float32)
        colour = metal * (1 - dirt[..., None]) + muck * dirt[..., None]
        colour[radius < 13] = (34, 34, 36)
        rim = (radius > 34) & (radius < 37)
        colour[rim] *= 0.7
        return colour.astype(np.float32), _inside((SEAT_RADIUS - radius).astype(np.float32), scale)

    return painted_sprite(SEAT_RADIUS + 2, paint, scale=scale)


def gasket_sprite(*, scale: float, oil: float) -> Sprite:
    """The wet ring that oil leaves on a filter's gasket."""

    def paint(x: Field, y: Field) -> tuple[Field, Field]:
        radius = np.hypot(x, y)
        shine = np.clip(np.cos(np.arctan2(y, x) * 2 - 1), 0, 1)
        colour = np.asarray((150, 104, 30), np.float32) + shine[..., None] * 70
        cover = _inside(6 - np.abs(radius - 29), scale) * oil * 0.8
        return colour.astype(np.float32), cover.astype(np.float32)

    return painted_sprite(42, paint, scale=scale)


def _inside(distance: Field, scale: float) -> Field:
    return np.asarray(np.clip(distance * scale + 0.5, 0, 1), np.float32)


def _slope(x: Field, y: Field, site: Site, size: float) -> Field:
    return np.asarray((x * site.light[0] + y * site.light[1]) / size, np.float32)


def _tone(colour: Colour, factor: Field) -> Field:
    return (np.asarray(colour, np.float32) * factor[..., None]).astype(np.float32)


def _cover(site: Site) -> _Painter:
    def paint(x: Field, y: Field) -> tuple[Field, Field]:
        radius, angle = np.hypot(x, y), np.arctan2(y, x)
        bevel = np.where(radius > 44, 0.30, np.where(radius > 24, 0.06, 0.14))
        factor = 0.98 + bevel * _slope(x, y, site, 30)
        factor -= 0.16 * ((radius > 46) & (np.cos(angle * 24) > 0.35))
        factor -= 0.22 * (np.abs(radius - 44) < 1.2)
        colour = _tone((82, 98, 124), factor)
        for spoke in range(3):
            rib = (
                (np.abs(np.sin(angle - spoke * np.pi / 1.5)) * radius < 3.2)
                & (radius < 42)
                & (np.cos(angle - spoke * np.pi / 1.5) > 0)
            )
            colour[rib] = np.asarray((104, 120, 146), np.float32)
        hexagon = _hexagon(x, y) < 14
        colour[hexagon] = _tone((176, 178, 182), 0.9 + 0.25 * _slope(x, y, site, 14))[hexagon]
        colour[(_hexagon(x, y) < 15.6) & ~hexagon] = (46, 50, 58)
        return colour, np.clip((56 - radius) * 1.0 + 0.5, 0, 1).astype(np.float32)

    return paint


def _hexagon(x: Field, y: Field) -> Field:
    sides = [np.abs(x * np.cos(turn) + y * np.sin(turn)) for turn in (0, np.pi / 3, 2 * np.pi / 3)]
    return np.asarray(np.max(sides, axis=0), np.float32)


def _filter(site: Site, paper: Colour, *, grime: float) -> _Painter:
    rng = np.random.default_rng(5)

    def paint(x: Field, y: Field) -> tuple[Field, Field]:
        radius, angle = np.hypot(x, y), np.arctan2(y, x)
        pleats = 0.90 + 0.12 * np.cos(angle * 36) + 0.14 * _slope(x, y, site, 40)
        spots = noise_field((x.shape[0], x.shape[1]), cell=(9, 9), rng=rng)
        colour = _tone(paper, (pleats - grime * np.clip(spots, 0, 2)).astype(np.float32))
        ring = (radius > 33) & (radius < 39)
        colour[ring] = _tone(_RUBBER, 1 + 0.5 * _slope(x, y, site, 30))[ring]
        colour[radius < 13] = (52, 50, 48)
        colour[(radius > 13) & (radius < 16)] = np.asarray(paper, np.float32) * 0.62
        return colour, np.clip((39 - radius) + 0.5, 0, 1).astype(np.float32)

    return paint


def _cloth(site: Site) -> _Painter:
    rng = np.random.default_rng(3)

    def paint(x: Field, y: Field) -> tuple[Field, Field]:
        angle = np.arctan2(y, x)
        edge = 31 + 3.0 * np.cos(4 * angle + 0.4) + 1.8 * np.cos(7 * angle) + 1.2 * np.sin(11 * angle)
        folds = np.sin(x * 0.22 + y * 0.10 + 1.5 * np.sin(y * 0.09)) * 0.13
        blotch = noise_field((x.shape[0], x.shape[1]), cell=(12, 12), rng=rng) * 0.05
        factor = 0.92 + folds + blotch + 0.1 * _slope(x, y, site, 30)
        return _tone((172, 84, 72), factor.astype(np.float32)), np.clip(edge - np.hypot(x, y), 0, 1).astype(
            np.float32
        )

    return paint


def _rounded(x: Field, y: Field, half: tuple[float, float], corner: float) -> Field:
    """Distance inside a rounded rectangle (positive inside)."""
    dx, dy = np.abs(x) - half[0] + corner, np.abs(y) - half[1] + corner
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0)
    return np.asarray(corner - outside, np.float32)


def _housing(site: Site) -> _Painter:
    rng = np.random.default_rng(7)

    def paint(x: Field, y: Field) -> tuple[Field, Field]:
        depth = _rounded(x, y, (98, 78), 16)
        cast = noise_field((x.shape[0], x.shape[1]), cell=(3, 3), rng=rng) * 0.035
        factor = 0.94 + cast + np.where(depth < 6, 0.30, 0.05) * _slope(x, y, site, 70)
        colour = _tone(site.metal, factor.astype(np.float32))
        for bolt_x, bolt_y in ((-84, -62), (84, -62), (-84, 62), (84, 62)):
            near = np.hypot(x - bolt_x, y - bolt_y)
            colour[near < 7] = (74, 76, 80)
            colour[near < 5] = (158, 158, 160)
        colour[(np.abs(np.hypot(x, y) - 58)) < 1.5] *= 0.7
        return colour, np.clip(depth + 0.5, 0, 1).astype(np.float32)

    return paint


def _board(site: Site) -> _Painter:
    def paint(x: Field, y: Field) -> tuple[Field, Field]:
        depth = _rounded(x, y, (84, 58), 6)
        factor = 0.95 + 0.1 * _slope(x, y, site, 60)
        colour = _tone((196, 186, 160), factor)
        colour[depth > 7] = _tone((42, 104, 66), factor)[depth > 7]
        for column in range(5):
            for row in range(3):
                chip = (np.abs(x + 58 - 29 * column) < 9 - row) & (np.abs(y + 34 - 34 * row) < 6 + column % 3)
                colour[chip] = (40 + 20 * row, 42 + 12 * column, 48)
        return colour, np.clip(depth + 0.5, 0, 1).astype(np.float32)

    return paint


def _ruler(site: Site) -> _Painter:
    def paint(x: Field, y: Field) -> tuple[Field, Field]:
        depth = _rounded(x, y, (82, 9), 1.5)
        colour = _tone((196, 200, 200), 1 + 0.3 * _slope(x, y, site, 80))
        colour[(np.abs(x % 6 - 3) < 0.8) & (y < -2)] = (50, 50, 54)
        return colour, np.clip(depth + 0.5, 0, 1).astype(np.float32)

    return paint


_LIMBED: Final[Mapping[Thing, tuple[Limb, ...]]] = {
    Thing.WRENCH: (
        Limb((0, 10), 6.5, (0, 92), 5.5, _STEEL),
        Limb((-11, 3), 6.5, (-10, -12), 5.0, (162, 166, 172)),
        Limb((11, 3), 6.5, (10, -12), 5.0, (162, 166, 172)),
        Limb((-9, 9), 7.5, (9, 9), 7.5, (156, 160, 166)),
        Limb((0, 58), 7.2, (0, 96), 7.2, (142, 48, 42)),
    ),
    Thing.OIL_CAN: (
        Limb((0, 0), 17.0, (0, 3), 17.0, (58, 104, 86)),
        Limb((0, 0), 8.0, (0, 1), 8.0, (196, 176, 70)),
        Limb((0, -8), 4.2, (0, -44), 2.0, (170, 164, 140)),
    ),
    Thing.HAMMER: (
        Limb((0, 14), 5.2, (0, 96), 6.4, (148, 106, 62)),
        Limb((-20, 0), 9.0, (20, 0), 9.0, (84, 86, 92)),
    ),
    Thing.SPRAY: (
        Limb((0, 4), 17.0, (0, 22), 17.0, (66, 120, 186)),
        Limb((0, 0), 7.5, (0, -26), 5.5, (214, 214, 216)),
        Limb((-9, -4), 3.2, (9, -4), 3.2, (190, 44, 40)),
    ),
    Thing.SCREWDRIVER: (
        Limb((0, 0), 2.4, (0, 46), 2.6, _STEEL),
        Limb((0, 46), 8.0, (0, 84), 8.6, (206, 150, 40)),
    ),
}


def draw_tray(canvas: Image, *, center: tuple[float, float], half: float, colour: Colour) -> None:
    """Draw a shallow square tray around ``center`` (pixels), ``2 half`` a side."""
    x, y = center
    rim = tuple(min(part + 34, 255) for part in colour)
    for size, paint in ((half, rim), (half * 0.92, colour)):
        corners = (round(x - size), round(y - size)), (round(x + size), round(y + size))
        cv2.rectangle(canvas, *corners, paint, -1, cv2.LINE_AA)
