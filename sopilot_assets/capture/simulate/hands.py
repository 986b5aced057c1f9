"""Hands and forearms as sprites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

import numpy as np

from sopilot_assets.capture.simulate.people import Person
from sopilot_assets.capture.simulate.sprites import Colour, Light, Limb, Sprite, fade_below, limbs_sprite

GRIP_REACH: Final = 46.0
"""Bench units from the wrist to the point of the hand that touches things."""


class Grasp(StrEnum):
    """The shapes a hand takes."""

    FLAT = "flat"
    CLAW = "claw"
    FIST = "fist"
    REST = "rest"


_Joint = tuple[float, float, float]  # x, y, radius; the wrist is (0, 0), fingers point to negative y
_PALM: Final[Sequence[Sequence[_Joint]]] = (
    ((-8, -10, 11), (-9, -34, 11)),
    ((7, -10, 11), (9, -33, 10)),
    ((0, 26, 13.5), (0, -8, 12.5)),
    ((0, -8, 12.5), (0, -36, 13)),
)
_FINGERS: Final[Mapping[Grasp, Sequence[Sequence[_Joint]]]] = {
    Grasp.FLAT: (
        ((-15, -40, 6.2), (-17, -56, 5.8), (-17, -69, 5.0)),
        ((-5, -44, 6.4), (-5, -62, 5.9), (-5, -77, 5.1)),
        ((6, -43, 6.2), (7, -59, 5.8), (8, -73, 5.0)),
        ((15, -37, 5.6), (18, -50, 5.0), (20, -60, 4.4)),
        ((-14, -16, 7.4), (-26, -30, 6.6), (-32, -43, 5.6)),
    ),
    Grasp.CLAW: (
        ((-15, -40, 6.6), (-22, -53, 6.2), (-20, -63, 5.4)),
        ((-5, -44, 6.8), (-8, -60, 6.3), (-8, -69, 5.6)),
        ((6, -43, 6.6), (9, -57, 6.2), (8, -67, 5.4)),
        ((15, -36, 5.9), (22, -47, 5.4), (21, -56, 4.8)),
        ((-14, -14, 7.8), (-31, -25, 7.0), (-35, -40, 6.2)),
    ),
    Grasp.FIST: (
        ((-14, -38, 7.6), (-14, -47, 7.6), (-12, -42, 7.0)),
        ((-5, -41, 7.8), (-5, -51, 7.8), (-4, -45, 7.2)),
        ((5, -40, 7.6), (5, -49, 7.6), (5, -44, 7.0)),
        ((14, -35, 6.8), (14, -43, 6.8), (13, -39, 6.2)),
        ((-15, -18, 7.8), (-22, -32, 7.2), (-13, -43, 6.6)),
    ),
    Grasp.REST: (
        ((-14, -40, 6.3), (-18, -53, 6.0), (-17, -62, 5.2)),
        ((-5, -43, 6.5), (-6, -59, 6.1), (-5, -69, 5.3)),
        ((5, -42, 6.3), (6, -56, 6.0), (7, -65, 5.2)),
        ((14, -37, 5.7), (16, -47, 5.2), (18, -55, 4.6)),
        ((-14, -15, 7.5), (-24, -28, 6.8), (-26, -41, 5.9)),
    ),
}


@dataclass(frozen=True)
class Arms:
    """The sprites of one person's arms, for the left (-1) and right (1) side."""

    hands: Mapping[tuple[int, Grasp], Sprite]
    forearms: Mapping[int, Sprite]


def draw_arms(person: Person, *, scale: float, light: Light, rng: np.random.Generator) -> Arms:
    """The arms of ``person`` at ``scale`` pixels per bench unit."""
    hands = {
        (side, grasp): fade_below(
            limbs_sprite(_hand(person, grasp, side=side), scale=scale, light=light, rng=rng, weave=0.035),
            start=2 * scale,
            length=16 * scale,
        )
        for side in (-1, 1)
        for grasp in Grasp
    }
    forearms = {
        side: limbs_sprite(_forearm(person), scale=scale, light=light, rng=rng, weave=0.07)
        for side in (-1, 1)
    }
    return Arms(hands=hands, forearms=forearms)


def _hand(person: Person, grasp: Grasp, *, side: int) -> list[Limb]:
    palm = [_limbs(joints, person.hand, person.build, side) for joints in _PALM]
    fingers = [_limbs(joints, _shade(person.hand, 1.03), person.build, side) for joints in _FINGERS[grasp]]
    return [limb for part in (*palm, *fingers) for limb in part]


def _limbs(joints: Sequence[_Joint], colour: Colour, build: float, side: int) -> list[Limb]:
    scaled = [(side * x * build, y * build, radius * build) for x, y, radius in joints]
    return [Limb((ax, ay), ar, (bx, by), br, colour) for (ax, ay, ar), (bx, by, br) in pairwise(scaled)]


def _forearm(person: Person) -> list[Limb]:
    build = person.build
    skin = Limb((0, -6), 12.2 * build, (0, 70), 16.5 * build, person.skin)
    sleeve = Limb((0, 66), 20 * build, (0, 300), 30 * build, person.sleeve)
    cuff = Limb((0, 62), 20.5 * build, (0, 64), 20.8 * build, _shade(person.sleeve, 0.82))
    parts = [skin, sleeve, cuff]
    if person.glove is not None:
        parts.append(Limb((0, -6), 13.0 * build, (0, 26), 15.5 * build, person.glove))
    if person.stripe is not None:
        parts.append(Limb((0, 98), 22.6 * build, (0, 100), 22.8 * build, person.stripe))
    return parts


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(round(part * factor), 255) for part in colour)
    return red, green, blue
