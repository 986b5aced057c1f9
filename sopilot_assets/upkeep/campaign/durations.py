"""Durations as people write them: ``90s``, ``15m``, ``1h``, ``96h``, ``4d``, ``1h30m``."""

from __future__ import annotations

import re
from typing import Final

from sopilot_assets.errors import ConfigError

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_WHOLE: Final = re.compile(rf"(?:{_PART.pattern})+")


def parse_duration(text: str, *, name: str = "duration") -> float:
    """The seconds that a text stands for; ``ConfigError``, which says ``name``, where it is none above 0.

    >>> parse_duration("1h30m")
    5400.0
    """
    cleaned = text.strip().lower()
    seconds = sum(float(count) * _SECONDS[unit] for count, unit in _PART.findall(cleaned))
    if not _WHOLE.fullmatch(cleaned) or not seconds > 0:
        raise ConfigError(
            f"{name}: expected a number above 0 with s, m, h or d, e.g. 90s, 15m, 1h or 4d; found {text!r}."
        )
    return seconds


def say_duration(seconds: float) -> str:
    """The seconds as a short text with at most two units, for people.

    >>> say_duration(5400), say_duration(12.3), say_duration(0)
    ('1h 30m', '12s', '0s')
    """
    left = round(max(seconds, 0.0))
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"
