"""Colours and icons: what a step, a severity and a type of deviation look like everywhere on a review page.

Step colours are Paul Tol's *light* scheme (SRON/EPS/TN/09-002), made for filled areas under dark text and
told apart with every common colour blindness. Colour is never alone: steps carry numbers, deviations icons
and names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sopilot_assets.scoring.review.drawing import Point, Stroke
from sopilot_assets.tasks import DeviationType, Severity

_STEP_COLOURS: Final = (
    "#77aadd",
    "#ee8866",
    "#eedd88",
    "#ffaabb",
    "#44bb99",
    "#99ddff",
    "#bbcc33",
    "#aaaa00",
)
NO_STEP: Final = "#b8bcc2"
ON_STEP: Final = "#15181c"
ON_SEVERITY: Final = "#ffffff"

SEVERITY_COLOURS: Final[Mapping[Severity, str]] = {
    Severity.CRITICAL: "#b3261e",
    Severity.QUALITY: "#8a5a00",
    Severity.EFFICIENCY: "#1d5fa8",
}

_ICONS: Final[Mapping[DeviationType, tuple[tuple[Point, ...], ...]]] = {
    DeviationType.MISSING_STEP: (
        ((2, 5), (2, 2), (5, 2)),
        ((11, 2), (14, 2), (14, 5)),
        ((14, 11), (14, 14), (11, 14)),
        ((5, 14), (2, 14), (2, 11)),
        ((5, 8), (11, 8)),
    ),
    DeviationType.ORDER_SWAP: (((2, 5), (14, 5), (11, 2)), ((14, 11), (2, 11), (5, 14))),
    DeviationType.WRONG_STEP: (((3, 3), (13, 13)), ((13, 3), (3, 13))),
    DeviationType.STEP_DEVIATION: (((1, 10), (4, 5), (7, 6), (9, 10), (12, 11), (15, 6)),),
    DeviationType.OVER_TIME: (((3, 2), (13, 2), (3, 14), (13, 14), (3, 2)),),
    DeviationType.FREEZE: (((5, 2), (5, 14)), ((11, 2), (11, 14))),
}


def step_colour(step: int) -> str:
    """The fill of a step by its index; past the eighth the colours come again, paler each time.

    >>> step_colour(0), step_colour(8)
    ('#77aadd', '#b4d0ec')
    """
    turn, index = divmod(step, len(_STEP_COLOURS))
    keep = 0.55**turn
    channels = (int(_STEP_COLOURS[index][at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - channel) * keep):02x}" for channel in channels)


def icon(kind: DeviationType, *, left: float, top: float, size: float, colour: str) -> tuple[Stroke, ...]:
    """The lines of a type's icon in a square of ``size`` units."""
    scale = size / 16
    return tuple(
        Stroke(tuple((left + x * scale, top + y * scale) for x, y in line), colour=colour, width=2 * scale)
        for line in _ICONS[kind]
    )
