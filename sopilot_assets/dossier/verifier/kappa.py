"""The agreement of raters beyond chance, from the chain of label events."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from statistics import NormalDist
from typing import Final

from sopilot_assets.dossier.verifier.fields import Json
from sopilot_assets.dossier.verifier.labels import RaterLabel, counting_labels, deciding_labels
from sopilot_assets.dossier.verifier.numbers import CONFIDENCE, wilson_bounds

AGREEMENT: Final = "results/agreement.json"


def agreement_of(
    labels: Sequence[RaterLabel], sources: Collection[str], *, mixed: bool = False
) -> dict[str, Json]:
    """Cohen's kappa of two raters, Fleiss' of more, with its 95 % interval; first answers count, of each
    recording those of its strongest source, or with ``mixed`` those of all sources together.
    """
    answers: dict[str, dict[str, bool | None]] = {}
    every = [label for _, label in counting_labels(labels, sources)]
    for label in every if mixed else deciding_labels(labels, sources):
        if not label.adjudicates:
            answers.setdefault(label.key, {}).setdefault(label.who, label.critical_expected)
    said = [
        {who: answer for who, answer in row.items() if answer is not None}
        for _, row in sorted(answers.items())
    ]
    shared = [row for row in said if len(row) > 1]
    raters = sorted({who for row in shared for who in row})
    counts = [(sum(map(bool, row.values())), sum(not one for one in row.values())) for row in shared]
    found: dict[str, Json] = {
        "statistic": "fleiss" if len(raters) > 2 else "cohen",
        "raters": len(raters),
        "recordings": len(shared),
        "unsure": sum(answer is None for row in answers.values() for answer in row.values()),
    }
    columns = list(zip(*counts, strict=True))
    if len(counts) < 2 or not all(map(any, columns)):
        return found | {"observed": None, "kappa": None, "low": None, "high": None}
    observed = math.fsum(map(_agreeing, counts)) / len(counts)
    if len(raters) > 2:
        kappa, low, high = _fleiss(counts, observed)
    else:
        kappa, low, high = _cohen([tuple(bool(row[who]) for who in raters) for row in shared])
    return found | {"observed": observed, "kappa": kappa, "low": low, "high": high}


def _agreeing(counts: tuple[int, int]) -> float:
    raters = sum(counts)
    return sum(count * (count - 1) for count in counts) / (raters * (raters - 1))


def _cohen(pairs: Sequence[tuple[bool, ...]]) -> tuple[float, float, float]:
    """Variance after Fleiss, Cohen and Everitt (1969)."""
    n, kinds = len(pairs), (True, False)
    share = {(a, b): sum(pair == (a, b) for pair in pairs) / n for a in kinds for b in kinds}
    row = {a: share[a, True] + share[a, False] for a in kinds}
    column = {b: share[True, b] + share[False, b] for b in kinds}
    observed = share[True, True] + share[False, False]
    chance = sum(row[a] * column[a] for a in kinds)
    kappa = (observed - chance) / (1 - chance)
    on = sum(share[a, a] * (1 - (row[a] + column[a]) * (1 - kappa)) ** 2 for a in kinds)
    off = (1 - kappa) ** 2 * sum(share[a, not a] * (column[a] + row[not a]) ** 2 for a in kinds)
    variance = (on + off - (kappa - chance * (1 - kappa)) ** 2) / (n * (1 - chance) ** 2)
    return kappa, *_interval(kappa, math.sqrt(max(variance, 0.0)), observed, chance, n)


def _fleiss(counts: Sequence[tuple[int, int]], observed: float) -> tuple[float, float, float]:
    """Variance after Gwet (2021)."""
    n = len(counts)
    shares = [tuple(count / sum(row) for count in row) for row in counts]
    of_kind = [math.fsum(column) / n for column in zip(*shares, strict=True)]
    chance = sum(share**2 for share in of_kind)
    kappa = (observed - chance) / (1 - chance)
    linear = [
        (
            _agreeing(row)
            - chance
            - 2 * (1 - kappa) * (sum(a * b for a, b in zip(share, of_kind, strict=True)) - chance)
        )
        / (1 - chance)
        for row, share in zip(counts, shares, strict=True)
    ]
    error = math.sqrt(math.fsum((one - kappa) ** 2 for one in linear) / (n - 1) / n)
    return kappa, *_interval(kappa, error, observed, chance, n)


def _interval(kappa: float, error: float, observed: float, chance: float, n: int) -> tuple[float, float]:
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    low, high = ((end - chance) / (1 - chance) for end in wilson_bounds(observed * n, n) or (0.0, 1.0))
    return max(-1.0, min(low, kappa - z * error)), min(1.0, max(high, kappa + z * error))
