"""The languages that people on the floor read, and a sentence in both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Language(StrEnum):
    """The languages that reasons and advice are written in."""

    EN = "en"
    JA = "ja"


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in English and Japanese."""

    en: str
    ja: str
