"""Cells of tables that people open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
Other = TypeVar("Other")


def harmless(text: str) -> str:
    """Text from elsewhere for a cell that a spreadsheet must not take for a formula.

    >>> harmless("=1+1"), harmless("take_1.mp4")
    ("'=1+1", 'take_1.mp4')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def harmless_row(row: Mapping[str, Other | str]) -> dict[str, Other | str]:
    """The cells of a row by column, its texts harmless."""
    return {name: harmless(value) if isinstance(value, str) else value for name, value in row.items()}
