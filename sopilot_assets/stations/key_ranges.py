"""Stretches of partition keys that lie side by side in the order of registration: what a ranged run takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyRange:
    """A contiguous stretch of registered keys, both ends included.

    >>> str(KeyRange("a", "c", 3)), str(KeyRange("d", "d", 1))
    ('[a...c]', 'd')
    """

    start: str
    end: str
    size: int

    def __str__(self) -> str:
        return self.start if self.size == 1 else f"[{self.start}...{self.end}]"


def contiguous_ranges(registered: Sequence[str], wanted: Iterable[str]) -> list[KeyRange]:
    """The fewest ranges of ``registered`` that hold exactly the ``wanted`` keys; unregistered ones are left
    out.

    >>> [str(keys) for keys in contiguous_ranges(["a", "b", "c", "d"], ["d", "a", "b"])]
    ['[a...b]', 'd']
    """
    chosen, ranges, size = set(wanted), list[KeyRange](), 0
    for place, key in enumerate(registered):
        size = size + 1 if key in chosen else 0
        if size and (key == registered[-1] or registered[place + 1] not in chosen):
            ranges.append(KeyRange(registered[place - size + 1], key, size))
    return ranges
