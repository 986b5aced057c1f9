"""Segmental dynamic programming: the best monotone segmentation of a video into a given sequence of states.

A semi-Markov model (Ostendorf et al. 1996; Murphy 2002): each state explains a run of clips, scored by the
sum of its clips' emissions and the log-normal prior of its duration. Between states, and around them, idle
clips are allowed at a price.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.int64]

IMPOSSIBLE: Final = -1e18
BORDER_SHARE: Final = 0.375
"""The share of the other state in a clip beside a border: clips of 2 s every 0.5 s, the border half-way
between the middles of two clips.
"""


@dataclass(frozen=True, slots=True, eq=False)
class StateSequences:
    """A batch of H state sequences, padded to length S.

    ``emission`` (H, S) is the column of the emission matrix that a state uses, ``log_duration`` (H, S) and
    ``spread`` (H, S) its prior: log clips ~ Normal. ``length`` (H,) is how many states of a row count.
    """

    emission: Indices
    log_duration: Floats
    spread: Floats
    length: Indices

    def at_tempo(self, log_tempo: float) -> StateSequences:
        """The same sequences with all durations multiplied by exp(``log_tempo``); above 0 is slower."""
        return replace(self, log_duration=self.log_duration + log_tempo)


@dataclass(frozen=True, slots=True, eq=False)
class Segmentations:
    """The best segmentation of each sequence: ``score`` (H,) in nats, and ``start``, ``end`` (H, S): each
    state's half-open run of clips.
    """

    score: Floats
    start: Indices
    end: Indices


def segment(
    emissions: Floats,
    idle: Floats,
    sequences: StateSequences,
    *,
    idle_entry: float,
    border: Floats | None = None,
    reach: float = 3.5,
) -> Segmentations:
    """The best segmentation of clips (n,) by each sequence; ``emissions`` (n, E) and ``idle`` (n,) are
    log-scores per clip.

    ``idle_entry`` (nats, >= 0) is paid for each idle stretch. ``border`` (E, E, n + 1) is added where one
    state follows another without idle clips between (see `border_scores`). Durations beyond ``reach``
    spreads of the prior are not tried. A sequence that cannot cover the video scores `IMPOSSIBLE`.
    """
    columns = emissions.shape[1]
    if border is None:
        border = np.zeros((columns, columns, emissions.shape[0] + 1))
    sums = np.zeros((emissions.shape[0] + 1, emissions.shape[1]))
    np.cumsum(emissions, axis=0, out=sums[1:])
    return Segmentations(
        *_segment_all(
            sums,
            idle,
            sequences.emission,
            sequences.log_duration,
            sequences.spread,
            sequences.length,
            idle_entry,
            border,
            reach,
        )
    )


def border_scores(emissions: Floats, *, share: float = BORDER_SHARE) -> Floats:
    """What the two clips beside a border gain when each may show some of the other state: (E, E, n + 1), by
    the state before, the state after and the border's place.

    A clip of several strides at a border shows both states. Its likelihood is taken as the mixture of both,
    ``share`` of it the other's, instead of the one it is counted to.
    """
    n, columns = emissions.shape
    found = np.zeros((columns, columns, n + 1))
    if n < 2:
        return found
    own, other = np.log1p(-share), np.log(share)
    # gain[i, a, b]: clip i counted to a, with some of b in it
    gain = np.logaddexp(own + emissions[:, :, None], other + emissions[:, None, :]) - emissions[:, :, None]
    found[:, :, 1:n] = np.moveaxis(gain[:-1] + np.swapaxes(gain[1:], 1, 2), 0, -1)
    return found


@numba.njit(cache=True)
def _segment_all(sums, idle, emission, log_duration, spread, length, idle_entry, border, reach):  # type: ignore[no-untyped-def]
    n = sums.shape[0] - 1
    count, width = emission.shape
    score = np.full(count, IMPOSSIBLE)
    start = np.zeros((count, width), dtype=np.int64)
    end = np.zeros((count, width), dtype=np.int64)
    log_clips = np.log(np.arange(1, n + 1).astype(np.float64))
    done = np.empty((width + 1, n + 1))
    rest = np.empty((width + 1, n + 1))
    taken = np.zeros((width + 1, n + 1), dtype=np.int64)
    before = np.empty(n + 1)
    resting = np.zeros((width + 1, n + 1), dtype=np.bool_)
    for h in range(count):
        states = length[h]
        done[0, :] = IMPOSSIBLE
        done[0, 0] = 0.0
        for s in range(states + 1):
            if s > 0:
                column = sums[:, emission[h, s - 1]]
                for t in range(n + 1):
                    direct = done[s - 1, t]
                    if s > 1:
                        direct += border[emission[h, s - 2], emission[h, s - 1], t]
                    resting[s, t] = rest[s - 1, t] > direct
                    before[t] = max(direct, rest[s - 1, t])
                _extend(
                    n,
                    column,
                    log_clips,
                    log_duration[h, s - 1],
                    spread[h, s - 1],
                    reach,
                    before,
                    done[s],
                    taken[s],
                )
            rest[s, 0] = IMPOSSIBLE
            for t in range(1, n + 1):
                rest[s, t] = max(done[s, t - 1] - idle_entry, rest[s, t - 1]) + idle[t - 1]
        score[h] = max(done[states, n], rest[states, n])
        if score[h] > IMPOSSIBLE / 2:
            _trace(h, states, n, idle_entry, done, rest, resting, taken, start, end)
    return score, start, end


@numba.njit(cache=True)
def _extend(n, sums, log_clips, log_duration, spread, reach, before, done, taken):  # type: ignore[no-untyped-def]
    shortest = max(1, math.floor(math.exp(log_duration - reach * spread)))
    longest = min(n, math.ceil(math.exp(log_duration + reach * spread)))
    constant = -math.log(spread) - 0.5 * math.log(2.0 * math.pi)
    for t in range(n + 1):
        best = IMPOSSIBLE
        choice = 0
        for d in range(shortest, min(longest, t) + 1):
            if before[t - d] <= IMPOSSIBLE / 2:
                continue
            z = (log_clips[d - 1] - log_duration) / spread
            value = before[t - d] + sums[t] - sums[t - d] - 0.5 * z * z + constant
            if value > best:
                best = value
                choice = d
        done[t] = best
        taken[t] = choice


@numba.njit(cache=True)
def _trace(h, states, n, idle_entry, done, rest, resting, taken, start, end):  # type: ignore[no-untyped-def]
    t = n
    idle = rest[states, t] > done[states, t]
    for s in range(states, 0, -1):
        while idle:
            t -= 1
            idle = rest[s, t] > done[s, t] - idle_entry
        end[h, s - 1] = t
        t -= taken[s, t]
        start[h, s - 1] = t
        # whether idle clips lie before this state
        idle = resting[s, t]
