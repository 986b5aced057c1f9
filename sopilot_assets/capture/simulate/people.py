"""The people who do the work: how each looks, and how each moves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from sopilot_assets.capture.simulate.sprites import Colour


@dataclass(frozen=True)
class Person:
    """One worker.

    ``tempo`` divides the length of every step, ``rhythm`` multiplies the rate of strokes within it, ``reach``
    their size. ``side`` is 1 for right-handed, -1 for left-handed. ``wrist`` (degrees) and ``stance`` (bench
    units) turn the hands and move the elbows; ``tremor`` is in bench units. ``steadies`` says whether the
    other hand holds on to the work or rests. ``glove`` covers the skin where it is not ``None``.
    """

    name: str
    tempo: float
    rhythm: float
    reach: float
    side: int
    wrist: float
    stance: float
    tremor: float
    steadies: bool
    skin: Colour
    sleeve: Colour
    stripe: Colour | None
    glove: Colour | None
    build: float

    @property
    def hand(self) -> Colour:
        """The colour that is seen of the hand."""
        return self.glove or self.skin


def _person(
    name: str,
    pace: tuple[float, float, float],
    style: tuple[int, float, float, float, bool],
    colours: tuple[Colour, Colour, Colour | None, Colour | None],
    build: float,
) -> Person:
    tempo, rhythm, reach = pace
    side, wrist, stance, tremor, steadies = style
    skin, sleeve, stripe, glove = colours
    return Person(
        name, tempo, rhythm, reach, side, wrist, stance, tremor, steadies, skin, sleeve, stripe, glove, build
    )


_PALE: Final = (226, 184, 158)
_LIGHT: Final = (214, 168, 136)
_OLIVE: Final = (190, 144, 108)
_TAN: Final = (168, 118, 84)
_BROWN: Final = (122, 82, 58)
_DARK: Final = (86, 58, 44)

_NAVY: Final = (52, 66, 104)
_GREY: Final = (118, 122, 128)
_GREEN: Final = (62, 96, 78)
_ORANGE: Final = (206, 112, 46)
_WHITE: Final = (204, 206, 204)
_RED: Final = (150, 52, 50)
_KHAKI: Final = (150, 134, 98)
_BLACK: Final = (48, 48, 54)
_YELLOW: Final = (220, 200, 74)
_SILVER: Final = (200, 204, 208)
_NITRILE: Final = (96, 128, 176)
_LATEX: Final = (212, 206, 190)

PEOPLE: Final[Mapping[str, Person]] = {
    person.name: person
    for person in (
        _person("p01", (1.00, 1.00, 1.00), (1, 4.0, 0.0, 0.5, True), (_LIGHT, _NAVY, None, None), 1.00),
        _person("p02", (1.12, 1.10, 0.90), (1, -8.0, 8.0, 0.7, True), (_TAN, _GREY, _YELLOW, None), 0.95),
        _person("p03", (0.88, 0.90, 1.08), (-1, 2.0, -4.0, 0.4, True), (_PALE, _GREEN, None, None), 1.05),
        _person(
            "p04", (1.05, 0.95, 1.12), (1, 10.0, 14.0, 0.9, False), (_BROWN, _ORANGE, _SILVER, None), 1.04
        ),
        _person("p05", (0.94, 1.05, 0.96), (1, -3.0, -8.0, 0.6, True), (_OLIVE, _WHITE, _NAVY, None), 0.98),
        _person("p06", (1.20, 1.16, 1.05), (1, 7.0, 4.0, 1.0, False), (_LIGHT, _RED, None, None), 0.93),
        _person("p07", (0.84, 0.86, 0.92), (-1, -5.0, 6.0, 0.5, True), (_DARK, _KHAKI, None, None), 1.06),
        _person(
            "p08", (1.08, 1.02, 1.06), (1, 0.0, 10.0, 0.8, True), (_PALE, _NAVY, _YELLOW, _NITRILE), 1.00
        ),
        _person("p09", (0.98, 1.12, 1.00), (1, 6.0, -10.0, 0.6, True), (_TAN, _BLACK, None, None), 0.97),
        _person("p10", (1.15, 0.94, 0.94), (1, -10.0, 2.0, 0.7, False), (_OLIVE, _GREY, None, _LATEX), 1.02),
    )
}
"""The ten that are drawn by hand."""

MOST: Final = 99
"""The highest number of a person; those beyond the ten are drawn by chance, each from its own number."""

_NUMBERED: Final = re.compile(r"p(\d\d)")
_SKINS: Final = (_PALE, _LIGHT, _OLIVE, _TAN, _BROWN, _DARK)
_SLEEVES: Final = (_NAVY, _GREY, _GREEN, _ORANGE, _WHITE, _RED, _KHAKI, _BLACK)
_STRIPES: Final = (None, None, _YELLOW, _SILVER, _NAVY)
_GLOVES: Final = (None, None, None, _NITRILE, _LATEX)


def find_person(name: str) -> Person | None:
    """The person of this name, ``p01`` to ``p99``; None for any other name.

    >>> find_person("p57") == find_person("p57"), find_person("nobody")
    (True, None)
    """
    if name in PEOPLE:
        return PEOPLE[name]
    match = _NUMBERED.fullmatch(name)
    return _drawn(name, int(match[1])) if match and int(match[1]) else None


def expanded(names: Iterable[str]) -> Iterator[str]:
    """The names, with a range such as ``p08-p11`` as the names it stands for.

    >>> list(expanded(["p01", "p08-p11"]))
    ['p01', 'p08', 'p09', 'p10', 'p11']
    """
    for name in names:
        first, _, last = (_NUMBERED.fullmatch(part) for part in name.partition("-"))
        if first and last:
            yield from (f"p{number:02}" for number in range(int(first[1]), int(last[1]) + 1))
        else:
            yield name


def _drawn(name: str, number: int) -> Person:
    """Somebody within the range of the ten."""
    chance = np.random.default_rng([number, 0x50E0])

    def one_of(colours: tuple[Colour | None, ...]) -> Colour | None:
        return colours[int(chance.integers(len(colours)))]

    def between(low: float, high: float) -> float:
        return round(float(chance.uniform(low, high)), 3)

    return Person(
        name,
        tempo=between(0.84, 1.20),
        rhythm=between(0.86, 1.16),
        reach=between(0.90, 1.12),
        side=-1 if chance.random() < 0.15 else 1,
        wrist=between(-10, 10),
        stance=between(-10, 14),
        tremor=between(0.4, 1.0),
        steadies=bool(chance.random() < 0.7),
        skin=one_of(_SKINS) or _LIGHT,
        sleeve=one_of(_SLEEVES) or _NAVY,
        stripe=one_of(_STRIPES),
        glove=one_of(_GLOVES),
        build=between(0.93, 1.06),
    )
