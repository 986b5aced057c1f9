"""A drawing as a list of shapes, rendered as inline SVG or as PNG; the same drawing gives the same bytes."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Final, Literal, TypeAlias

from PIL import Image, ImageColor, ImageDraw, ImageFont

from sopilot_assets.texts.languages import Text

Point: TypeAlias = tuple[float, float]
Anchor: TypeAlias = Literal["start", "middle", "end"]

INK: Final = "ink"
"""The text colour of whatever surrounds the drawing: black in a PNG."""

PNG_SCALE: Final = 1.1
"""Pixels a unit: the wide dialog in which Dagster shows a picture has room for about 1150 pixels."""
_OVERSAMPLING: Final = 2
_PNG_COLOURS: Final = 128
_PNG_ANCHORS: Final[dict[Anchor, str]] = {"start": "lm", "middle": "mm", "end": "rm"}
_DASH: Final = (4.0, 3.0)


@dataclass(frozen=True, slots=True)
class Area:
    """A filled polygon; ``title`` is its tooltip and ``deviation`` the deviation it stands for, by index."""

    points: tuple[Point, ...]
    fill: str
    opacity: float = 1.0
    title: str = ""
    deviation: int | None = None


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through points."""

    points: tuple[Point, ...]
    colour: str = INK
    width: float = 1.0
    opacity: float = 1.0
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text; ``at`` is its anchor, on half the height of the letters."""

    at: Point
    text: Text
    size: float = 11.0
    anchor: Anchor = "start"
    colour: str = INK


Shape: TypeAlias = Area | Stroke | TextLine


@dataclass(frozen=True, slots=True)
class Drawing:
    """Shapes on a canvas of ``width`` by ``height`` units, the first at the bottom."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


