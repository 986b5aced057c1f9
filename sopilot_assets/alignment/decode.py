"""The step decoder: which explanation of a video is the best, and by how much.

Every edit of the procedure is segmented on its own and compared with the procedure as it should be; the
best ones are edited again (beam search), so that several deviations in one recording are found together. A
single path through the steps cannot do this: a monotone one never reports a swap, and a free one invents
jumps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, permutations
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from sopilot_assets.alignment.explanations import (
    Explanation,
    PlannedEdit,
    Prices,
    Procedure,
    procedure,
    single_edits,
    state_sequences,
)
from sopilot_assets.alignment.segmental import IMPOSSIBLE, Places, Segmentations, border_scores, segment
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
LEAST_LOG_ODDS: Final[Mapping[EditKind, float]] = {
    **dict.fromkeys(EditKind, 0.5),
    EditKind.WRONG: 0.0,
    EditKind.LONG: 0.0,
    EditKind.EXTRA: 1.0,
    EditKind.PARTIAL: 1.5,
}
"""From which log-odds (nats) on an edit is reported. What takes long or is done instead of a step fails
nobody and is reported from even odds on (where it is not critical, scores go by its own probability
instead); what is missing or swapped from 1.6 to 1 on. Something added needs more, since a pause or a clumsy
moment resembles it."""
BEAM: Final = 6
MAX_EDITS: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class ClipScores:
    """What one video's n clips say, in nats: ``states`` (n, K + 1) about each step and about something
    unknown, ``idle`` (n,) about a pause, ``border`` (n + 1,) about a border between two steps at each place.

    ``frozen`` (n,) marks clips that show nothing: they fit every state equally. ``trust`` in (0, 1] scales
    everything.
    """

    states: Floats
    idle: Floats
    border: Floats
    frozen: Mask
    trust: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class DecodedExplanation:
    """An explanation with its score (nats, price paid), and the ``row`` of the segmentations that is its."""

    explanation: Explanation
    score: float
    segmentations: Segmentations
    row: int

    @property
    def start(self) -> Places:
        """The first clip (S,) of each state."""
        return self.segmentations.start[self.row, : len(self.explanation.states)]

    @property
    def end(self) -> Places:
        """The clip (S,) after the last one of each state."""
        return self.segmentations.end[self.row, : len(self.explanation.states)]

    @property
    def possible(self) -> bool:
        """Whether the recording can be cut up so at all; it may be too short for that."""
        return bool(self.segmentations.score[self.row] > IMPOSSIBLE)


@dataclass(frozen=True, eq=False)
class Decoding:
    """All explanations tried, best first, and how the chosen one departs from the procedure.

    Where a deviation is can be less certain than that there is one: two steps may be about equally likely
    to be the missing one. So explanations with the same kinds of edits are first taken together, and the
    best of the most probable group is chosen.
    """

    candidates: tuple[DecodedExplanation, ...]

    @functools.cached_property
    def _by_kinds(self) -> dict[_Kinds, float]:
        top = self.candidates[0].score
        mass: dict[_Kinds, float] = {}
        for candidate in self.candidates:
            kinds = candidate.explanation.kinds
            mass[kinds] = mass.get(kinds, 0.0) + math.exp(candidate.score - top)
        return mass

    @functools.cached_property
    def best(self) -> DecodedExplanation:
        """The best explanation of the most probable group of kinds."""
        chosen = max(self._by_kinds, key=lambda kinds: (self._by_kinds[kinds], kinds))
        return next(one for one in self.candidates if one.explanation.kinds == chosen)

    @property
    def reported(self) -> tuple[PlannedEdit, ...]:
        """The changes of the best explanation that are certain enough to be reported."""
        return tuple(
            change
            for change in self.best.explanation.changes
            if self.change_log_odds(change) >= LEAST_LOG_ODDS[change.kind]
        )

    @property
    def log_odds(self) -> float:
        """That there is any edit (but a first or last step cut short) against that there is none, in nats."""
        return self._log_odds(bool)

    def change_log_odds(self, change: PlannedEdit) -> float:
        """That there is a change of this kind against that there is none, in nats; wherever it may be."""
        if change.kind is EditKind.PARTIAL:
            return self._partial_log_odds(change)
        return self._log_odds(lambda kinds: change.kind in kinds)

    def _partial_log_odds(self, change: PlannedEdit) -> float:
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


def decode(
    clips: ClipScores,
    *,
    durations: Durations,
    prices: Prices,
    orders: Sequence[Sequence[int]],
    stride_s: float,
    max_edits: int = MAX_EDITS,
) -> Decoding:
    """Compare explanations of one video with up to ``max_edits`` edits; ``orders`` are the legal orders of
    the steps.
    """
    video = _video(clips, prices, durations, stride_s)
    # two ways to the same states are one explanation: the cheaper one
    found = _segment(_cheapest([procedure(order, durations) for order in orders], {}), video)
    tried: dict[Procedure, DecodedExplanation] = {c.explanation.states: c for c in found}
    for edits in range(max_edits):
        best = sorted(found, key=_rank)[: BEAM if edits else len(orders)]
        beam = [edited for candidate in best for edited in _edited(candidate.explanation, prices)]
        found = _segment(_cheapest(beam, tried), video)
        top = max(c.score for c in tried.values())
        tried.update({c.explanation.states: c for c in found})
        if edits and max((c.score for c in found), default=IMPOSSIBLE) <= top:
            break
    return Decoding(tuple(sorted(tried.values(), key=_rank)))


def _rank(candidate: DecodedExplanation) -> tuple[float, int, tuple[PlannedEdit, ...]]:
    """The best first, of equally good ones the shortest (a recording may be too short for all that were
    tried), then by their edits.
    """
    return -candidate.score, len(candidate.explanation.states), candidate.explanation.changes


def _cheapest(beam: Iterable[Explanation], tried: Container[Procedure]) -> list[Explanation]:
    """The cheapest explanation for each sequence of states that was not tried, of equally dear ones the first
    by its edits.
    """
    fresh: dict[Procedure, Explanation] = {}
    for one in beam:
        other = fresh.setdefault(one.states, one)
        if other is not one and (one.price, one.changes) < (other.price, other.changes):
            fresh[one.states] = one
    return [one for states, one in fresh.items() if states not in tried]


@functools.lru_cache(maxsize=256)
def _edited(explanation: Explanation, prices: Prices) -> tuple[Explanation, ...]:
    """Its single edits; recordings of a task are explained alike."""
    return tuple(single_edits(explanation, prices))


@dataclass(frozen=True, slots=True, eq=False)
class _Video:
    """What is the same for all explanations of one video."""

    emissions: Floats
    idle: Floats
    border: Floats
    prices: Prices
    tempo_spread: float
    stride_s: float


def _video(clips: ClipScores, prices: Prices, durations: Durations, stride_s: float) -> _Video:
    emissions = np.asarray(clips.trust * OVERLAP * np.maximum(clips.states, FLOOR))
    emissions[clips.frozen] = 0.0
    idle = clips.trust * OVERLAP * np.maximum(clips.idle, FLOOR) - prices.idle_clip
    return _Video(
        emissions,
        np.where(clips.frozen, 0.0, idle),
        border_scores(emissions) + clips.trust * clips.border,
        prices,
        durations.tempo_spread,
        stride_s,
    )


def _segment(explanations: Sequence[Explanation], video: _Video) -> list[DecodedExplanation]:
    """Each explanation at the tempo that suits it best."""
    if not explanations:
        return []
    found = segment(
        video.emissions,
        video.idle,
        state_sequences(explanations, unknown_column=video.emissions.shape[1] - 1, stride_s=video.stride_s),
        idle_entry=video.prices.idle,
        border=video.border,
        log_tempi=TEMPI,
        tempo_scores=[-0.5 * (log_tempo / video.tempo_spread) ** 2 for log_tempo in TEMPI],
    )
    prices = np.array([explanation.price for explanation in explanations])
    # rounded, so that explanations that fit equally well stay equal whatever is added up first
    scores = np.round(video.prices.scale * found.score - prices, 9).tolist()
    return [
        DecodedExplanation(explanation, score, found, row)
        for row, (explanation, score) in enumerate(zip(explanations, scores, strict=True))
    ]


def order_evidence(
    clips: ClipScores,
    best: DecodedExplanation,
    *,
    durations: Durations,
    prices: Prices,
    orders: Sequence[Sequence[int]],
    stride_s: float,
) -> float | None:
    """How much better ``best`` explains a video than the steps do on average in orders that have nothing to
    do with the one shown and that the task does not allow, in nats; None where there is none (fewer than four
    steps, or all orders allowed), and `LEAST_SCORE` where the recording is too short for any explanation.

    It asks whether a recording shows this procedure at all. A change of site makes every clip look less
    familiar, but all orders alike; another work shows no order of the steps. Orders that the task allows
    share the prior: the best of many fits anything a little.
    """
    if not best.possible:
        return LEAST_SCORE
    legal = set(map(tuple, orders))
    shown = [state.step for state in best.explanation.whole]
    unrelated = [order for order in unrelated_orders(shown) if order not in legal]
    if not unrelated:
        return None
    found = _segment(
        [procedure(order, durations) for order in unrelated], _video(clips, prices, durations, stride_s)
    )
    scores = np.array([max(candidate.score, LEAST_SCORE) for candidate in found])
    return float(best.score - math.log(len(orders)) - (logsumexp(scores) - math.log(len(scores))))


LEAST_SCORE: Final = -1e4
"""Stands for a score of a segmentation that is impossible."""
UNRELATED: Final = 40
"""How many unrelated orders are tried at most."""


@functools.lru_cache(maxsize=64)
def _unrelated_positions(count: int) -> tuple[tuple[int, ...], ...]:
    """Permutations of ``count`` positions, none at its own place or before its own successor, ordered or
    else drawn with a fixed seed.
    """
    if count < 4:
        return ()
    drawn: Iterable[Sequence[int]] = permutations(range(count))
    if count > 6:
        generator = np.random.default_rng(count)
        drawn = (tuple(generator.permutation(count).tolist()) for _ in range(20_000))
    wanted = (tuple(order) for order in drawn if _unrelated(order))
    return tuple(islice(dict.fromkeys(wanted), UNRELATED))


def _unrelated(order: Sequence[int]) -> bool:
    moved = all(place != position for place, position in enumerate(order))
    return moved and all(after != before + 1 for before, after in pairwise(order))


def unrelated_orders(order: Sequence[int]) -> list[tuple[int, ...]]:
    """Orders of the steps in which no step is at its place and no two that should follow each other do."""
    return [tuple(order[place] for place in positions) for positions in _unrelated_positions(len(order))]
