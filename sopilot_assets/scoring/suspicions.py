"""What a recording is suspected of: the posterior over explanations, deviation by deviation."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from sopilot_assets.alignment.spans import Alternative, Edit, EditKind
from sopilot_assets.scoring.compared import Compared
from sopilot_assets.scoring.deviations import counts_for, deviations_of
from sopilot_assets.scoring.result import Deviation
from sopilot_assets.scoring.severity import is_critical
from sopilot_assets.segments import Segment

SUSPECTED: Final = 0.1
"""What is at least one to nine likely is shown."""

_Edited: TypeAlias = tuple[EditKind, tuple[int, ...]]
_Placed: TypeAlias = tuple[EditKind, tuple[int, ...], Segment]


def suspicions(compared: Compared) -> tuple[Deviation, ...]:
    """The deviations that are at least `SUSPECTED` likely, the most likely first, found or not.

    The confidence of each is its share of the posterior mass of all explanations, and its place that in the
    most probable explanation that has it.
    """
    shares: dict[_Edited, float] = defaultdict(float)
    likeliest: dict[_Edited, _Placed] = {}
    for other, share in _weighted(compared):
        for kind, steps, where in _placed(other):
            # of a run of missing steps each is missing; other edits are about all their steps together
            for each in [(step,) for step in steps] if kind is EditKind.MISSING else [steps]:
                shares[kind, each] += share * counts_for(compared, kind, each, where)
                likeliest.setdefault((kind, each), (kind, steps, where))
    suspected = [
        deviation
        for edited, share in shares.items()
        if share >= SUSPECTED
        for deviation in _as_deviations(compared, likeliest[edited], edited[1], share)
    ]
    return tuple(sorted(suspected, key=lambda d: (-d.confidence, d.trainee, d.type, compared.places(d))))


def besides(suspected: Sequence[Deviation], found: Sequence[Deviation]) -> tuple[Deviation, ...]:
    """What is suspected and not ``found``."""
    return tuple(d for d in suspected if not any(_is_the_same(d, other) for other in found))


def _is_the_same(suspected: Deviation, found: Deviation) -> bool:
    """Whether that was found: something added has no step, and is told from another by its moment, where that
    was kept.
    """
    alike = suspected.type is found.type and suspected.step_ids == found.step_ids
    elsewhere = bool(suspected.trainee) and not suspected.trainee & found.trainee
    return alike and (bool(suspected.step_ids) or not elsewhere)


def _as_deviations(
    compared: Compared, placed: _Placed, steps: tuple[int, ...], share: float
) -> Iterator[Deviation]:
    kind, run, where = placed
    odds = math.log(share / max(1.0 - share, 1e-12))
    wanted = {compared.task.steps[step].id for step in steps if step < len(compared.task.steps)}
    for deviation in deviations_of(compared, Edit(kind, run, where, odds)):
        if kind is not EditKind.MISSING or wanted.issuperset(deviation.step_ids):
            yield replace(deviation, confidence=round(share, 6))


def critical_share(compared: Compared) -> float:
    """The share of the explanations' posterior mass, in [0, 1], that has a critical deviation which no frozen
    picture can have caused, each weighed by what findings of its kind are worth.
    """
    return round(sum(share * _critical(compared, other) for other, share in _weighted(compared)), 6)


def _weighted(compared: Compared) -> Iterator[tuple[Alternative, float]]:
    """Each explanation with its share of the posterior mass."""
    weights = [math.exp(other.log_odds) for other in compared.alignment.alternatives]
    total = sum(weights)
    for other, weight in zip(compared.alignment.alternatives, weights, strict=True):
        yield other, weight / total


def _placed(other: Alternative) -> Iterator[_Placed]:
    nowhere = Segment(0.0, 0.0)
    for place, (kind, steps) in enumerate(other.edits):
        yield kind, steps, other.where[place] if other.where else nowhere


def _critical(compared: Compared, other: Alternative) -> float:
    """What the critical edits of an explanation are worth; 0 where it has none."""
    found = 0.0
    for kind, steps, where in _placed(other):
        counted = EditKind.MISSING if kind is EditKind.PARTIAL else kind
        if is_critical(compared.task, counted, steps) and not compared.beside_still(where):
            found = max(found, counts_for(compared, kind, steps, where))
    return found
