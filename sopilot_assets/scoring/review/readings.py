"""The steps of a recording against the golds: bars of time on the golds' range, bars of evidence on the noise
floor.

Blue is within what the golds show and orange outside it, a pair that all common colour blindnesses keep
apart; a word and a sign say the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.scoring.result import StepReading
from sopilot_assets.scoring.review import words
from sopilot_assets.scoring.review.drawing import (
    Area,
    Drawing,
    Shape,
    Stroke,
    TextLine,
    rectangle,
    text_width,
)
from sopilot_assets.scoring.review.marks import step_colour
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.texts.languages import Text

WITHIN: Final = "#3b82c4"
OUTSIDE: Final = "#d55e00"
BAND: Final = "#8d96a3"

_LEAST_RANGE_S: Final = 0.05
"""A narrower range is that of a single gold."""
_BAR: Final = (420.0, 18.0)
_EDGE: Final = 2.0
_THICK: Final = 8.0
_ROW: Final = 21.0
_HEAD: Final = 18.0
_NAMES: Final = 190.0
_TIME: Final = (200.0, 520.0)
_SURE: Final = (690.0, 870.0)


@dataclass(frozen=True, slots=True)
class ReadingVerdict:
    """What a reading says, as a sign (empty where it says nothing) and in words."""

    sign: str
    text: Text


_NOT_FOUND: Final = ReadingVerdict("✕", Text("not found", "見つかりません"))


def longest_s(readings: Sequence[StepReading]) -> float:
    """The end of the axis that the bars of time share, in seconds."""
    return max([1.0, *(max(reading.high_s, reading.usual_s, reading.seconds or 0.0) for reading in readings)])


def time_verdict(reading: StepReading) -> ReadingVerdict:
    """How long the step took, against the golds' range."""
    if reading.seconds is None:
        return _NOT_FOUND
    if not _has_range(reading):
        return ReadingVerdict("", Text("no range of golds", "お手本の範囲なし"))
    if reading.seconds > reading.high_s:
        return ReadingVerdict("▲", Text("longer than the golds", "お手本より長い"))
    if reading.seconds < reading.low_s:
        return ReadingVerdict("▼", Text("shorter than the golds", "お手本より短い"))
    return ReadingVerdict("✓", Text("within the golds' range", "お手本の範囲内"))


def evidence_verdict(reading: StepReading) -> ReadingVerdict:
    """Whether the evidence reaches what a held-out gold had at least."""
    if reading.evidence is None:
        return _NOT_FOUND
    if reading.evidence_floor is None:
        return ReadingVerdict("", Text("no floor", "ノイズフロアなし"))
    if reading.evidence < reading.evidence_floor:
        return ReadingVerdict("▼", Text("below floor", "ノイズフロア未満"))
    return ReadingVerdict("✓", Text("above floor", "ノイズフロア以上"))


def _has_range(reading: StepReading) -> bool:
    return reading.high_s - reading.low_s >= _LEAST_RANGE_S


def percent(log_probability: float | None) -> str:
    """A mean log-probability in nats as the probability it stands for.

    >>> percent(-0.5), percent(0.0), percent(None)
    ('61 %', '100 %', '–')
    """
    return "–" if log_probability is None else f"{math.exp(min(log_probability, 0.0)) * 100:.0f} %"


def time_bar(reading: StepReading, span_s: float) -> Drawing:
    """One step's time on an axis of ``span_s`` seconds: a bar, the golds' range as a band and the usual
    time as a tick.
    """
    return Drawing(*_BAR, tuple(_time_shapes(reading, span_s, _EDGE, _BAR[0] - _EDGE, _BAR[1] / 2)))


def evidence_bar(reading: StepReading) -> Drawing:
    """One step's evidence as a probability from 0 to 1: a bar, and the noise floor as a dashed line."""
    return Drawing(*_BAR, tuple(_evidence_shapes(reading, _EDGE, _BAR[0] - _EDGE, _BAR[1] / 2)))


def bar_keys() -> tuple[tuple[Drawing, Text], ...]:
    """What the bars are made of: a small drawing of each part, and its name."""
    middle, low, high = 8.0, 1.0, 15.0
    parts: tuple[tuple[Shape, Text], ...] = (
        (Area(rectangle(1, middle - 4, 25, middle + 4), WITHIN), Text("within", "範囲内")),
        (Area(rectangle(1, middle - 4, 25, middle + 4), OUTSIDE), Text("outside", "範囲外")),
        (Area(rectangle(1, low, 25, high), BAND, 0.5), Text("range of the golds", "お手本の範囲")),
        (Stroke(((13, low), (13, high)), width=2.2), Text("usual time", "通常の時間")),
        (Stroke(((13, low), (13, high)), width=2.2, dashed=True), Text("noise floor", "ノイズフロア")),
    )
    return tuple((Drawing(26, 16, (shape,)), name) for shape, name in parts)


