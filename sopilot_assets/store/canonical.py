"""JSON in two forms: canonical bytes, of which ids are made, and indented bytes for people to read.

Both take plain data, numpy scalars and arrays, enums and pydantic models. A NaN becomes null; an infinite
number is refused (``ValueError``), since JSON has none.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, TypeAlias

import numpy as np
from pydantic import BaseModel

Plain: TypeAlias = bool | int | float | str | list["Plain"] | dict[str, "Plain"] | None

DIGITS: Final = 6
"""Decimals that results are rounded to."""


def canonical_json(value: object) -> bytes:
    """The value as JSON in UTF-8 whose bytes depend on the content only: sorted keys, no spaces.

    >>> canonical_json({"b": 1, "a": (0.5, float("nan"))})
    b'{"a":[0.5,null],"b":1}'
    """
    text = json.dumps(
        plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return text.encode("utf-8")


def content_sha256(value: object) -> str:
    """The SHA-256 (64 hex digits) of the value's canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def content_id(value: object, digits: int = 12) -> str:
    """An id of the value's content: the first ``digits`` hex digits of its SHA-256."""
    return content_sha256(value)[:digits]


def pretty_json(value: object) -> bytes:
    """The value as JSON for people: sorted keys, one space of indentation, a line feed at the end."""
    text = json.dumps(plain(value), ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    return f"{text}\n".encode()


def rounded(value: object, digits: int = DIGITS) -> Any:
    """The value as plain data with every float rounded to ``digits`` decimals; NaN becomes None.

    >>> rounded({"rate": 2 / 3, "low": -1e-9, "n": 3})
    {'rate': 0.666667, 'low': 0.0, 'n': 3}
    """
    return _rounded(plain(value), digits)


def plain(value: object) -> Plain:
    """The value as what JSON knows; ``TypeError`` for anything that has no such form."""
    value = _unwrapped(value)
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"expected plain data for JSON, found {type(value).__name__}: {value!r}")


def _unwrapped(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Enum):
        return value.value
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _rounded(value: Plain, digits: int) -> Plain:
    if isinstance(value, dict):
        return {key: _rounded(one, digits) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one, digits) for one in value]
    # adding 0 turns -0.0 into 0.0
    return round(value, digits) + 0.0 if isinstance(value, float) else value
