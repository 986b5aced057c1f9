"""What lies where on the bench, and what is in a worker's hands at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sopilot_assets.capture.simulate.hands import Grasp

Point = tuple[float, float]


class PartPlace(StrEnum):
    """Where a part is."""

    SEAT = "seat"
    PARK = "park"
    TRAY = "tray"
    WASTE = "waste"
    SHOULDER = "shoulder"
    HELD = "held"


class Thing(StrEnum):
    """Everything that can be drawn."""

    COVER = "cover"
    OLD_FILTER = "old_filter"
    NEW_FILTER = "new_filter"
    WRENCH = "wrench"
    CLOTH = "cloth"
    OIL_CAN = "oil_can"
    HAMMER = "hammer"
    RULER = "ruler"
    SPRAY = "spray"
    SCREWDRIVER = "screwdriver"
    HOUSING = "housing"
    BOARD = "board"


@dataclass(frozen=True)
class SceneState:
    """What is true of the work: where the parts are, how clean the seat and how oily the gasket is (0 to 1).

    ``taken`` are tools that do not lie in their place; ``board`` says that other work lies on the bench.
    """

    cover: PartPlace = PartPlace.SEAT
    old_filter: PartPlace = PartPlace.SEAT
    new_filter: PartPlace = PartPlace.TRAY
    clean: float = 0.0
    oil: float = 0.0
    taken: frozenset[Thing] = frozenset()
    board: bool = False

    @property
    def blocked(self) -> bool:
        """Whether something in or on the seat keeps a filter from going in."""
        return self.cover is PartPlace.SEAT or self.old_filter is PartPlace.SEAT


@dataclass(frozen=True)
class Held:
    """A thing off its place: where (bench units), turned how far, and how high above the bench (0 to 1)."""

    thing: Thing
    at: Point
    angle: float = 0.0
    lift: float = 0.0


@dataclass(frozen=True)
class Hand:
    """One hand: ``side`` -1 is the left, ``at`` the point it touches, ``bend`` the wrist in degrees."""

    side: int
    at: Point
    grasp: Grasp = Grasp.REST
    bend: float = 0.0
    lift: float = 0.0


@dataclass(frozen=True)
class SceneMoment:
    """Everything that is to be seen at one moment."""

    state: SceneState
    hands: tuple[Hand, ...] = ()
    held: tuple[Held, ...] = ()


SEAT: Final[Point] = (236.0, 146.0)
_PLACES: Final[Mapping[PartPlace, Point]] = {
    PartPlace.SEAT: SEAT,
    PartPlace.PARK: (86.0, 78.0),
    PartPlace.TRAY: (84.0, 194.0),
    PartPlace.WASTE: (402.0, 82.0),
    PartPlace.SHOULDER: (330.0, 116.0),
}
_TOOLS: Final[Mapping[Thing, tuple[Point, float]]] = {
    Thing.WRENCH: ((352.0, 196.0), -58.0),
    Thing.CLOTH: ((402.0, 168.0), 12.0),
    Thing.OIL_CAN: ((158.0, 44.0), 20.0),
}


@dataclass(frozen=True)
class Layout:
    """Where things have their place in one recording; nobody puts things down in exactly the same spot."""

    places: Mapping[PartPlace, Point] = field(default_factory=lambda: dict(_PLACES))
    tools: Mapping[Thing, tuple[Point, float]] = field(default_factory=lambda: dict(_TOOLS))

    @property
    def seat(self) -> Point:
        """The middle of the filter seat."""
        return self.places[PartPlace.SEAT]
