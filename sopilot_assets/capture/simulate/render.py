"""From moments to pictures: bench, parts, arms, shadows, then the camera."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from sopilot_assets.capture.simulate.camera import Camera
from sopilot_assets.capture.simulate.hands import GRIP_REACH, Arms, draw_arms
from sopilot_assets.capture.simulate.motion import turned
from sopilot_assets.capture.simulate.objects import (
    draw_things,
    draw_tray,
    gasket_sprite,
    seat_sprite,
)
from sopilot_assets.capture.simulate.people import Person
from sopilot_assets.capture.simulate.sites import BENCH, MARGIN, Site, draw_bench
from sopilot_assets.capture.simulate.sprites import Image, Sprite, stamp, stamp_shadow
from sopilot_assets.capture.simulate.state import (
    Hand,
    Layout,
    PartPlace,
    Point,
    SceneMoment,
    SceneState,
    Thing,
)

_SHADOW_SHRINK: Final = 4
_KEPT_TABLES: Final = 6
_TABLE_LIFT: Final = 0.12
_ELBOW: Final[Point] = (150.0, 500.0)


@dataclass(frozen=True)
class Wardrobe:
    """All sprites of one person at one site, and the bare bench there."""

    site: Site
    scale: float
    bench: Image
    things: Mapping[Thing, Sprite]
    arms: Arms


def open_wardrobe(site: Site, person: Person, *, scale: float) -> Wardrobe:
    """Everything that is drawn for ``person`` at ``site``, at ``scale`` pixels per bench unit."""
    look = np.random.default_rng([17, *site.name.encode()])
    bench = draw_bench(site, scale=scale, rng=look)
    things = draw_things(site, scale=scale, rng=look)
    skin = np.random.default_rng([19, *person.name.encode()])
    arms = draw_arms(person, scale=scale, light=site.light, rng=skin)
    return Wardrobe(site=site, scale=scale, bench=bench, things=things, arms=arms)


class Renderer:
    """Pictures of moments, for one recording."""

    def __init__(self, wardrobe: Wardrobe, *, layout: Layout, person: Person, camera: Camera) -> None:
        self._wardrobe = wardrobe
        self._layout = layout
        self._person = person
        self._camera = camera
        self._tables: OrderedDict[SceneState, Image] = OrderedDict()
        self._gaskets: dict[float, Sprite] = {}
        height, width = wardrobe.bench.shape[:2]
        self._mask: Image = np.zeros((height // _SHADOW_SHRINK, width // _SHADOW_SHRINK), np.uint8)

    def picture(self, moment: SceneMoment, *, number: int) -> Image:
        """Frame ``number`` of the recording, H x W x 3 uint8 RGB, showing ``moment``."""
        canvas = self._table(moment.state).copy()
        placed = self._placed(moment)
        self._shade(canvas, placed)
        for sprite, x, y, angle, zoom, _ in placed:
            stamp(canvas, sprite, x, y, angle=angle, zoom=zoom)
        return self._camera.shot(canvas, number=number)

    def _placed(self, moment: SceneMoment) -> list[_Placed]:
        placed = [
            self._place(self._wardrobe.things[held.thing], held.at, held.angle, held.lift)
            for held in moment.held
        ]
        if moment.state.oil > 0:
            placed += [
                self._place(self._gasket(moment.state.oil), held.at, held.angle, held.lift)
                for held in moment.held
                if held.thing is Thing.NEW_FILTER
            ]
        for hand in moment.hands:
            placed += self._arm(hand)
        return placed

    def _place(self, sprite: Sprite, at: Point, angle: float, lift: float) -> _Placed:
        x, y = self._pixel(at)
        return (sprite, x, y, angle, 1 + _TABLE_LIFT * lift, lift)

    def _arm(self, hand: Hand) -> list[_Placed]:
        elbow = self._elbow(hand)
        towards = math.degrees(math.atan2(hand.at[0] - elbow[0], elbow[1] - hand.at[1]))
        angle = towards + hand.bend
        wrist = turned(hand.at, GRIP_REACH * self._person.build, angle)
        forearm = math.degrees(math.atan2(wrist[0] - elbow[0], elbow[1] - wrist[1]))
        arms = self._wardrobe.arms
        return [
            self._place(arms.forearms[hand.side], wrist, forearm, hand.lift + 0.25),
            self._place(arms.hands[hand.side, hand.grasp], wrist, angle, hand.lift + 0.15),
        ]

    def _elbow(self, hand: Hand) -> Point:
        base = BENCH[0] / 2 + hand.side * (_ELBOW[0] + self._person.stance)
        return (base + 0.3 * (hand.at[0] - base), _ELBOW[1] + 0.25 * (hand.at[1] - BENCH[1]))

    def _pixel(self, at: Point) -> Point:
        scale = self._wardrobe.scale
        return ((at[0] + MARGIN) * scale, (at[1] + MARGIN) * scale)

    def _shade(self, canvas: Image, placed: list[_Placed]) -> None:
        """Darken the canvas where the things' shadows fall."""
        site, scale = self._wardrobe.site, self._wardrobe.scale
        mask = self._mask
        mask[:] = 0
        for sprite, x, y, angle, zoom, lift in placed:
            far = (5 + 26 * lift) * scale
            place = ((x - site.light[0] * far) / _SHADOW_SHRINK, (y - site.light[1] * far) / _SHADOW_SHRINK)
            stamp_shadow(mask, sprite, *place, angle=angle, zoom=zoom / _SHADOW_SHRINK)
        softness, depth = site.shadow
        soft = cv2.GaussianBlur(mask, (0, 0), softness * max(scale, 0.3))
        light = cv2.resize(
            cv2.convertScaleAbs(soft, alpha=-depth, beta=255), (canvas.shape[1], canvas.shape[0])
        )
        cv2.multiply(canvas, cv2.cvtColor(light, cv2.COLOR_GRAY2RGB), dst=canvas, scale=1 / 255)

    def _table(self, state: SceneState) -> Image:
        """The bench with everything that lies still in this state."""
        table = self._tables.get(state)
        if table is None:
            table = self._set_table(state)
            self._tables[state] = table
            if len(self._tables) > _KEPT_TABLES:
                self._tables.popitem(last=False)
        return table

    def _set_table(self, state: SceneState) -> Image:
        canvas = self._wardrobe.bench.copy()
        self._trays(canvas)
        for sprite, at, angle, height in self._lying(state):
            placed = self._place(sprite, at, angle, 0.0)
            self._shade(canvas, [(*placed[:5], height)])
            stamp(canvas, sprite, placed[1], placed[2], angle=angle)
        return canvas

    def _trays(self, canvas: Image) -> None:
        scale = self._wardrobe.scale
        for place in (PartPlace.TRAY, PartPlace.WASTE):
            x, y = self._pixel(Layout().places[place])
            half = 52 * scale
            draw_tray(canvas, center=(x, y), half=half, colour=self._wardrobe.site.tray)

    def _lying(self, state: SceneState) -> list[tuple[Sprite, Point, float, float]]:
        """(sprite, place, angle, height) of everything on the bench, from the bottom up."""
        things, places = self._wardrobe.things, self._layout.places
        seat = self._layout.seat
        lying: list[tuple[Sprite, Point, float, float]] = []
        if state.board:
            lying.append((things[Thing.BOARD], seat, 0.0, 0.1))
        else:
            lying.append((things[Thing.HOUSING], seat, 0.0, 0.3))
            lying.append((self._seat(state.clean), seat, 0.0, -0.19))
            parts = (
                (Thing.OLD_FILTER, state.old_filter),
                (Thing.NEW_FILTER, state.new_filter),
                (Thing.COVER, state.cover),
            )
            lying += [
                (things[thing], places[place], 0.0, 0.2)
                for thing, place in parts
                if place is not PartPlace.HELD
            ]
            if state.oil > 0 and state.new_filter in (PartPlace.TRAY, PartPlace.SEAT, PartPlace.SHOULDER):
                at = len(lying) - (1 if state.cover is not PartPlace.HELD else 0)
                lying.insert(at, (self._gasket(state.oil), places[state.new_filter], 0.0, -0.19))
        tools = [tool for tool in self._layout.tools if tool not in state.taken]
        return lying + [(things[tool], *self._layout.tools[tool], 0.1) for tool in tools]

    def _seat(self, clean: float) -> Sprite:
        return seat_sprite(self._wardrobe.site, scale=self._wardrobe.scale, clean=clean)

    def _gasket(self, oil: float) -> Sprite:
        sprite = self._gaskets.get(oil)
        if sprite is None:
            sprite = self._gaskets[oil] = gasket_sprite(scale=self._wardrobe.scale, oil=oil)
        return sprite


_Placed = tuple[Sprite, float, float, float, float, float]
"""sprite, x, y (pixels), angle (degrees), zoom, lift."""