def rectangle(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    """The corners of a rectangle."""
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def hatch(
    left: float, top: float, right: float, bottom: float, *, gap: float = 6.0, colour: str = INK
) -> Iterator[Stroke]:
    """Lines at 45 degrees that fill a rectangle, cut at its edges."""
    height = bottom - top
    for index in range(1, math.ceil((right - left + height) / gap)):
        foot = left + index * gap
        low = (min(foot, right), bottom - max(foot - right, 0.0))
        high = (max(foot - height, left), top + max(left - (foot - height), 0.0))
        yield Stroke((low, high), colour=colour, width=1.2, opacity=0.55)


@lru_cache(maxsize=4096)
def text_width(text: str, size: float) -> float:
    """A cautious estimate of the width of a text, in the units of ``size``: wide letters count double.

    >>> text_width("ab", 10) < text_width("手順", 10)
    True
    """
    return size * sum(1.02 if ord(letter) > 0x2E7F else 0.58 for letter in text)


def svg(drawing: Drawing, *, attributes: str = "") -> str:
    """The drawing as an ``<svg>`` element for an HTML page; ``attributes`` (already escaped) are added to it.

    Labels whose languages differ come twice, marked by ``lang``, and the page shows one of them.
    """
    body = "".join(_svg_shape(shape) for shape in drawing.shapes)
    box = f"0 0 {_number(drawing.width)} {_number(drawing.height)}"
    return f'<svg viewBox="{box}" {attributes} font-family="system-ui, sans-serif">{body}</svg>'


def _svg_shape(shape: Shape) -> str:
    if isinstance(shape, Area):
        return _svg_area(shape)
    if isinstance(shape, Stroke):
        return _svg_stroke(shape)
    return "".join(_svg_label(shape))


def _svg_area(area: Area) -> str:
    deviation = "" if area.deviation is None else f' data-deviation="{area.deviation}"'
    title = f"<title>{escape(area.title)}</title>" if area.title else ""
    opacity = "" if area.opacity >= 1 else f' fill-opacity="{_number(area.opacity)}"'
    shape = f'points="{_points(area.points)}" fill="{_css(area.fill)}"{opacity}{deviation}'
    return f"<polygon {shape}>{title}</polygon>" if title else f"<polygon {shape}/>"


def _svg_stroke(stroke: Stroke) -> str:
    dashes = f' stroke-dasharray="{_DASH[0]:g} {_DASH[1]:g}"' if stroke.dashed else ""
    opacity = "" if stroke.opacity >= 1 else f' stroke-opacity="{_number(stroke.opacity)}"'
    return (
        f'<polyline points="{_points(stroke.points)}" fill="none" stroke="{_css(stroke.colour)}" '
        f'stroke-width="{_number(stroke.width)}"{opacity}{dashes} pointer-events="none"/>'
    )


def _svg_label(label: TextLine) -> Iterator[str]:
    both = label.text.en != label.text.ja
    for language, text in (("en", label.text.en), ("ja", label.text.ja)) if both else (("", label.text.en),):
        mark = f' lang="{language}"' if language else ""
        yield (
            f'<text x="{_number(label.at[0])}" y="{_number(label.at[1])}" dy=".35em" '
            f'font-size="{_number(label.size)}" text-anchor="{label.anchor}" fill="{_css(label.colour)}" '
            f'pointer-events="none"{mark}>{escape(text)}</text>'
        )


def _css(colour: str) -> str:
    return "currentColor" if colour == INK else colour


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def png(drawing: Drawing) -> bytes:
    """The drawing as a small PNG on white, in English, ``PNG_SCALE`` pixels a unit."""
    return encoded(raster(drawing))


def raster(drawing: Drawing) -> Image.Image:
    """The drawing as an RGB picture on white, in English, ``PNG_SCALE`` pixels a unit."""
    scale = PNG_SCALE * _OVERSAMPLING
    large = Image.new("RGB", (round(drawing.width * scale), round(drawing.height * scale)), "white")
    canvas = ImageDraw.Draw(large, "RGBA")
    for shape in drawing.shapes:
        _png_shape(canvas, shape, scale)
    return large.reduce(_OVERSAMPLING)


def encoded(picture: Image.Image, *, colours: int = _PNG_COLOURS) -> bytes:
    """The picture as a PNG with a palette of that many colours."""
    # median cut and the strongest compression take ten times as long, for the same size and no better look
    small = picture.quantize(colours, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    small.save(stream, "PNG")
    return stream.getvalue()


def _png_shape(canvas: ImageDraw.ImageDraw, shape: Shape, scale: float) -> None:
    if isinstance(shape, Area):
        canvas.polygon(_scaled(shape.points, scale), fill=_rgba(shape.fill, shape.opacity))
    elif isinstance(shape, Stroke):
        for piece in _dashes(shape.points) if shape.dashed else [shape.points]:
            width = max(round(shape.width * scale), 1)
            canvas.line(_scaled(piece, scale), fill=_rgba(shape.colour, shape.opacity), width=width)
    else:
        at = (shape.at[0] * scale, shape.at[1] * scale)
        font = _font(round(shape.size * scale))
        canvas.text(at, shape.text.en, _rgba(shape.colour, 1.0), font, anchor=_PNG_ANCHORS[shape.anchor])


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    font = ImageFont.load_default(size)
    # the same words come in every picture, and drawing letters takes longer than all else in it
    font.getmask2 = lru_cache(maxsize=1024)(font.getmask2)  # type: ignore[method-assign, union-attr]
    return font


def _scaled(points: Iterable[Point], scale: float) -> list[Point]:
    return [(x * scale, y * scale) for x, y in points]


def _rgba(colour: str, opacity: float) -> tuple[int, int, int, int]:
    red, green, blue = ImageColor.getrgb("#1a1d21" if colour == INK else colour)[:3]
    return red, green, blue, round(255 * opacity)


def _dashes(points: tuple[Point, ...]) -> Iterator[tuple[Point, ...]]:
    on, off = _DASH
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        length = math.hypot(x1 - x0, y1 - y0)
        for index in range(math.ceil(length / (on + off))):
            start, end = index * (on + off) / length, min((index * (on + off) + on) / length, 1.0)
            yield (
                (x0 + start * (x1 - x0), y0 + start * (y1 - y0)),
                (x0 + end * (x1 - x0), y0 + end * (y1 - y0)),
            )
