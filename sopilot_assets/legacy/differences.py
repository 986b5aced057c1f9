"""Where two JSON documents differ, and by how much."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard

TOLERANCE: Final = 1e-6

_SLACK: Final = 1e-9
"""Two numbers of 6 digits that differ by one in the last are 1e-6 apart only up to floating point."""


@dataclass(frozen=True, slots=True)
class ReportDifference:
    """One place where documents differ; ``size`` is infinite where they are not two numbers."""

    where: str
    expected: object
    found: object
    size: float

    def __str__(self) -> str:
        return f"{self.where}: expected {_shown(self.expected)}, found {_shown(self.found)}"


ABSENT: Final = "nothing"
"""What is shown for a key that one of the documents lacks."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The largest difference between the numbers of two documents, and the differences that count."""

    largest: float
    where: str
    differences: tuple[ReportDifference, ...]


def compare_documents(expected: object, found: object, *, ignored: frozenset[str]) -> Comparison:
    """What differs between two documents; keys in ``ignored`` are left out at every depth.

    Numbers may differ by `TOLERANCE`; everything else has to be equal, keys and lengths of lists included.
    """
    every = list(_walk(expected, found, "", ignored))
    numbers = [one for one in every if math.isfinite(one.size)]
    largest = max(numbers, key=lambda one: one.size, default=None)
    counting = tuple(one for one in every if one.size > TOLERANCE + _SLACK)
    if largest is None or not largest.size:
        return Comparison(0.0, "", counting)
    return Comparison(largest.size, largest.where, counting)


def _walk(expected: object, found: object, where: str, ignored: frozenset[str]) -> Iterator[ReportDifference]:
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        yield from _walk_keys(expected, found, where, ignored)
    elif isinstance(expected, list) and isinstance(found, list):
        yield from _walk_items(expected, found, where, ignored)
    elif _is_number(expected) and _is_number(found):
        yield ReportDifference(where, expected, found, _distance(float(expected), float(found)))
    elif type(expected) is not type(found) or expected != found:
        yield ReportDifference(where, expected, found, math.inf)


def _walk_keys(
    expected: Mapping[str, object], found: Mapping[str, object], where: str, ignored: frozenset[str]
) -> Iterator[ReportDifference]:
    for key in (*expected, *(key for key in found if key not in expected)):
        if key in ignored:
            continue
        place = f"{where}.{key}" if where else key
        if key not in found:
            yield ReportDifference(place, expected[key], ABSENT, math.inf)
        elif key not in expected:
            yield ReportDifference(place, ABSENT, found[key], math.inf)
        else:
            yield from _walk(expected[key], found[key], place, ignored)


def _walk_items(
    expected: Sequence[object], found: Sequence[object], where: str, ignored: frozenset[str]
) -> Iterator[ReportDifference]:
    if _are_ids(expected) and _are_ids(found):
        # lists of job ids: one job too many must not make all that follow it differ
        for job_id in sorted(set(expected) ^ set(found)):
            inside = job_id in expected
            yield ReportDifference(
                f"{where}[{job_id}]", job_id if inside else ABSENT, ABSENT if inside else job_id, math.inf
            )
        if set(expected) == set(found) and list(expected) != list(found):
            yield ReportDifference(where, expected, found, math.inf)
        return
    if len(expected) != len(found):
        yield ReportDifference(f"{where}.length", len(expected), len(found), math.inf)
    for place, pair in enumerate(zip(expected, found, strict=False)):
        yield from _walk(*pair, f"{where}[{place}]", ignored)


def _are_ids(values: Sequence[object]) -> TypeGuard[Sequence[int]]:
    return all(isinstance(value, int) and not isinstance(value, bool) for value in values)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _distance(first: float, second: float) -> float:
    if first == second or (math.isnan(first) and math.isnan(second)):
        return 0.0
    distance = abs(first - second)
    return distance if math.isfinite(distance) else math.inf


def _shown(value: object) -> str:
    text = str(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
