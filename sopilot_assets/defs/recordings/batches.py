"""Which new recordings become which runs: as few contiguous ranges as possible, none twice at a time, and
smaller ones after a failure.

A range that failed is cut into quarters and waits longer each time. So a fault of the machine costs little
while it lasts, and one recording that takes its whole run down is alone after a few rounds, instead of
holding up all others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.stations.key_ranges import KeyRange

FIRST_WAIT_S: Final = 120.0
LONGEST_WAIT_S: Final = 7200.0
_CUT: Final = 4


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run over the keys from ``start`` to ``end``; ``ended_s`` is None while it runs, else seconds since
    the epoch.
    """

    run_id: str
    start: str
    end: str
    ended_s: float | None


@dataclass(frozen=True, slots=True)
class Batch:
    """One run to launch; ``follows`` is the last run that covered its first key, None if there was none."""

    keys: KeyRange
    follows: str | None

    @property
    def run_key(self) -> str:
        """A name that stays the same until the batch has been tried, so that it is launched once."""
        return f"{self.keys.start}..{self.keys.end} after {self.follows or 'registration'}"


def plan_batches(
    registered: Sequence[str],
    *,
    done: Collection[str],
    attempts: Sequence[Attempt],
    now_s: float,
    largest: int,
) -> list[Batch]:
    """The runs for all registered keys that are neither done, nor running, nor waiting after a failure.

    ``attempts`` are the runs so far, oldest first; a key that one of them covered and that is not done counts
    as failed there. ``now_s`` is in seconds since the epoch, ``largest`` the most keys of one run.
    """
    tried = _tried(registered, attempts)
    due = (
        (place, key, len(tried.get(key, ())))
        for place, key in enumerate(registered)
        if key not in done and _is_due(tried.get(key, ()), now_s)
    )
    return [
        Batch(_range(part), tried[part[0][1]][-1].run_id if part[0][1] in tried else None)
        for group in _runs(due)
        for part in _pieces(group, max(1, largest // _CUT ** group[0][2]))
    ]


_Place = tuple[int, str, int]
"""Where a key stands among the registered ones, the key, and how often it was tried."""


def _tried(registered: Sequence[str], attempts: Sequence[Attempt]) -> dict[str, list[Attempt]]:
    places = {key: place for place, key in enumerate(registered)}
    tried: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.start in places and attempt.end in places:
            for key in registered[places[attempt.start] : places[attempt.end] + 1]:
                tried.setdefault(key, []).append(attempt)
    return tried


def _is_due(attempts: Sequence[Attempt], now_s: float) -> bool:
    ends = [attempt.ended_s for attempt in attempts]
    if not ends:
        return True
    wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * _CUT ** (len(ends) - 1))
    # what ended ahead of the clock, which went back since, ended long ago
    return all(end is not None and abs(now_s - end) >= wait_s for end in ends)


def _runs(places: Iterable[_Place]) -> list[list[_Place]]:
    groups: list[list[_Place]] = []
    for place, key, tries in places:
        if groups and groups[-1][-1][0] == place - 1 and groups[-1][-1][2] == tries:
            groups[-1].append((place, key, tries))
        else:
            groups.append([(place, key, tries)])
    return groups


def _pieces(group: list[_Place], size: int) -> list[list[_Place]]:
    return [group[start : start + size] for start in range(0, len(group), size)]


def _range(part: Sequence[_Place]) -> KeyRange:
    return KeyRange(start=part[0][1], end=part[-1][1], size=len(part))
