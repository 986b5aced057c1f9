"""The rooms of the package, floor by floor, and their picture: ``python -m sopilot_assets_tests.rooms``.

The picture is `docs/rooms.svg`. What it says of a room is the first sentence of the room's own docstring.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

import sopilot_assets

PACKAGE: Final = Path(sopilot_assets.__file__).parent
PICTURE: Final = PACKAGE.parent / "docs" / "rooms.svg"

FLOORS: Final = (
    ("below all", ("errors", "segments")),
    ("ground floor", ("texts", "documents", "processes", "store", "settings", "disk", "at_first_use")),
    (
        "domain",
        (
            "tasks",
            "video",
            "privacy",
            "capture",
            "embedding",
            "reference",
            "alignment",
            "scoring",
            "times",
            "labels",
            "exchange",
            "intervals",
            "old_rules",
            "studies",
            "legacy",
            "dossier",
        ),
    ),
    ("what assets call", ("stations", "evidence")),
    ("upkeep and measuring", ("people", "upkeep", "bench")),
    ("on top", ("desk", "defs", "definitions", "local_run", "cli")),
)
"""From the lowest to the highest: a room imports only from those before it."""

BELOW_ALL: Final = frozenset(FLOORS[0][1])
ON_TOP: Final = FLOORS[-1][1]
FLOW: Final = tuple(room for _, rooms in FLOORS[1:-1] for room in rooms)

_WIDTH: Final = 1000
_LINE: Final = 16
_COLOURS: Final = ("#e8eaed", "#e3ecd9", "#dbe8f4", "#f3e6d3", "#efdfe9", "#e2dff1")


def sentence_of(room: str) -> str:
    """The first sentence of a room's docstring."""
    path = PACKAGE / room / "__init__.py" if (PACKAGE / room).is_dir() else PACKAGE / f"{room}.py"
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].replace("`", "").split())


def picture() -> str:
    """The floors as SVG, the highest first."""
    rows, top = list[str](), 10
    for (floor, rooms), colour in reversed(list(zip(FLOORS, _COLOURS, strict=True))):
        lines = [line for room in reversed(rooms) for line in _lines(room)]
        height = _LINE * len(lines) + 34
        rows.append(
            f'<rect x="10" y="{top}" width="{_WIDTH - 20}" height="{height}" rx="6" fill="{colour}"/>'
        )
        rows.append(f'<text x="22" y="{top + 18}" class="floor">{escape(floor)}</text>')
        for number, (name, text) in enumerate(lines):
            y = top + 38 + _LINE * number
            rows.append(f'<text x="22" y="{y}" class="room">{escape(name)}</text>' if name else "")
            rows.append(f'<text x="130" y="{y}">{escape(text)}</text>')
        top += height + 8
    style = "text{font:12px sans-serif;fill:#222}.room{font-weight:bold}.floor{fill:#666;font-style:italic}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{top + 2}">'
    return "\n".join([head, f"<style>{style}</style>", *filter(None, rows), "</svg>", ""])


def _lines(room: str) -> Iterator[tuple[str, str]]:
    for number, text in enumerate(textwrap.wrap(sentence_of(room), 125)):
        yield ("" if number else room), text


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
