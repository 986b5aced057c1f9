"""The alignment strip: one small picture of what a recording shows, against a gold.

From top to bottom, on one axis of seconds: the gold's steps, ribbons and hairlines that connect what
corresponds, the recording's steps, the evidence per clip, and the deviations as bands.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from sopilot_assets.alignment.spans import Alignment, Span, SpanKind
from sopilot_assets.scoring.result import Deviation, Score
from sopilot_assets.scoring.review import words
from sopilot_assets.scoring.review.drawing import (
    INK,
    Anchor,
    Area,
    Drawing,
    Shape,
    Stroke,
    TextLine,
    hatch,
    rectangle,
    svg,
    text_width,
)
from sopilot_assets.scoring.review.marks import (
    NO_STEP,
    ON_SEVERITY,
    ON_STEP,
    SEVERITY_COLOURS,
    icon,
    step_colour,
)
from sopilot_assets.scoring.text import chance
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.texts.languages import Text

GoldStep: TypeAlias = tuple[int, Segment]

WIDTH: Final = 1000.0
LEFT: Final = 84.0
RIGHT: Final = 990.0
GOLD_ROW: Final = (6.0, 32.0)
TRAINEE_ROW: Final = (66.0, 92.0)
_EVIDENCE_ROW: Final = (96.0, 104.0)
_FIRST_LANE: Final = 112.0
_LANE_HEIGHT: Final = 19.0
_LANE_GAP: Final = 3.0
_MAX_LANES: Final = 6
_AXIS_HEIGHT: Final = 20.0
_PIN_WIDTH: Final = 20.0
_MAX_CELLS: Final = 300
_HAIRLINES: Final = 24
_TICK_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


@dataclass(frozen=True, slots=True)
class Scale:
    """The axis that both rows share: ``span_s`` seconds from ``LEFT`` to ``RIGHT``."""

    span_s: float

    def x(self, time_s: float) -> float:
        """The horizontal place of a time in seconds; times outside the axis are put on its ends."""
        return LEFT + (RIGHT - LEFT) * min(max(time_s / self.span_s, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class _Band:
    index: int
    deviation: Deviation
    lane: int
    left: float
    right: float
    suspected: bool = False

    @property
    def top(self) -> float:
        return _FIRST_LANE + self.lane * (_LANE_HEIGHT + _LANE_GAP)


@dataclass(frozen=True, slots=True)
class _Block:
    """A stretch of a row; ``short`` is its label where the name does not fit."""

    name: Text
    short: Text
    segment: Segment
    fill: str
    row: tuple[float, float]
    left: float
    right: float
    hatched: bool = False

    def body(self) -> Iterator[Shape]:
        times = f"{words.timecode(self.segment.start_s)}–{words.timecode(self.segment.end_s)}"
        corners = rectangle(self.left, self.row[0], self.right, self.row[1])
        yield Area(corners, self.fill, title=f"{_both(self.name)}  {times}")
        if self.hatched:
            yield from hatch(self.left, self.row[0], self.right, self.row[1], colour=ON_STEP)

    def label(self) -> Iterator[Shape]:
        text = _fitted(self.name, self.short, self.right - self.left - 4)
        x, y = (self.left + self.right) / 2, (self.row[0] + self.row[1]) / 2
        if self.hatched and text.en:
            half = max(text_width(text.en, 11), text_width(text.ja, 11)) / 2 + 3
            yield Area(rectangle(x - half, y - 9, x + half, y + 9), self.fill)
        yield TextLine((x, y), text, 11, "middle", ON_STEP)


def alignment_strip_svg(
    *,
    task: TaskSpec,
    alignment: Alignment,
    score: Score,
    gold_steps: Sequence[GoldStep],
    gold_id: str | None = None,
    trainee_label: Text = words.TRAINEE,
    attributes: str = "",
) -> str:
    """The strip as an ``<svg>`` element that takes its text colour from the page; ``attributes`` join it.

    Bands carry ``data-deviation``, the index of their deviation; what is suspected counts on after what was
    found, and has dashed outlines and a question mark. ``gold_steps`` are those of ``gold_id`` (the
    warp's gold unless given), as index into the task's steps and stretch of the gold.
    """
    drawing = draw_strip(
        task=task,
        alignment=alignment,
        score=score,
        gold_steps=gold_steps,
        gold_id=gold_id,
        trainee_label=trainee_label,
    )
    return svg(drawing, attributes=attributes)


def draw_strip(
    *,
    task: TaskSpec,
    alignment: Alignment,
    score: Score,
    gold_steps: Sequence[GoldStep],
    gold_id: str | None = None,
    trainee_label: Text = words.TRAINEE,
) -> Drawing:
    """The strip as a drawing; see `alignment_strip_svg`."""
    scale = strip_scale(alignment, gold_steps)
    gold_id = gold_id or alignment.warp.gold_id
    found = _bands(score.deviations, scale)
    bands = [*found, *_possible_bands(score.suspected, found, scale)]
    bottom = _FIRST_LANE + (max((band.lane for band in bands), default=0) + 1) * (_LANE_HEIGHT + _LANE_GAP)
    blocks = [*_gold_blocks(task, gold_steps, scale), *_trainee_blocks(task, alignment.spans, scale)]
    shapes: list[Shape] = [
        *_axis(scale, bottom),
        *_ribbons(alignment.spans, gold_steps, scale),
        *(_hairlines(alignment, scale) if gold_id == alignment.warp.gold_id else ()),
        *(veil for band in bands for veil in _veil(band, scale)),
        *itertools.chain.from_iterable(block.body() for block in blocks),
        *_evidence(alignment, scale),
        *itertools.chain.from_iterable(_frames(band, gold_id, scale) for band in bands),
        *itertools.chain.from_iterable(block.label() for block in blocks),
        *itertools.chain.from_iterable(_bar(band) for band in bands),
        *_row_names(trainee_label, bands),
    ]
    return Drawing(WIDTH, bottom + _AXIS_HEIGHT, tuple(shapes))


def strip_scale(alignment: Alignment, gold_steps: Sequence[GoldStep]) -> Scale:
    """The axis of a strip: as long as the longer of the two recordings, and at least a second."""
    gold_end_s = max((segment.end_s for _, segment in gold_steps), default=0.0)
    warp_end_s = float(alignment.warp.gold_s[-1]) if len(alignment.warp.gold_s) else 0.0
    return Scale(max(alignment.duration_s, gold_end_s, warp_end_s, 1.0))


def _axis(scale: Scale, bottom: float) -> Iterator[Shape]:
    step_s = next((step for step in _TICK_STEPS_S if scale.span_s / step <= 16), _TICK_STEPS_S[-1])
    for index in range(int(scale.span_s // step_s) + 1):
        time_s, x = index * step_s, scale.x(index * step_s)
        yield Stroke(((x, GOLD_ROW[0]), (x, bottom + 3)), width=0.6, opacity=0.14)
        anchor: Anchor = "end" if x > RIGHT - 12 else "middle"
        yield _plain(x, bottom + 11, f"{time_s // 60}:{time_s % 60:02d}", size=10, anchor=anchor)


def _ribbons(spans: Sequence[Span], gold_steps: Sequence[GoldStep], scale: Scale) -> Iterator[Area]:
    """Between each step of the recording and the same step of the gold: a swap shows as a crossing."""
    for span in spans:
        for step, gold in gold_steps:
            if span.kind is SpanKind.STEP and span.step == step:
                top, low = GOLD_ROW[1] + 1, TRAINEE_ROW[0] - 1
                corners = (
                    (scale.x(gold.start_s), top),
                    (scale.x(gold.end_s), top),
                    (scale.x(span.segment.end_s), low),
                    (scale.x(span.segment.start_s), low),
                )
                yield Area(corners, step_colour(step), opacity=0.32)


def _hairlines(alignment: Alignment, scale: Scale) -> Iterator[Stroke]:
    """The warp, at even moments of the recording."""
    if not len(alignment.warp.trainee_s):
        return
    for time_s in np.linspace(0, alignment.duration_s, _HAIRLINES + 2)[1:-1]:
        top = (scale.x(alignment.warp.to_gold_s(float(time_s))), GOLD_ROW[1] + 1)
        yield Stroke((top, (scale.x(float(time_s)), TRAINEE_ROW[0] - 1)), width=0.7, opacity=0.32)


def _gold_blocks(task: TaskSpec, gold_steps: Sequence[GoldStep], scale: Scale) -> Iterator[_Block]:
    for step, segment in gold_steps:
        yield _step_block(task, step, segment, GOLD_ROW, scale)


def _trainee_blocks(task: TaskSpec, spans: Sequence[Span], scale: Scale) -> Iterator[_Block]:
    for span in spans:
        if span.kind is SpanKind.STEP and span.step is not None:
            yield _step_block(task, span.step, span.segment, TRAINEE_ROW, scale)
            continue
        frozen = span.kind is SpanKind.FROZEN
        name = words.FROZEN if frozen else words.UNKNOWN
        left, right = _sides(span.segment, scale)
        yield _Block(name, Text("", ""), span.segment, NO_STEP, TRAINEE_ROW, left, right, hatched=frozen)


def _step_block(
    task: TaskSpec, step: int, segment: Segment, row: tuple[float, float], scale: Scale
) -> _Block:
    name, number = words.step_name(task.steps[step]), str(step + 1)
    full = Text(f"{number} {name.en}", f"{number} {name.ja}")
    left, right = _sides(segment, scale)
    return _Block(full, Text(number, number), segment, step_colour(step), row, left, right)


def _sides(segment: Segment, scale: Scale) -> tuple[float, float]:
    """Left and right of a block, with a hair of space between neighbours."""
    left = scale.x(segment.start_s) + 0.6
    return left, max(scale.x(segment.end_s) - 0.6, left + 0.8)


def _evidence(alignment: Alignment, scale: Scale) -> Iterator[Area]:
    """The likeliest step of each clip, the paler the less likely; equal neighbours are drawn as one."""
    rows = zip(_cell_edges(alignment), _cell_looks(alignment), strict=True)
    for look, group in itertools.groupby(rows, key=lambda row: row[1]):
        cells = list(group)
        left, right = scale.x(cells[0][0][0]), scale.x(cells[-1][0][1])
        fill = NO_STEP if look[0] is None else step_colour(look[0])
        yield Area(rectangle(left, _EVIDENCE_ROW[0], right, _EVIDENCE_ROW[1]), fill, opacity=look[1])


def _cell_edges(alignment: Alignment) -> list[tuple[float, float]]:
    middles = alignment.clip_middle_s[:: _thinning(alignment)]
    if not len(middles):
        return []
    between = (middles[1:] + middles[:-1]) / 2
    edges = [max(2 * middles[0] - between[0], 0.0) if len(between) else 0.0, *between, alignment.duration_s]
    return [(float(start), float(end)) for start, end in itertools.pairwise(edges)]


def _cell_looks(alignment: Alignment) -> list[tuple[int | None, float]]:
    posterior = alignment.posterior[:: _thinning(alignment)]
    none = posterior.shape[1] - 1 if posterior.ndim == 2 else -1
    best = posterior.argmax(axis=1) if len(posterior) else np.zeros(0, np.int64)
    shades = [round(float(row[step]) * 10) / 10 for row, step in zip(posterior, best, strict=True)]
    return [(None if step == none else int(step), shade) for step, shade in zip(best, shades, strict=True)]


def _thinning(alignment: Alignment) -> int:
    return max(-(-len(alignment.clip_middle_s) // _MAX_CELLS), 1)


def _bands(deviations: Sequence[Deviation], scale: Scale) -> list[_Band]:
    """Each deviation on the first lane where it covers no other; what is past the last lane shares it."""
    bands: list[_Band] = []
    for index, deviation in enumerate(deviations):
        left, right = _reach(deviation.trainee, scale)
        lane = next(
            lane
            for lane in range(_MAX_LANES)
            if lane == _MAX_LANES - 1
            or all(band.lane != lane or left >= band.right or right <= band.left for band in bands)
        )
        bands.append(_Band(index, deviation, lane, left, right))
    return bands


def _possible_bands(suspected: Sequence[Deviation], found: Sequence[_Band], scale: Scale) -> list[_Band]:
    """What is suspected, on lanes of its own below those of what was found."""
    below = max((band.lane for band in found), default=0) + 1
    return [
        replace(band, index=len(found) + band.index, lane=below + band.lane, suspected=True)
        for band in _bands(suspected, scale)
    ]


def _reach(where: Segment, scale: Scale) -> tuple[float, float]:
    """Left and right of a band, widened around its middle until its icon fits, and kept on the axis."""
    left, right = scale.x(where.start_s), scale.x(where.end_s)
    lack = max(_PIN_WIDTH - (right - left), 0.0) / 2
    shift = min(max(LEFT - (left - lack), 0.0), _PIN_WIDTH) - max(right + lack - RIGHT, 0.0)
    return left - lack + shift, right + lack + shift


def _veil(band: _Band, scale: Scale) -> Iterator[Area]:
    """From the recording's row down to the band of what happened there."""
    where, colour = band.deviation.trainee, SEVERITY_COLOURS[band.deviation.severity]
    if where and not band.suspected:
        left, right = scale.x(where.start_s), scale.x(where.end_s)
        yield Area(rectangle(left, TRAINEE_ROW[1], right, band.top), colour, opacity=0.2)


def _frames(band: _Band, gold_id: str, scale: Scale) -> Iterator[Shape]:
    """Around what a deviation concerns in both rows, or a pin where something is missing."""
    deviation, dashed = band.deviation, band.suspected
    colour = INK if dashed else SEVERITY_COLOURS[deviation.severity]
    if deviation.gold is not None and deviation.gold_id == gold_id:
        yield _frame(deviation.gold, GOLD_ROW, colour, scale, dashed=dashed)
    if deviation.trainee:
        yield _frame(deviation.trainee, TRAINEE_ROW, colour, scale, dashed=dashed)
    else:
        x, top = scale.x(deviation.trainee.start_s), TRAINEE_ROW[0] - 4
        yield Stroke(((x, top), (x, band.top)), colour=colour, width=1.6 if dashed else 2.4, dashed=dashed)
        tip = ((x - 5, top - 5), (x + 5, top - 5), (x, top + 3))
        yield Stroke((*tip, tip[0]), colour=colour, width=1.4) if dashed else Area(tip, colour)


def _bar(band: _Band) -> Iterator[Shape]:
    return _possible_bar(band) if band.suspected else _found_bar(band)


def _possible_bar(band: _Band) -> Iterator[Shape]:
    low, name = band.top + _LANE_HEIGHT, words.TYPES[band.deviation.type]
    box = rectangle(band.left, band.top, band.right, low)
    how = chance(band.deviation.confidence)
    title = _both(Text(f"{how.en}: {band.deviation.text.en}", f"{how.ja}：{band.deviation.text.ja}"))
    yield Area(box, INK, opacity=0.07, title=title, deviation=band.index)
    yield Stroke((*box, box[0]), width=1.3, dashed=True)
    asked = _fitted(Text(f"? {name.en}", f"? {name.ja}"), Text("?", "?"), band.right - band.left - 10, 10.5)
    yield TextLine((band.left + 7, (band.top + low) / 2), asked, 10.5)


def _found_bar(band: _Band) -> Iterator[Shape]:
    deviation, low = band.deviation, band.top + _LANE_HEIGHT
    colour, title = SEVERITY_COLOURS[deviation.severity], _both(deviation.text)
    box = rectangle(band.left, band.top, band.right, low)
    yield Area(box, colour, title=title, deviation=band.index)
    yield from icon(deviation.type, left=band.left + 4, top=band.top + 3.5, size=12, colour=ON_SEVERITY)
    name = _fitted(words.TYPES[deviation.type], Text("", ""), band.right - band.left - _PIN_WIDTH - 4)
    yield TextLine((band.left + _PIN_WIDTH, (band.top + low) / 2), name, 10.5, "start", ON_SEVERITY)


def _frame(
    where: Segment, row: tuple[float, float], colour: str, scale: Scale, *, dashed: bool = False
) -> Stroke:
    left, right = _sides(where, scale)
    corners = rectangle(left + 1, row[0] + 1, right - 1, row[1] - 1)
    return Stroke((*corners, corners[0]), colour=colour, width=2.2, dashed=dashed)


def _row_names(trainee_label: Text, bands: Sequence[_Band]) -> Iterator[TextLine]:
    rows = [(GOLD_ROW, words.GOLD), (TRAINEE_ROW, trainee_label), (_EVIDENCE_ROW, words.EVIDENCE)]
    rows.append(((_FIRST_LANE, _FIRST_LANE + _LANE_HEIGHT), words.DEVIATIONS))
    possible = [band.top for band in bands if band.suspected]
    if possible:
        rows.append(((min(possible), min(possible) + _LANE_HEIGHT), words.POSSIBLE))
    for (top, low), name in rows:
        yield TextLine((LEFT - 8, (top + low) / 2), name, 11, "end")
    if len(bands) == len(possible):
        yield TextLine((LEFT, _FIRST_LANE + _LANE_HEIGHT / 2), Text("none found", "検出なし"), 11)


def _fitted(name: Text, short: Text, width: float, size: float = 11) -> Text:
    return Text(_cut(name.en, short.en, width, size), _cut(name.ja, short.ja, width, size))


def _cut(name: str, short: str, width: float, size: float) -> str:
    """The name, or its beginning, or else its short form: whatever fits."""
    if text_width(name, size) <= width:
        return name
    fitting = [end for end in range(6, len(name)) if text_width(name[:end] + "…", size) <= width]
    return name[: fitting[-1]].rstrip() + "…" if fitting else short


def _both(text: Text) -> str:
    return text.en if text.en == text.ja else f"{text.en} / {text.ja}"


def _plain(x: float, y: float, text: str, *, size: float, anchor: Anchor) -> TextLine:
    return TextLine((x, y), Text(text, text), size, anchor, INK)
