"""Small shaded pictures with transparency, and laying them onto a canvas at any place and angle."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Field = NDArray[np.float32]
Colour = tuple[int, int, int]
Light = tuple[float, float]

_HALF = 0.5


@dataclass(frozen=True)
class Sprite:
    """``pixels`` is H x W x 4 uint8 RGBA with premultiplied colour; ``origin`` the pixel that is placed."""

    pixels: Image
    origin: tuple[float, float]


@dataclass(frozen=True)
class Limb:
    """A round-ended cone between two points, in bench units: what fingers, arms and handles are made of."""

    start: tuple[float, float]
    start_radius: float
    end: tuple[float, float]
    end_radius: float
    colour: Colour


def limbs_sprite(
    limbs: Sequence[Limb], *, scale: float, light: Light, rng: np.random.Generator, weave: float
) -> Sprite:
    """A sprite of limbs joined into one body, lit from ``light`` as if they were round.

    ``scale`` is pixels per bench unit, ``weave`` the strength of the surface's texture.
    """
    box = _bounds(limbs)
    x, y = _grid(box, scale)
    height = np.full(x.shape, -1.0, np.float32)
    cover = np.zeros(x.shape, np.float32)
    colour = np.zeros((*x.shape, 3), np.float32)
    for limb in limbs:
        inside, rise = _limb_fields(limb, x, y)
        nearer = rise > height
        colour[nearer] = limb.colour
        height = np.maximum(height, rise)
        cover = np.maximum(cover, np.clip(inside * scale + _HALF, 0, 1))
    lit = colour * _lighting((np.maximum(height, 0) * scale).astype(np.float32), light)[..., None]
    lit *= 1 + weave * _speckle(x.shape, rng)[..., None]
    return _pack(lit, cover, origin=(-box[0] * scale, -box[1] * scale))


def painted_sprite(
    radius: float, paint: Callable[[Field, Field], tuple[Field, Field]], *, scale: float
) -> Sprite:
    """A sprite of ``2 radius`` a side whose colour (H x W x 3) and coverage ``paint`` gives over (x, y)."""
    x, y = _grid((-radius, -radius, radius, radius), scale)
    colour, cover = paint(x, y)
    return _pack(colour, cover, origin=(radius * scale, radius * scale))


def fade_below(sprite: Sprite, *, start: float, length: float) -> Sprite:
    """The sprite made transparent below its origin, from ``start`` pixels on over ``length`` pixels."""
    rows = np.arange(sprite.pixels.shape[0], dtype=np.float32) - sprite.origin[1]
    kept = 1 - np.clip((rows - start) / length, 0, 1)
    return Sprite(pixels=(sprite.pixels * kept[:, None, None]).astype(np.uint8), origin=sprite.origin)


def stamp(
    canvas: Image, sprite: Sprite, x: float, y: float, *, angle: float = 0.0, zoom: float = 1.0
) -> None:
    """Lay the sprite's origin onto pixel (x, y) of an RGB canvas, turned clockwise by ``angle`` degrees."""
    laid = _laid(sprite.pixels, sprite.origin, x, y, angle, zoom, canvas.shape)
    if laid is None:
        return
    patch, (left, top, right, bottom) = laid
    target = canvas[top:bottom, left:right]
    behind = cv2.cvtColor(cv2.bitwise_not(patch[..., 3]), cv2.COLOR_GRAY2RGB)
    kept = cv2.multiply(target, behind, scale=1 / 255)
    target[:] = cv2.add(kept, patch[..., :3])


def stamp_shadow(mask: Image, sprite: Sprite, x: float, y: float, *, angle: float, zoom: float) -> None:
    """Add the sprite's outline to a one-channel shadow mask, in the mask's pixels."""
    laid = _laid(sprite.pixels[..., 3], sprite.origin, x, y, angle, zoom, mask.shape)
    if laid is None:
        return
    patch, (left, top, right, bottom) = laid
    target = mask[top:bottom, left:right]
    target[:] = cv2.max(target, patch)


