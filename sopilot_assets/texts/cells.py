"""Cells of tables that people open in a spreadsheet."""

from __future__ import annotations

from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """Text from elsewhere for a cell that a spreadsheet must not take for a formula.

    >>> harmless("=1+1"), harmless("take_1.mp4")
    ("'=1+1", 'take_1.mp4')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text
