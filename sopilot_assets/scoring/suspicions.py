"""What a recording is suspected of: the posterior over explanations, deviation by deviation."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from sopilot_assets.alignment.spans import Alternative, Edit, EditKind
from sopilot_assets.scoring.compared import Compared
from sopilot_assets.scoring.deviations import deviations_of, is_cut_short
from sopilot_assets.scoring.result import Deviation
from sopilot_assets.scoring.severity import is_critical
from sopilot_assets.segments import Segment

SUSPECTED: Final = 0.1
"""What is at least one to nine likely is shown."""

_Placed: TypeAlias = tuple[EditKind, tuple[int, ...], Segment]


def suspicions(compared: Compared, found: Sequence[Deviation]) -> tuple[Deviation, ...]:
    """The deviations that are at least `SUSPECTED` likely and not ``found``, the most likely first.

    The confidence of each is its share of the posterior mass of all explanations, and its place that in the
    most probable explanation that has it.
    """
    shares: dict[tuple[EditKind, int], float] = defaultdict(float)
    likeliest: dict[tuple[EditKind, int], _Placed] = {}
    for other, share in _weighted(compared):
        for kind, steps, where in _placed(other):
            for step in steps if kind is EditKind.MISSING else steps[:1]:
                # two swaps of one step with different ones are told apart by their first step only here
                shares[kind, step] += share * compared.worth(kind, (step,))
                likeliest.setdefault((kind, step), (kind, steps, where))
    named = {(deviation.type, step) for deviation in found for step in deviation.step_ids}
    suspected = []
    for key, share in shares.items():
        if share >= SUSPECTED:
            suspected += [
                deviation
                for deviation in _as_deviations(compared, likeliest[key], key[1], min(share, 1.0))
                if not any((deviation.type, step) in named for step in deviation.step_ids)
            ]
    return tuple(sorted(suspected, key=lambda d: (-d.confidence, d.trainee, d.type, d.step_ids)))


def _as_deviations(compared: Compared, placed: _Placed, step: int, share: float) -> Iterator[Deviation]:
    kind, steps, where = placed
    odds = math.log(max(share, 1e-12) / max(1.0 - share, 1e-12))
    wanted = compared.task.steps[step].id if step < len(compared.task.steps) else None
    for deviation in deviations_of(compared, Edit(kind, steps, where, odds)):
        if kind is not EditKind.MISSING or wanted in deviation.step_ids:
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
        if kind is EditKind.PARTIAL and not (other.where and is_cut_short(compared, steps[0], where)):
            continue
        counted = EditKind.MISSING if kind is EditKind.PARTIAL else kind
        if is_critical(compared.task, counted, steps) and not compared.beside_still(where):
            found = max(found, compared.worth(kind, steps))
    return found