def noise_field(
    shape: tuple[int, int], *, cell: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Smooth noise (about unit variance) whose grains are ``cell`` = (width, height) pixels."""
    height, width = shape
    rows = max(round(height / cell[1]), 2)
    columns = max(round(width / cell[0]), 2)
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _laid(
    pixels: Image,
    origin: tuple[float, float],
    x: float,
    y: float,
    angle: float,
    zoom: float,
    shape: Sequence[int],
) -> tuple[Image, tuple[int, int, int, int]] | None:
    turn = math.radians(angle)
    cos, sin = zoom * math.cos(turn), zoom * math.sin(turn)
    ox, oy = origin
    height, width = pixels.shape[:2]
    corners = ((-ox, -oy), (width - ox, -oy), (-ox, height - oy), (width - ox, height - oy))
    xs = [x + cos * cx - sin * cy for cx, cy in corners]
    ys = [y + sin * cx + cos * cy for cx, cy in corners]
    left, right = max(math.floor(min(xs)), 0), min(math.ceil(max(xs)) + 1, shape[1])
    top, bottom = max(math.floor(min(ys)), 0), min(math.ceil(max(ys)) + 1, shape[0])
    if left >= right or top >= bottom:
        return None
    matrix = np.array(
        [
            [cos, -sin, x - left - cos * ox + sin * oy],
            [sin, cos, y - top - sin * ox - cos * oy],
        ]
    )
    patch = cv2.warpAffine(pixels, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    return np.asarray(patch, np.uint8), (left, top, right, bottom)


def _bounds(limbs: Sequence[Limb]) -> tuple[float, float, float, float]:
    pad = 2.0
    ends = [(*limb.start, limb.start_radius) for limb in limbs] + [
        (*limb.end, limb.end_radius) for limb in limbs
    ]
    return (
        min(x - r for x, _, r in ends) - pad,
        min(y - r for _, y, r in ends) - pad,
        max(x + r for x, _, r in ends) + pad,
        max(y + r for _, y, r in ends) + pad,
    )


def _grid(box: tuple[float, float, float, float], scale: float) -> tuple[Field, Field]:
    left, top, right, bottom = box
    width, height = math.ceil((right - left) * scale), math.ceil((bottom - top) * scale)
    x = (np.arange(width, dtype=np.float32) + _HALF) / scale + left
    y = (np.arange(height, dtype=np.float32) + _HALF) / scale + top
    columns, rows = np.meshgrid(x, y)
    return columns.astype(np.float32), rows.astype(np.float32)


def _limb_fields(limb: Limb, x: Field, y: Field) -> tuple[Field, Field]:
    """How far inside the outline, and how high above the bench, each point of the limb is."""
    ax, ay = limb.start
    dx, dy = limb.end[0] - ax, limb.end[1] - ay
    along = np.clip(((x - ax) * dx + (y - ay) * dy) / max(dx * dx + dy * dy, 1e-6), 0, 1)
    radius = limb.start_radius + along * (limb.end_radius - limb.start_radius)
    distance = np.hypot(x - ax - along * dx, y - ay - along * dy)
    rise = np.sqrt(np.maximum(radius**2 - distance**2, 0)) - (distance > radius)
    return (radius - distance).astype(np.float32), rise.astype(np.float32)


def _lighting(height: Field, light: Light) -> Field:
    smooth = np.asarray(cv2.GaussianBlur(height, (0, 0), 0.9), np.float32)
    down, across = np.gradient(smooth)
    facing = (-across * light[0] - down * light[1] + 1.1) / np.sqrt(across**2 + down**2 + 1)
    return np.asarray(np.clip(0.42 + 0.55 * facing, 0.3, 1.25), np.float32)


def _speckle(shape: tuple[int, ...], rng: np.random.Generator) -> Field:
    fine = rng.standard_normal(shape[:2]).astype(np.float32)
    coarse = noise_field((shape[0], shape[1]), cell=(7, 7), rng=rng)
    return 0.4 * fine + 0.8 * coarse


def _pack(colour: Field, cover: Field, *, origin: tuple[float, float]) -> Sprite:
    pixels = np.empty((*cover.shape, 4), np.uint8)
    pixels[..., :3] = np.clip(colour, 0, 255) * cover[..., None]
    pixels[..., 3] = cover * 255
    return Sprite(pixels=pixels, origin=origin)
