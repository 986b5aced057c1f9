"""The step decoder: which explanation of a video is the best, and by how much.

Every edit of the procedure is segmented on its own and compared with the procedure as it should be; the best ones are edited again (beam search), so that several deviations in one recording
are found together. A single path through the steps cannot do this: a monotone one never reports a swap, and a free one invents jumps.
"""

from __future__ import annotations

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
from sopilot_assets.alignment.segmental import IMPOSSIBLE, segment
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
    """An explanation with its score (nats, price paid) and each state's run of clips: ``start`` and ``end`` (S,)."""

    explanation: Explanation
    score: float
    log_tempo: float
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Decoding:
    """All explanations tried, best first, and how the best departs from the procedure."""

    candidates: tuple[Candidate, ...]

    @property
    def best(self) -> Candidate:
        """The explanation with the highest score."""
        return self.candidates[0]

    @property
    def log_odds(self) -> float:
        """The best explanation against the best without any edit, in nats."""
        return self.best.score - self._best_where(lambda changes: not changes)

    def change_log_odds(self, change: Change) -> float:
        """The best explanation with ``change`` against the best without it, in nats."""
        with_it = self._best_where(lambda changes: change in changes)
        return with_it - self._best_where(lambda changes: change not in changes)

    def _best_where(self, accept: Callable[[tuple[Change, ...]], bool]) -> float:
        return max((c.score for c in self.candidates if accept(c.explanation.changes)), default=IMPOSSIBLE)


def decode(
    log_posterior: Floats,
    frozen: Mask,
    *,
    durations: Durations,
    prices: Prices,
    orders: Sequence[Sequence[int]],
    stride_s: float,
) -> Decoding:
    """Compare explanations of one video.

    ``log_posterior`` (n, K + 1) as from `Evidence.log_posterior`; ``frozen`` (n,) marks clips that show nothing: they fit every state equally. ``orders`` are the legal orders of the steps.
    """
    emissions = OVERLAP * np.maximum(log_posterior, FLOOR)
    emissions[frozen] = 0.0
    idle = emissions[:, -1] - np.where(frozen, 0.0, prices.idle_clip)
    beam = [procedure(order, durations) for order in orders]
    tried: dict[tuple[tuple[int, ...], tuple[Change, ...]], Candidate] = {}
    for depth in range(MAX_EDITS + 1):
        fresh = {_identity(e): e for e in beam if _identity(e) not in tried}
        found = _segment(list(fresh.values()), emissions, idle, durations=durations, prices=prices, stride_s=stride_s)
        if depth >= 2 and max((c.score for c in found), default=IMPOSSIBLE) <= max(c.score for c in tried.values()):
            tried.update({_identity(c.explanation): c for c in found})
            break
        tried.update({_identity(c.explanation): c for c in found})
        best = sorted(found, key=lambda c: -c.score)[: BEAM if depth else len(orders)]
        beam = [edited for candidate in best for edited in single_edits(candidate.explanation, prices)]
    return Decoding(tuple(sorted(tried.values(), key=lambda c: (-c.score, c.explanation.changes))))


def _identity(explanation: Explanation) -> tuple[tuple[int, ...], tuple[Change, ...]]:
    return tuple(state.step for state in explanation.states), explanation.changes


def _segment(
    explanations: Sequence[Explanation], emissions: Floats, idle: Floats, *, durations: Durations, prices: Prices, stride_s: float
) -> list[Candidate]:
    best: dict[int, Candidate] = {}
    if not explanations:
        return []
    for log_tempo in TEMPI:
        sequences = state_sequences(explanations, unknown_column=emissions.shape[1] - 1, log_tempo=log_tempo, stride_s=stride_s)
        found = segment(emissions, idle, sequences, idle_entry=prices.idle)
        tempo_prior = -0.5 * (log_tempo / durations.tempo_spread) ** 2
        for row, explanation in enumerate(explanations):
            score = float(found.score[row]) + tempo_prior - explanation.price
            if row not in best or score > best[row].score:
                states = len(explanation.states)
                best[row] = Candidate(explanation, score, log_tempo, found.start[row, :states].copy(), found.end[row, :states].copy())
    return list(best.values())
