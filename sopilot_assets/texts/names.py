"""Names and lines from outside, made safe to store and to show."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

_NAME_BYTES: Final = 80
_MOST_NAMED: Final = 12
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of writing, by which a name can be made to look like another."""
_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_LONE_SURROGATE = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")
"""Half characters that stand for no byte of a file name; JSON can hold them."""
_UNSAFE = re.compile(r"[^\w.()+=@ -]+")
_DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
"""What Windows takes for a device, whatever suffix it has."""


def printable(name: str) -> str:
    """A name as text that can be stored and shown: undecodable bytes, control characters, ends of lines and
    characters that turn the direction of writing become U+FFFD.
    """
    text = os.fsencode(_LONE_SURROGATE.sub("\ufffd", name)).decode("utf-8", "replace")
    return "".join("\ufffd" if _is_unprintable(character) else character for character in text)


def _is_unprintable(character: str) -> bool:
    return unicodedata.category(character) in _UNPRINTABLE or character in _TURNING


def composed(name: str) -> str:
    """A name as it is compared with others: macOS writes letters and their marks one by one (NFD), others
    together (NFC), and both look the same.

    >>> composed("カ\\u3099イト\\u3099.mp4") == "ガイド.mp4"
    True
    """
    return unicodedata.normalize("NFC", name)


def safe_name(name: str) -> str:
    """A short file name that every file system takes, those of Windows too; letters of any script are kept.

    >>> safe_name("../作業 1\\n.MP4"), safe_name("aux.mp4"), safe_name("line 1. ")
    ('_作業 1_.MP4', '_aux.mp4', 'line 1')
    """
    text = composed(printable(name))
    text = _UNSAFE.sub("_", text).strip(". ") or "_"
    text = f"_{text}" if _DEVICE.fullmatch(text) else text
    stem, dot, suffix = text.rpartition(".")
    if not dot or len(suffix.encode()) > 8:
        stem, dot, suffix = text, "", ""
    room = _NAME_BYTES - len((dot + suffix).encode())
    return (stem.encode()[:room].decode("utf-8", "ignore") + dot + suffix).rstrip(". ")


def one_line(text: str, longest: int = 2000) -> str:
    """A text on one line without control characters, cut where it is very long."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= longest else f"{line[: longest - 2]} …"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one, upper or lower case; None where none is like it."""
    folded = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(name.casefold(), folded, n=1)
    return folded[found[0]] if found else None


def not_among(name: str, known: Iterable[str]) -> str:
    """What to say of a name that is not among the known ones: the nearest of them, then all, or the first
    dozen.

    >>> not_among("oilchange", ["tea", "oil_change"]), not_among("x", [])
    ('did you mean oil_change? Known: oil_change, tea', 'none is known')
    """
    names = sorted(set(known))
    if not names:
        return "none is known"
    near = nearest(name, names)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    listed = f"{', '.join(names[:_MOST_NAMED])}{more}"
    return f"did you mean {near}? Known: {listed}" if near else f"known: {listed}"
