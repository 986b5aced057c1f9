"""The step decoder: which explanation of a video is the best, and by how much.

Every edit of the procedure is segmented on its own and compared with the procedure as it should be; the
best ones are edited again (beam search), so that several deviations in one recording are found together. A
single path through the steps cannot do this: a monotone one never reports a swap, and a free one invents
jumps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from sopilot_assets.alignment.explanations import (
    Change,
    Explanation,
    Prices,
    procedure,
    single_edits,
    state_sequences,
)
from sopilot_assets.alignment.segmental import IMPOSSIBLE, border_scores, segment
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.reference.durations import Durations

Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

TEMPI: Final = tuple(float(value) for value in np.linspace(-0.6, 0.6, 7))
"""Logs of the overall tempi that are tried; + is slower."""
OVERLAP: Final = 0.5
"""How much one clip's evidence counts: clips of 2 s every 0.5 s share most of their frames."""
FLOOR: Final = -4.0
"""The least log-probability of a clip, so that no single clip decides."""
BEAM: Final = 6
MAX_EDITS: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """An explanation with its score (nats, price paid) and each state's run of clips: ``start`` and ``end``
    (S,).
    """

    explanation: Explanation
    score: float
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Decoding:
    """All explanations tried, best first, and how the chosen one departs from the procedure.

    Where a deviation is can be less certain than that there is one: two steps may be about equally likely
    to be the missing one. So explanations with the same kinds of edits are first taken together, and the
    best of the most probable group is chosen.
    """

    candidates: tuple[Candidate, ...]

    @functools.cached_property
    def _by_kinds(self) -> dict[_Kinds, float]:
        top = self.candidates[0].score
        mass: dict[_Kinds, float] = {}
        for candidate in self.candidates:
            kinds = _kinds(candidate)
            mass[kinds] = mass.get(kinds, 0.0) + math.exp(candidate.score - top)
        return mass

    @functools.cached_property
    def best(self) -> Candidate:
        """The best explanation of the most probable group of kinds."""
        chosen = max(self._by_kinds, key=lambda kinds: (self._by_kinds[kinds], kinds))
        return next(candidate for candidate in self.candidates if _kinds(candidate) == chosen)

    @property
    def log_odds(self) -> float:
        """That there is any edit (but a first or last step cut short) against that there is none, in nats."""
        return self._log_odds(bool)

    def change_log_odds(self, change: Change) -> float:
        """That there is a change of this kind against that there is none, in nats; wherever it may be."""
        if change.kind is EditKind.PARTIAL:
            return self._partial_log_odds(change)
        return self._log_odds(lambda kinds: change.kind in kinds)

    def _partial_log_odds(self, change: Change) -> float:
        with_it = max(
            (c.score for c in self.candidates if change in c.explanation.changes), default=IMPOSSIBLE
        )
        return with_it - max(
            (c.score for c in self.candidates if change not in c.explanation.changes), default=IMPOSSIBLE
        )

    def _log_odds(self, accept: Callable[[_Kinds], bool]) -> float:
        inside = sum(mass for kinds, mass in self._by_kinds.items() if accept(kinds))
        outside = sum(mass for kinds, mass in self._by_kinds.items() if not accept(kinds))
        return float(
            np.clip(
                math.log(max(inside, 1e-300)) - math.log(max(outside, 1e-300)), -MOST_LOG_ODDS, MOST_LOG_ODDS
            )
        )


MOST_LOG_ODDS: Final = 30.0

_Kinds: TypeAlias = tuple[EditKind, ...]


def _kinds(candidate: Candidate) -> _Kinds:
    """The kinds of an explanation's edits; a first or last step cut short goes with every group."""
    return tuple(
        sorted(change.kind for change in candidate.explanation.changes if change.kind is not EditKind.PARTIAL)
    )


def decode(
    log_posterior: Floats,
    frozen: Mask,
    *,
    durations: Durations,
    prices: Prices,
    orders: Sequence[Sequence[int]],
    stride_s: float,
    trust: float = 1.0,
    scale: float = 1.0,
    max_edits: int = MAX_EDITS,
    idle: Floats | None = None,
    border: Floats | None = None,
) -> Decoding:
    """Compare explanations of one video.

    ``log_posterior`` (n, K + 1) as from `Evidence.log_posterior`; ``frozen`` (n,) marks clips that show
    nothing: they fit every state equally. ``orders`` are the legal orders of the steps. ``trust`` in (0, 1]
    scales the evidence of all clips.
    """
    emissions = trust * OVERLAP * np.maximum(log_posterior, FLOOR)
    emissions = np.asarray(emissions)
    emissions[frozen] = 0.0
    quiet = emissions[:, -1] if idle is None else trust * OVERLAP * np.maximum(idle, FLOOR)
    idle_scores = np.where(frozen, 0.0, quiet - prices.idle_clip)
    between = border_scores(emissions)
    if border is not None:
        between += trust * border
    beam = [procedure(order, durations) for order in orders]
    tried: dict[tuple[tuple[int, ...], tuple[Change, ...]], Candidate] = {}
    for depth in range(max_edits + 1):
        fresh = {_identity(e): e for e in beam if _identity(e) not in tried}
        found = _segment(
            list(fresh.values()), emissions, idle_scores, between, durations=durations, prices=prices, stride_s=stride_s, scale=scale,
        )
        if depth >= 2 and max((c.score for c in found), default=IMPOSSIBLE) <= max(
            c.score for c in tried.values()
        ):
            tried.update({_identity(c.explanation): c for c in found})
            break
        tried.update({_identity(c.explanation): c for c in found})
        best = sorted(found, key=lambda c: -c.score)[: BEAM if depth else len(orders)]
        beam = [edited for candidate in best for edited in single_edits(candidate.explanation, prices)]
    return Decoding(tuple(sorted(tried.values(), key=lambda c: (-c.score, c.explanation.changes))))


def _identity(explanation: Explanation) -> tuple[tuple[int, ...], tuple[Change, ...]]:
    return tuple(state.step for state in explanation.states), explanation.changes


def _segment(
    explanations: Sequence[Explanation],
    emissions: Floats,
    idle: Floats,
    border: Floats,
    *,
    durations: Durations,
    prices: Prices,
    stride_s: float,
    scale: float,
) -> list[Candidate]:
    """Each explanation at the tempo that suits it best."""
    if not explanations:
        return []
    usual = state_sequences(explanations, unknown_column=emissions.shape[1] - 1, stride_s=stride_s)
    found = [
        segment(emissions, idle, usual.at_tempo(log_tempo), idle_entry=prices.idle, border=border)
        for log_tempo in TEMPI
    ]
    tempo_prior = -0.5 * (np.array(TEMPI) / durations.tempo_spread) ** 2
    scores = np.stack([tempo.score for tempo in found]) + tempo_prior[:, None]
    chosen = scores.argmax(axis=0)
    return [
        Candidate(
            explanation,
            scale * float(scores[tempo, row]) - explanation.price,
            found[tempo].start[row, : len(explanation.states)].copy(),
            found[tempo].end[row, : len(explanation.states)].copy(),
        )
        for row, (explanation, tempo) in enumerate(zip(explanations, chosen.tolist(), strict=True))
    ]
