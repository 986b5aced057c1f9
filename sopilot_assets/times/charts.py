"""Times as drawings, for pages and for Dagster: cycle times by week, a yamazumi, a combination table, and the
stretches of one recording.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from sopilot_assets.scoring.review.drawing import (
    Area,
    Drawing,
    Shape,
    Stroke,
    TextLine,
    hatch,
    rectangle,
    text_width,
)
from sopilot_assets.scoring.review.marks import step_colour
from sopilot_assets.store.ledgers import Row
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.texts.languages import Text
from sopilot_assets.times.occurrences import OccurrenceKind
from sopilot_assets.times.work import Combination, CombinedStep, StackedCycle

TAKT_COLOUR: Final = "#c0392b"
WAITING_COLOUR: Final = "#9aa0a6"
OTHER_COLOUR: Final = "#c9a9a6"
REWORK_COLOUR: Final = "#e08214"
TAKT: Final = Text("Takt time", "タクトタイム")
REWORK: Final = Text("Rework", "やり直し")
OTHER: Final = Text("Other work", "手順外の作業")
WAITING: Final = Text("Waiting", "手待ち")
UNKNOWN: Final = Text("unknown", "不明")

_TOP, _BOTTOM, _LEFT, _RIGHT = 26.0, 34.0, 46.0, 14.0
_HEIGHT: Final = 300.0
_WIDTH: Final = 760.0
_NARROWEST: Final = 230.0
_LETTERS: Final = 11.0
_LINE: Final = 26.0
_NAMES: Final = 250.0
_HEAD: Final = 34.0
_NUMBER, _STEP, _WORK, _WAIT, _AXIS = 26.0, 36.0, 330.0, 390.0, 404.0
"""Where the columns of a combination table are, and its axis of seconds."""
_COMBINED: Final = 1000.0


def cycle_chart(rows: Sequence[Row], *, takt_s: float | None) -> Drawing:
    """The cycle times of each week (rows of `cycle_figures` by week): from the shortest to the longest a
    line, the mean as a square and the median as a tick, beside the takt time.
    """
    shown = [row for row in rows if row["n"]]
    top_s = max([*(float(row["max_s"] or 0.0) for row in shown), takt_s or 0.0, 1.0])
    width = _LEFT + _RIGHT + max(_NARROWEST, 44.0 * len(shown))
    y, shapes = _seconds_axis(top_s, width)
    step = (width - _LEFT - _RIGHT) / max(len(shown), 1)
    every = math.ceil(66.0 / step)
    for place, row in enumerate(shown):
        middle = _LEFT + (place + 0.5) * step
        low, high, mean, median = (
            float(row[name] or 0.0) for name in ("min_s", "max_s", "mean_s", "median_s")
        )
        shapes.append(Stroke(((middle, y(low)), (middle, y(high))), width=1.4))
        shapes.append(Stroke(((middle - 9, y(median)), (middle + 9, y(median))), width=2.4))
        tip = f"{row['week']}: n {row['n']}, {mean:.1f} s ({low:.1f}-{high:.1f})"
        shapes.append(
            Area(rectangle(middle - 5, y(mean) - 5, middle + 5, y(mean) + 5), step_colour(0), title=tip)
        )
        if place % every == 0:
            shapes.append(_below(middle, _same(str(row["week"])), 0))
            shapes.append(_below(middle, _same(f"n {row['n']}"), 1))
    return Drawing(width, _HEIGHT, (*shapes, *_takt_line(takt_s, y, width)))


def yamazumi_chart(task: TaskSpec, bars: Sequence[StackedCycle], *, takt_s: float | None) -> Drawing:
    """The bars beside each other, each a stack of the steps from the bottom up, then rework, other work and
    waiting, with the takt time across them.
    """
    top_s = max([*(bar.cycle_s for bar in bars), takt_s or 0.0, 1.0])
    step = 90.0
    width = _LEFT + _RIGHT + max(_NARROWEST, step * len(bars))
    y, shapes = _seconds_axis(top_s, width)
    for place, bar in enumerate(bars):
        left = _LEFT + place * step + step * 0.14
        right = left + step * 0.72
        shapes += _stacked(task, bar, left, right, y)
        middle = (left + right) / 2
        shapes.append(TextLine((middle, y(bar.cycle_s) - 8), _same(f"{bar.cycle_s:.1f}"), _LETTERS, "middle"))
        name = UNKNOWN if bar.name is None else _same(_cut(bar.name, step))
        shapes += [_below(middle, name, 0), _below(middle, _same(f"n {bar.n}"), 1)]
    return Drawing(width, _HEIGHT, (*shapes, *_takt_line(takt_s, y, width)))


def _stacked(
    task: TaskSpec, bar: StackedCycle, left: float, right: float, y: Callable[[float], float]
) -> Iterator[Shape]:
    parts = [
        (str(number), bar.steps[step.id], step_colour(number - 1))
        for number, step in enumerate(task.steps, 1)
    ]
    parts += [
        ("", bar.rework_s, REWORK_COLOUR),
        ("", bar.other_s, OTHER_COLOUR),
        ("", bar.waiting_s, WAITING_COLOUR),
    ]
    at_s = 0.0
    for name, seconds, colour in parts:
        if seconds <= 0:
            continue
        low, high = y(at_s), y(at_s + seconds)
        yield Area(rectangle(left, high, right, low), colour, title=f"{name} {seconds:.1f} s".strip())
        yield Stroke(((left, high), (right, high)), width=0.8, opacity=0.6)
        if colour == WAITING_COLOUR:
            yield from hatch(left, high, right, low)
        if name and low - high >= _LETTERS + 1:
            yield TextLine(((left + right) / 2, (low + high) / 2), _same(name), _LETTERS, "middle", "#1a1d21")
        at_s += seconds


def combination_chart(task: TaskSpec, table: Combination, *, takt_s: float | None) -> Drawing:
    """The standard-work combination table in its usual form: number, step, seconds of work and of waiting;
    on the axis beside them the work solid, waiting dashed, a line to the next step, and the takt time.
    """
    top_s = max(table.cycle_s, takt_s or 0.0, 1.0)
    width, foot = _COMBINED, _HEAD + _LINE * len(table.steps)

    def x(seconds: float) -> float:
        return _AXIS + (width - _AXIS - 40) * seconds / top_s

    shapes: list[Shape] = [*_form(foot, width)]
    for tick in _ticks(top_s):
        shapes.append(Stroke(((x(tick), _HEAD - 6), (x(tick), foot)), width=0.6, opacity=0.25))
        shapes.append(TextLine((x(tick), _HEAD - 14), _same(f"{tick:g}"), _LETTERS, "middle"))
    for place, line in enumerate(table.steps):
        shapes += _combined(task, place, line, x, last=place + 1 == len(table.steps))
    shapes += _sums(table, foot)
    if takt_s is not None:
        shapes.append(Stroke(((x(takt_s), _HEAD - 6), (x(takt_s), foot + 4)), TAKT_COLOUR, 2.2))
        told = Text(f"{TAKT.en} {takt_s:g} s", f"{TAKT.ja} {takt_s:g} 秒")
        shapes.append(TextLine((x(takt_s), foot + 13), told, _LETTERS, "end", TAKT_COLOUR))
    return Drawing(width, foot + 24, tuple(shapes))


def _form(foot: float, width: float) -> Iterator[Shape]:
    """The head of the table and its lines."""
    heads = (
        (_NUMBER, Text("No.", "番号"), "end"),
        (_STEP, Text("Step", "作業内容"), "start"),
        (_WORK, Text("Work", "手作業"), "end"),
        (_WAIT, Text("Waiting", "手待ち"), "end"),
    )
    for left, text, anchor in heads:
        yield TextLine((left, _HEAD - 14), text, _LETTERS, "end" if anchor == "end" else "start")
    yield TextLine((width - 4, 10), Text("seconds", "秒"), _LETTERS, "end")
    for row in range(round((foot - _HEAD) / _LINE) + 1):
        at = _HEAD + row * _LINE
        yield Stroke(((0, at), (width, at)), width=0.6, opacity=0.25)
    yield Stroke(((_AXIS, 0), (_AXIS, foot + 22)), width=0.8, opacity=0.5)


def _combined(
    task: TaskSpec, place: int, line: CombinedStep, x: Callable[[float], float], *, last: bool
) -> Iterator[Shape]:
    middle, name = _HEAD + (place + 0.5) * _LINE, task.step(line.step_id).names
    yield TextLine((_NUMBER, middle), _same(str(place + 1)), _LETTERS, "end")
    room = _WORK - _STEP - 44
    yield TextLine((_STEP, middle), Text(_cut(name.en, room), _cut(name.ja, room)), _LETTERS)
    yield TextLine((_WORK, middle), _same(f"{line.work_s:.1f}"), _LETTERS, "end")
    yield TextLine((_WAIT, middle), _same(f"{line.wait_s:.1f}"), _LETTERS, "end")
    if line.wait_s > 0:
        begun = x(line.begin_s - line.wait_s)
        yield Stroke(((begun, middle), (x(line.begin_s), middle)), width=2.0, dashed=True)
    tip = f"{line.begin_s:.1f}-{line.end_s:.1f} s"
    bar = rectangle(x(line.begin_s), middle - 6, x(line.end_s), middle + 6)
    yield Area(bar, step_colour(place), title=tip)
    if not last:
        down = ((x(line.end_s), middle + 6), (x(line.end_s), middle + _LINE - 6))
        yield Stroke(down, width=0.8, opacity=0.5)


def _sums(table: Combination, foot: float) -> Iterator[Shape]:
    told = Text(
        f"Cycle {table.cycle_s:.1f} s, mean of {table.n}",
        f"サイクル {table.cycle_s:.1f} 秒（{table.n} 件の平均）",
    )
    yield TextLine((_STEP, foot + 13), told, _LETTERS)
    work, wait = (sum(getattr(one, name) for one in table.steps) for name in ("work_s", "wait_s"))
    yield TextLine((_WORK, foot + 13), _same(f"{work:.1f}"), _LETTERS, "end")
    yield TextLine((_WAIT, foot + 13), _same(f"{wait:.1f}"), _LETTERS, "end")


def recording_chart(task: TaskSpec, rows: Sequence[Row]) -> Drawing:
    """The stretches of one recording (rows of the ledger, without its cycle) on one axis of seconds: each
    step on its own line, and below it from where to where it ends in golds. A step that the task has no
    more has no line.
    """
    width, height = _WIDTH, _TOP + _LINE * (len(task.steps) + 1) + 8
    top_s = max([*(float(row["end_s"] or 0.0) for row in rows), 1.0])

    def x(seconds: float) -> float:
        return _NAMES + (width - _NAMES - 14) * min(seconds / top_s, 1.0)

    shapes: list[Shape] = []
    for tick in _ticks(top_s):
        shapes.append(Stroke(((x(tick), _TOP), (x(tick), height - 4)), width=0.6, opacity=0.25))
        shapes.append(TextLine((x(tick), _TOP - 10), _same(f"{tick:g} s"), _LETTERS, "middle"))
    names = [
        *(step.names for step in task.steps),
        Text(f"{OTHER.en} / {WAITING.en}", f"{OTHER.ja}・{WAITING.ja}"),
    ]
    for place, name in enumerate(names):
        middle = _TOP + (place + 0.5) * _LINE
        shapes.append(TextLine((4, middle), Text(_cut(name.en, _NAMES - 10), _cut(name.ja, _NAMES - 10))))
    for row in rows:
        if row["kind"] != OccurrenceKind.STEP or row["step_id"] in task.step_ids:
            shapes += _stretch(task, row, x)
    return Drawing(width, height, tuple(shapes))


def _stretch(task: TaskSpec, row: Row, x: Callable[[float], float]) -> Iterator[Shape]:
    begin_s, end_s = float(row["begin_s"] or 0.0), float(row["end_s"] or 0.0)
    if row["kind"] != OccurrenceKind.STEP:
        middle = _TOP + (len(task.steps) + 0.5) * _LINE
        colour = OTHER_COLOUR if row["kind"] == OccurrenceKind.OTHER else WAITING_COLOUR
        yield Area(rectangle(x(begin_s), middle - 6, x(end_s), middle + 6), colour)
        return
    place = task.step_ids.index(str(row["step_id"]))
    middle = _TOP + (place + 0.5) * _LINE
    low, high = (begin_s + float(row[name] or 0.0) for name in ("low_s", "high_s"))
    yield Area(
        rectangle(x(begin_s), middle - 5, x(end_s), middle + 5),
        REWORK_COLOUR if row["rework"] else step_colour(place),
    )
    yield Stroke(((x(low), middle + 8), (x(high), middle + 8)), width=2.4, opacity=0.7)


def legend(task: TaskSpec) -> tuple[tuple[str, Text], ...]:
    """The colour and name of each part of a yamazumi, from the bottom up."""
    steps = [
        (step_colour(number), Text(f"{number + 1}. {name.en}", f"{number + 1}. {name.ja}"))
        for number, name in enumerate(step.names for step in task.steps)
    ]
    return (*steps, (REWORK_COLOUR, REWORK), (OTHER_COLOUR, OTHER), (WAITING_COLOUR, WAITING))


def _seconds_axis(top_s: float, width: float) -> tuple[Callable[[float], float], list[Shape]]:
    """Where a time lies, and the axis with its lines."""
    ticks = _ticks(top_s)
    reach_s = max(top_s * 1.06, ticks[-1])

    def y(seconds: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * seconds / reach_s

    shapes: list[Shape] = [TextLine((4, 10), Text("seconds", "秒"), _LETTERS)]
    for tick in ticks:
        shapes.append(Stroke(((_LEFT, y(tick)), (width - _RIGHT, y(tick))), width=0.6, opacity=0.25))
        shapes.append(TextLine((_LEFT - 6, y(tick)), _same(f"{tick:g}"), _LETTERS, "end"))
    return y, shapes


def _takt_line(takt_s: float | None, y: Callable[[float], float], width: float) -> Iterator[Shape]:
    if takt_s is None:
        return
    yield Stroke(((_LEFT, y(takt_s)), (width - _RIGHT, y(takt_s))), TAKT_COLOUR, 2.2)
    told = Text(f"{TAKT.en} {takt_s:g} s", f"{TAKT.ja} {takt_s:g} 秒")
    yield TextLine((width - _RIGHT, y(takt_s) - 8), told, _LETTERS, "end")


def _ticks(top_s: float) -> list[float]:
    """Five or so round values from 0 on.

    >>> _ticks(36.0)
    [0.0, 10.0, 20.0, 30.0]
    """
    rough = top_s / 4
    power = 10.0 ** math.floor(math.log10(rough))
    gap = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [gap * place for place in range(math.floor(top_s / gap) + 1)]


def _below(middle: float, text: Text, line: int) -> TextLine:
    return TextLine((middle, _HEIGHT - _BOTTOM + 10 + 14 * line), text, _LETTERS, "middle")


def _same(text: str) -> Text:
    return Text(text, text)


def _cut(name: str, room: float) -> str:
    if text_width(name, _LETTERS) <= room:
        return name
    ends = [end for end in range(1, len(name)) if text_width(name[:end] + "…", _LETTERS) <= room]
    return name[: ends[-1]].rstrip() + "…" if ends else "…"
