"""Charts as inline SVG: axes, marks and text, with the same bytes for the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from markupsafe import Markup, escape

INK: Final = "#1f2933"
SOFT: Final = "#6b7785"
GRID: Final = "#e3e7ec"
POSITIVE: Final = "#c2410c"
NEGATIVE: Final = "#2563a8"
GOOD: Final = "#2f7d4f"
LIMIT: Final = "#9b1c31"

_SIZE: Final = 12.0
_LETTER: Final = 0.55


@dataclass(slots=True)
class Chart:
    """A plot area with linear axes from ``x`` and to ``y`` (lowest, highest), drawn onto from back to front.

    Sizes are in pixels at the scale of the page; the margins hold labels.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    width: float = 480.0
    height: float = 300.0
    left: float = 66.0
    right: float = 28.0
    top: float = 30.0
    bottom: float = 46.0
    parts: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place of a point on the page."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return (
            self.left + across * (self.width - self.left - self.right),
            self.height - self.bottom - up * (self.height - self.top - self.bottom),
        )

    def axes(
        self,
        *,
        x_ticks: Sequence[tuple[float, str]],
        y_ticks: Sequence[tuple[float, str]],
        x_name: str,
        y_name: str = "",
    ) -> None:
        """Grid lines with their labels, and the names of the axes."""
        for value, text in x_ticks:
            self.line([(value, self.y[0]), (value, self.y[1])], GRID)
            px, py = self.at(value, self.y[0])
            self._text(px, py + 17, text, SOFT, "middle")
        for value, text in y_ticks:
            self.line([(self.x[0], value), (self.x[1], value)], GRID)
            px, py = self.at(self.x[0], value)
            self._text(px - 8, py + 4, text, SOFT, "end")
        middle = (self.left + self.width - self.right) / 2
        self._text(middle, self.height - 8, x_name, INK, "middle")
        if y_name:
            up = (self.top + self.height - self.bottom) / 2
            self._text(13, up, y_name, INK, "middle", turned=True)

    def line(
        self, points: Iterable[tuple[float, float]], colour: str, *, width: float = 1.0, dashed: bool = False
    ) -> None:
        """A line through points."""
        path = " ".join(f"{px:.2f},{py:.2f}" for px, py in (self.at(*point) for point in points))
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dash}/>'
        )

    def dot(
        self,
        x: float,
        y: float,
        colour: str,
        *,
        size: float,
        hollow: bool = False,
        title: str = "",
        lift: float = 0.0,
    ) -> None:
        """A dot, ``lift`` pixels above its point; hollow ones show the page through."""
        px, py = self.at(x, y)
        fill = "#fff" if hollow else colour
        tip = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(
            f'<circle cx="{px:.2f}" cy="{py - lift:.2f}" r="{size:g}" fill="{fill}" stroke="{colour}" '
            f'stroke-width="1.4">{tip}</circle>'
        )

    def label(
        self,
        x: float,
        y: float,
        text: str,
        colour: str = INK,
        *,
        anchor: str = "start",
        right: float = 0.0,
        bold: bool = False,
    ) -> None:
        """Text at a point, moved to the right by pixels."""
        px, py = self.at(x, y)
        self._text(px + right, py + 4, text, colour, anchor, bold=bold)

    def legend(self, entries: Sequence[tuple[str, str, bool]]) -> None:
        """Names of the colours (colour, name, hollow), in one line above the plot area."""
        x, y = self.left + 5, self.top - 14
        for colour, name, hollow in entries:
            fill = "#fff" if hollow else colour
            self.parts.append(
                f'<circle cx="{x:.2f}" cy="{y - 4:.2f}" r="4" fill="{fill}" stroke="{colour}" '
                'stroke-width="1.4"/>'
            )
            self._text(x + 10, y, name, INK, "start")
            x += 30 + len(name) * _SIZE * _LETTER

    def svg(self, description: str) -> Markup:
        """The chart; ``description`` is read to those who cannot see it."""
        body = "".join(self.parts)
        return Markup(  # noqa: S704 - texts are escaped where they enter
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{escape(description)}" font-size="{_SIZE:g}">{body}</svg>'
        )

    def _text(
        self,
        px: float,
        py: float,
        text: str,
        colour: str,
        anchor: str,
        *,
        turned: bool = False,
        bold: bool = False,
    ) -> None:
        turn = f' transform="rotate(-90 {px:.2f} {py:.2f})"' if turned else ""
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(
            f'<text x="{px:.2f}" y="{py:.2f}" fill="{colour}" text-anchor="{anchor}"{weight}{turn}>'
            f"{escape(text)}</text>"
        )


def shares() -> list[tuple[float, str]]:
    """Ticks from 0 to 1 as percentages."""
    return [(index * 0.2, f"{20 * index} %") for index in range(6)]
