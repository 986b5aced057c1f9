"""The score on its scale, with the task's limits and what golds score against each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sopilot_assets.scoring.review.drawing import (
    INK,
    Anchor,
    Area,
    Drawing,
    Shape,
    Stroke,
    TextLine,
    rectangle,
)
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.texts.languages import Text

_WIDTH: Final = 360.0
_EDGE: Final = 8.0
_BAR: Final = (14.0, 24.0)
_ZONES: Final = ("#d9825b", "#e3b94f", "#58a877")
_NO_ZONES: Final = ("#b9bec6", "#c6cad1", "#d3d7dc")
_ON_ZONES: Final = "#15181c"


def draw_gauge(
    task: TaskSpec,
    score: float | None,
    noise_floor_score: float | None,
    interval: tuple[float, float] | None = None,
    *,
    decides: bool = True,
) -> Drawing:
    """A bar from 0 to 100 in the task's three zones; the score points, its interval is a line with ends, the
    noise floor is a dashed line. The zones have no colours where the score decides nothing.
    """
    return Drawing(_WIDTH, 42.0, tuple(_shapes(task, score, noise_floor_score, interval, decides=decides)))


def _shapes(
    task: TaskSpec,
    score: float | None,
    noise_floor_score: float | None,
    interval: tuple[float, float] | None,
    *,
    decides: bool,
) -> Iterator[Shape]:
    limits = (0.0, task.retrain_score, task.pass_score, 100.0)
    for colour, low, high in zip(_ZONES if decides else _NO_ZONES, limits, limits[1:], strict=False):
        yield Area(rectangle(_x(low), _BAR[0], _x(high), _BAR[1]), colour)
    for limit, anchor in _limit_labels(task):
        yield TextLine((_x(limit), _BAR[1] + 10), Text(f"{limit:g}", f"{limit:g}"), 11, anchor)
    if noise_floor_score is not None:
        x = _x(noise_floor_score)
        yield Stroke(((x, _BAR[0] - 5), (x, _BAR[1] + 5)), width=1.6, dashed=True)
    if interval is not None:
        yield from _interval(*interval)
    if score is not None:
        x = _x(score)
        yield Stroke(((x, _BAR[0]), (x, _BAR[1])), width=2.4)
        yield Area(((x - 6, 2), (x + 6, 2), (x, _BAR[0] - 1)), INK)


def _interval(low: float, high: float) -> Iterator[Shape]:
    middle = (_BAR[0] + _BAR[1]) / 2
    yield Stroke(((_x(low), middle), (_x(high), middle)), colour=_ON_ZONES, width=2.0)
    for end in (low, high):
        yield Stroke(((_x(end), middle - 4), (_x(end), middle + 4)), colour=_ON_ZONES, width=2.0)


def _limit_labels(task: TaskSpec) -> Iterator[tuple[float, Anchor]]:
    close = task.pass_score - task.retrain_score < 8
    if not close:
        yield task.retrain_score, "middle"
    yield task.pass_score, "middle"


def _x(score: float) -> float:
    return _EDGE + (_WIDTH - 2 * _EDGE) * min(max(score, 0.0), 100.0) / 100
