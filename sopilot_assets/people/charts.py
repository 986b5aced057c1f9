"""Charts of a person's results as shares of their frame, in percent: x from the left, y from the top.

A page draws them as SVG in the size that it has, so that dots stay round and letters keep their size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sopilot_assets.people.curves import Practice, ShareAt
from sopilot_assets.people.recordings import OwnRecording
from sopilot_assets.people.step_times import StepTimes


@dataclass(frozen=True, slots=True)
class Dot:
    """A recording in a chart; ``number`` is its number on the x axis, from 1."""

    x: float
    y: float
    number: int
    recording: OwnRecording


@dataclass(frozen=True, slots=True)
class ResultsChart:
    """Dots, and where there is a curve its line and the band around it as points of SVG ("x,y x,y"), else
    empty. ``last`` is the highest number on the x axis, ``top`` the value at the upper end of the y axis,
    which begins at 0.
    """

    dots: tuple[Dot, ...]
    line: str
    band: str
    last: int
    top: float


def share_chart(
    decided: Sequence[OwnRecording], shares: Sequence[ShareAt], passed: Sequence[bool]
) -> ResultsChart:
    """The decided recordings, on top those that passed, and the running share, in percent."""
    place = _places(len(decided))
    dots = tuple(
        Dot(place(number), 0.0 if good else 100.0, number, one)
        for number, (one, good) in enumerate(zip(decided, passed, strict=True), 1)
    )
    points = [(place(at.number), 100 * at.share, 100 * at.low, 100 * at.high) for at in shares]
    return ResultsChart(dots, *_curve(points, 100.0), len(decided), 100.0)


def score_chart(recordings: Sequence[OwnRecording]) -> ResultsChart:
    """The points of each recording that has some."""
    place = _places(len(recordings))
    dots = tuple(
        Dot(place(number), 100 - one.score, number, one)
        for number, one in enumerate(recordings, 1)
        if one.score is not None
    )
    return ResultsChart(dots, "", "", len(recordings), 100.0)


def time_chart(
    recordings: Sequence[OwnRecording], seconds: Mapping[str, float], law: Practice | None = None
) -> ResultsChart:
    """The times of recordings in seconds, by key, and the law of practice; no dots where there are none."""
    place, line = _places(len(recordings)), () if law is None else law.line
    top = _round_up(max([*seconds.values(), *(at.seconds for at in line)], default=0.0))
    dots = tuple(
        Dot(place(number), 100 - 100 * seconds[one.key] / top, number, one)
        for number, one in enumerate(recordings, 1)
        if one.key in seconds
    )
    points = [(place(at.number), at.seconds, at.low_s, at.high_s) for at in line]
    return ResultsChart(dots, *_curve(points, top), len(recordings), top)


@dataclass(frozen=True, slots=True)
class StepChart:
    """The times of one step, and where the golds' range lies: ``upper`` to ``lower`` from the top."""

    times: StepTimes
    chart: ResultsChart
    upper: float
    lower: float


def step_chart(recordings: Sequence[OwnRecording], times: StepTimes) -> StepChart:
    """The times of one step against the golds' range."""
    chart = time_chart(recordings, {**times.seconds, "": times.high_s})
    low, high = (100 - 100 * value / chart.top for value in (times.low_s, times.high_s))
    return StepChart(times, chart, high, low)


def bars(counts: Sequence[int], most: int) -> tuple[tuple[float, float], ...]:
    """A stacked bar of counts beside others, of which the longest has ``most``: where each part begins and
    how long it is, both in percent.

    >>> bars((3, 0, 1), 8)
    ((0.0, 37.5), (37.5, 0.0), (37.5, 12.5))
    """
    whole, begins = max(most, 1), 0
    parts = []
    for count in counts:
        parts.append((100 * begins / whole, 100 * count / whole))
        begins += count
    return tuple(parts)


def _places(count: int) -> Callable[[int], float]:
    """Where a number stands: half a place from the edges."""
    return lambda number: 100 * (number - 0.5) / max(count, 1)


def _curve(points: Sequence[tuple[float, float, float, float]], top: float) -> tuple[str, str]:
    def along(some: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{x:.2f},{100 - 100 * min(value, top) / top:.2f}" for x, value in some)

    line = along([(x, value) for x, value, _, _ in points])
    upper = [(x, high) for x, _, _, high in points]
    lower = [(x, low) for x, _, low, _ in reversed(points)]
    return line, along(upper + lower)


def _round_up(value: float) -> float:
    """The next round number from a value on, at least 1.

    >>> [_round_up(value) for value in (0.0, 1.0, 33.0, 76.0, 130.0)]
    [1.0, 1.0, 40.0, 80.0, 200.0]
    """
    if value <= 1:
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return float(next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if value <= step * power))
