"""Which licences a file of Wikimedia Commons is under, by the codes that its API gives."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

DEFAULT_FAMILIES: Final = ("cc0", "pd", "cc-by", "cc-by-sa")
"""Licences that allow copying and changing for any purpose; the last two ask for attribution."""

_NAMED: Final = {"cc-zero": "cc0", "publicdomain": "pd", "public domain": "pd"}
_VERSIONED: Final = re.compile(r"(cc-by(?:-nc)?(?:-nd|-sa)?|gfdl|fal)(?:-.*)?")


def licence_family(code: str | None) -> str | None:
    """The licence without version and country; None where the code is missing or not known.

    >>> licence_family("cc-by-sa-3.0-de"), licence_family("pd-usgov"), licence_family("CC0")
    ('cc-by-sa', 'pd', 'cc0')
    """
    plain = (code or "").strip().lower()
    plain = _NAMED.get(plain, plain)
    if plain == "cc0":
        return "cc0"
    if plain == "pd" or plain.startswith("pd-"):
        return "pd"
    found = _VERSIONED.fullmatch(plain)
    return found[1] if found else None


def is_allowed(code: str | None, families: Collection[str]) -> bool:
    """Whether the licence belongs to one of the families; one that is not known never does."""
    return licence_family(code) in families
