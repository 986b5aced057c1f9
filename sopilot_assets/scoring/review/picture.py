"""The picture of a score for a list of results: the alignment strip, below it the bars of the steps, and the
stills of the gravest deviation.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Final

from PIL import Image

from sopilot_assets.alignment.spans import Alignment
from sopilot_assets.scoring.result import Deviation, Score
from sopilot_assets.scoring.review import words
from sopilot_assets.scoring.review.drawing import (
    PNG_SCALE,
    Drawing,
    TextLine,
    encoded,
    raster,
    text_width,
)
from sopilot_assets.scoring.review.readings import draw_readings
from sopilot_assets.scoring.review.stills import Moment, Still, StillPair, most_severe
from sopilot_assets.scoring.review.strip import WIDTH, GoldStep, draw_strip
from sopilot_assets.scoring.text import chance
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.texts.languages import Text

MOST_BYTES: Final = 90_000
"""A database keeps the picture of every score."""
_COLOURS: Final = (192, 96, 48, 24, 12)
_TALLEST: Final = 160
"""Pixels of a still; a portrait one is made smaller."""
_GAP: Final = 10
_CAPTION: Final = 20
_TEXT_SIZE: Final = 12.0
_LINE: Final = 18.0
_LONGEST: Final = 60
"""Steps with bars; a procedure of more has them on its page only."""


def score_picture_png(
    *,
    task: TaskSpec,
    alignment: Alignment,
    score: Score,
    gold_steps: Sequence[GoldStep],
    stills: Sequence[StillPair] = (),
    is_gold: bool = False,
) -> bytes:
    """A PNG below 100 kB, 1100 pixels wide, labeled in English; ``stills`` has a pair for each deviation
    and then for each suspicion; ``is_gold`` says that the recording is a gold itself.
    """
    trainee_label = words.GOLD_UNDER_TEST if is_gold else words.TRAINEE
    strip = draw_strip(
        task=task, alignment=alignment, score=score, gold_steps=gold_steps, trainee_label=trainee_label
    )
    parts = [raster(strip)]
    if 0 < len(score.steps) <= _LONGEST:
        parts.append(raster(draw_readings(task, score.steps, top=6)))
    shown = (*score.deviations, *score.suspected)
    gravest = most_severe(shown)
    if gravest is not None and stills:
        possible = gravest >= len(score.deviations)
        parts.append(_moments(shown[gravest], stills[gravest], trainee_label, possible=possible))
    if len(parts) == 1:
        return encoded(parts[0])
    return _within_limit(_stacked(parts))


def _within_limit(picture: Image.Image) -> bytes:
    """The picture with as many colours as `MOST_BYTES` allow."""
    content = b""
    for colours in _COLOURS:
        content = encoded(picture, colours=colours)
        if len(content) <= MOST_BYTES:
            break
    return content


def _stacked(parts: Sequence[Image.Image]) -> Image.Image:
    whole = Image.new("RGB", (max(part.width for part in parts), sum(part.height for part in parts)), "white")
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    return whole


def _moments(deviation: Deviation, pair: StillPair, trainee_label: Text, *, possible: bool) -> Image.Image:
    """The stills side by side with their times above them, and what was seen to the right."""
    shown: list[tuple[str, Moment]] = [(_trainee_caption(deviation, pair, trainee_label), pair.trainee)]
    if pair.gold is not None:
        shown.append((f"{words.GOLD.en} {words.timecode(pair.gold.time_s)}", pair.gold))
    pictures = [_opened(moment) for _, moment in shown]
    labels, pastes, left = [], [], _GAP
    for (caption, _), picture in zip(shown, pictures, strict=True):
        labels.append(_label(left, _CAPTION / 2, caption))
        if picture is None:
            labels.append(_label(left, _CAPTION * 1.5, "cannot be read"))
        else:
            pastes.append((picture, (left, _CAPTION)))
        width = 0 if picture is None else picture.width
        left += max(width, round(text_width(caption, _TEXT_SIZE) * PNG_SCALE)) + _GAP
    labels += list(_told(deviation, left, possible=possible))
    height = _CAPTION + max((p.height for p in pictures if p is not None), default=_CAPTION) + _GAP
    canvas = raster(Drawing(WIDTH, height / PNG_SCALE, tuple(labels)))
    for picture, at in pastes:
        canvas.paste(picture, at)
    return canvas


def _trainee_caption(deviation: Deviation, pair: StillPair, trainee_label: Text) -> str:
    expected = "" if deviation.trainee else " (expected here)"
    return f"{trainee_label.en} {words.timecode(pair.trainee.time_s)}{expected}"


def _told(deviation: Deviation, left: float, *, possible: bool) -> Iterator[TextLine]:
    title = f"{words.SEVERITIES[deviation.severity].en}: {words.TYPES[deviation.type].en}"
    title = f"Possible ({chance(deviation.confidence).en}). {title}" if possible else title
    room = WIDTH - left / PNG_SCALE - 8
    for row, line in enumerate([title, *_lines(deviation.text.en, room)]):
        yield _label(left, _CAPTION + (row + 0.5) * _LINE * PNG_SCALE, line)


def _lines(text: str, room: float) -> list[str]:
    """The text in lines of at most ``room`` units, broken between words."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, _TEXT_SIZE) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines[:7]


def _label(left_px: float, middle_px: float, text: str) -> TextLine:
    return TextLine((left_px / PNG_SCALE, middle_px / PNG_SCALE), Text(text, text), _TEXT_SIZE)


def _opened(moment: Moment) -> Image.Image | None:
    if not isinstance(moment, Still):
        return None
    with Image.open(io.BytesIO(moment.jpeg)) as picture:
        picture.load()
        share = min(_TALLEST / picture.height, 2 * _TALLEST / picture.width, 1.0)
        size = (max(round(picture.width * share), 1), max(round(picture.height * share), 1))
        return picture.resize(size) if share < 1 else picture.copy()
