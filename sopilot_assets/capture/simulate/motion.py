"""Paths through space and time, and the hands that follow them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sopilot_assets.capture.simulate.hands import Grasp
from sopilot_assets.capture.simulate.people import Person
from sopilot_assets.capture.simulate.state import Hand, Layout, Point, SceneState

_HOME: Final = (64.0, 292.0)
_MIDDLE_X: Final = 236.0


@dataclass(frozen=True)
class Stage:
    """What an action needs to know of one instant.

    ``progress`` runs from 0 to 1 over the action, ``clock_s`` is the time that strokes are counted in,
    ``before`` the state when the action began, ``phase`` (radians) where its strokes begin.
    """

    progress: float
    clock_s: float
    before: SceneState
    layout: Layout
    person: Person
    phase: float = 0.0

    @property
    def side(self) -> int:
        """1 where the leading hand is the right one, else -1."""
        return self.person.side

    def wave(self, hertz: float) -> float:
        """A sine of this many strokes a second, in [-1, 1]."""
        return math.sin(2 * math.pi * hertz * self.clock_s + self.phase)

    def stroke(self, hertz: float, *, pull: float = 0.65) -> float:
        """A ratchet's stroke in [0, 1]: up during the share ``pull`` of each cycle, back in the rest."""
        cycle = (hertz * self.clock_s + self.phase / (2 * math.pi)) % 1.0
        return ease(cycle / pull) if cycle < pull else 1 - ease((cycle - pull) / (1 - pull))

    def during(self, start: float, end: float) -> float:
        """How far the part of the action between two progress values is done, eased, in [0, 1]."""
        return ease((self.progress - start) / (end - start))

    def envelope(self, start: float, end: float, *, edge: float = 0.05) -> float:
        """1 between two progress values, 0 outside, with soft edges."""
        return self.during(start - edge, start) * (1 - self.during(end, end + edge))

    def home(self, which: int) -> Point:
        """Where the leading (1) or the other (-1) hand rests."""
        return (_MIDDLE_X + which * self.side * (_HOME[0] + self.person.stance / 2), _HOME[1])

    def lead(self, at: Point, grasp: Grasp = Grasp.REST, *, bend: float = 0.0, lift: float = 0.0) -> Hand:
        """The leading hand at a point; ``bend`` is given as for a right hand."""
        return self._hand(1, at, grasp, bend, lift)

    def other(self, at: Point, grasp: Grasp = Grasp.REST, *, bend: float = 0.0, lift: float = 0.0) -> Hand:
        """The other hand at a point; ``bend`` is given as for a right hand."""
        return self._hand(-1, at, grasp, bend, lift)

    def steadying(self, at: Point, start: float, end: float) -> Hand:
        """The other hand holding on to ``at`` between two progress values, or resting if the person never
        steadies."""
        home = self.home(-1)
        if not self.person.steadies:
            return self.other((home[0], home[1] - 14 * self.envelope(start, end, edge=0.12)))
        place = along(self.progress, ((start - 0.13, home), (start, at), (end, at), (end + 0.13, home)))
        return self.other(place, Grasp.CLAW if start < self.progress < end else Grasp.REST)

    def beside(self, point: Point, dx: float, dy: float) -> Point:
        """``point`` moved by (dx, dy), dx counted towards the leading hand's side."""
        return (point[0] + self.side * dx, point[1] + dy)

    def _hand(self, which: int, at: Point, grasp: Grasp, bend: float, lift: float) -> Hand:
        side = which * self.side
        return Hand(side=side, at=at, grasp=grasp, bend=side * (bend + self.person.wrist), lift=lift)


def ease(share: float) -> float:
    """A minimum-jerk ramp from 0 to 1 (Flash and Hogan 1985), flat outside [0, 1].

    >>> ease(-1), ease(0.5), ease(2)
    (0.0, 0.5, 1.0)
    """
    x = min(max(share, 0.0), 1.0)
    return x**3 * (10 - 15 * x + 6 * x * x)


def along(progress: float, stops: Sequence[tuple[float, Point]]) -> Point:
    """The point reached at ``progress`` on a path of (progress, point) stops, eased between them.

    >>> along(0.5, ((0.0, (0.0, 0.0)), (1.0, (10.0, 20.0))))
    (5.0, 10.0)
    """
    if progress <= stops[0][0]:
        return stops[0][1]
    for (start, a), (end, b) in pairwise(stops):
        if progress <= end:
            share = ease((progress - start) / (end - start)) if end > start else 1.0
            return (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]))
    return stops[-1][1]


def mixed(a: float, b: float, share: float) -> float:
    """``a`` at share 0, ``b`` at share 1."""
    return a + share * (b - a)


def turned(center: Point, radius: float, degrees: float) -> Point:
    """The point ``radius`` below ``center``, turned clockwise around it.

    >>> turned((0.0, 0.0), 10.0, 0.0)
    (0.0, 10.0)
    """
    angle = math.radians(degrees)
    return (round(center[0] - radius * math.sin(angle), 9), round(center[1] + radius * math.cos(angle), 9))