def draw_readings(task: TaskSpec, readings: Sequence[StepReading], *, top: float = 0.0) -> Drawing:
    """All steps below each other, as wide as the alignment strip; ``top`` units above them stay free."""
    span_s, shapes = longest_s(readings), [*_head(top + _HEAD / 2)]
    for row, reading in enumerate(readings):
        middle = top + _HEAD + (row + 0.5) * _ROW
        shapes += _named(task, reading, middle)
        shapes += _time_shapes(reading, span_s, *_TIME, middle)
        shapes.append(_said(_TIME[1], middle, _seconds(reading), time_verdict(reading)))
        shapes += _evidence_shapes(reading, *_SURE, middle)
        shapes.append(_said(_SURE[1], middle, _sure(reading), evidence_verdict(reading)))
    return Drawing(1000.0, top + _HEAD + len(readings) * _ROW + 4, tuple(shapes))


def _head(middle: float) -> Iterator[Shape]:
    yield TextLine((_TIME[0], middle), words.TIME_HEAD, 11)
    yield TextLine((_SURE[0], middle), words.EVIDENCE_HEAD, 11)


def _named(task: TaskSpec, reading: StepReading, middle: float) -> Iterator[Shape]:
    step = task.step_ids.index(reading.step_id)
    name = words.numbered(task, step)
    fitting = Text(_cut(name.en), _cut(name.ja))
    yield Area(rectangle(4, middle - 5, 14, middle + 5), step_colour(step))
    yield TextLine((20, middle), fitting, 11)


def _cut(name: str) -> str:
    room = _NAMES - 20
    if text_width(name, 11) <= room:
        return name
    ends = [end for end in range(1, len(name)) if text_width(name[:end] + "…", 11) <= room]
    return name[: ends[-1]].rstrip() + "…"


def _said(left: float, middle: float, figure: str, verdict: ReadingVerdict) -> TextLine:
    return TextLine(
        (left + 8, middle), Text(f"{figure} {verdict.text.en}", f"{figure} {verdict.text.ja}"), 11
    )


def _seconds(reading: StepReading) -> str:
    return "" if reading.seconds is None else f"{reading.seconds:.1f} s"


def _sure(reading: StepReading) -> str:
    return "" if reading.evidence is None else percent(reading.evidence)


def _time_shapes(
    reading: StepReading, span_s: float, left: float, right: float, middle: float
) -> Iterator[Shape]:
    def x(seconds: float) -> float:
        return left + (right - left) * min(max(seconds / span_s, 0.0), 1.0)

    low, high = middle - _THICK, middle + _THICK
    yield Stroke(((left, high), (right, high)), width=0.7, opacity=0.3)
    yield Area(
        rectangle(x(reading.low_s), low, max(x(reading.high_s), x(reading.low_s) + 1), high), BAND, 0.5
    )
    if reading.seconds is not None:
        inside = not _has_range(reading) or reading.low_s <= reading.seconds <= reading.high_s
        yield from _bar(left, x(reading.seconds), middle, good=inside)
    yield Stroke(((x(reading.usual_s), low - 1), (x(reading.usual_s), high + 1)), width=2.2)


def _evidence_shapes(reading: StepReading, left: float, right: float, middle: float) -> Iterator[Shape]:
    def x(log_probability: float) -> float:
        return left + (right - left) * math.exp(min(log_probability, 0.0))

    low, high = middle - _THICK, middle + _THICK
    yield Stroke(((left, high), (right, high)), width=0.7, opacity=0.3)
    if reading.evidence is not None:
        floor = reading.evidence_floor
        yield from _bar(left, x(reading.evidence), middle, good=floor is None or reading.evidence >= floor)
    if reading.evidence_floor is not None:
        at = x(reading.evidence_floor)
        yield Stroke(((at, low - 1), (at, high + 1)), width=2.2, dashed=True)


def _bar(left: float, right: float, middle: float, *, good: bool) -> Iterator[Shape]:
    corners = rectangle(left, middle - _THICK / 2, max(right, left + 1), middle + _THICK / 2)
    yield Area(corners, WITHIN if good else OUTSIDE)
