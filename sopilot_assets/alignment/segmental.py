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
    emissions: Floats, idle: Floats, sequences: StateSequences, *, idle_entry: float, reach: float = 3.5
) -> Segmentations:
    """The best segmentation of clips (n,) by each sequence; ``emissions`` (n, E) and ``idle`` (n,) are
    log-scores per clip.

    ``idle_entry`` (nats, >= 0) is paid for each idle stretch. Durations beyond ``reach`` spreads of the
    prior are not tried. A sequence that cannot cover the video scores `IMPOSSIBLE`.
    """
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
            reach,
        )
    )


@numba.njit(cache=True)
def _segment_all(sums, idle, emission, log_duration, spread, length, idle_entry, reach):  # type: ignore[no-untyped-def]
    n = sums.shape[0] - 1
    count, width = emission.shape
    score = np.full(count, IMPOSSIBLE)
    start = np.zeros((count, width), dtype=np.int64)
    end = np.zeros((count, width), dtype=np.int64)
    log_clips = np.log(np.arange(1, n + 1).astype(np.float64))
    done = np.empty((width + 1, n + 1))
    rest = np.empty((width + 1, n + 1))
    taken = np.zeros((width + 1, n + 1), dtype=np.int64)
    for h in range(count):
        states = length[h]
        done[0, :] = IMPOSSIBLE
        done[0, 0] = 0.0
        for s in range(states + 1):
            if s > 0:
                column = sums[:, emission[h, s - 1]]
                _extend(
                    s,
                    n,
                    column,
                    log_clips,
                    log_duration[h, s - 1],
                    spread[h, s - 1],
                    reach,
                    done,
                    rest,
                    taken,
                )
            rest[s, 0] = IMPOSSIBLE
            for t in range(1, n + 1):
                rest[s, t] = max(done[s, t - 1] - idle_entry, rest[s, t - 1]) + idle[t - 1]
        score[h] = max(done[states, n], rest[states, n])
        if score[h] > IMPOSSIBLE / 2:
            _trace(h, states, n, idle_entry, done, rest, taken, start, end)
    return score, start, end


@numba.njit(cache=True)
def _extend(s, n, sums, log_clips, log_duration, spread, reach, done, rest, taken):  # type: ignore[no-untyped-def]
    shortest = max(1, math.floor(math.exp(log_duration - reach * spread)))
    longest = min(n, math.ceil(math.exp(log_duration + reach * spread)))
    constant = -math.log(spread) - 0.5 * math.log(2.0 * math.pi)
    for t in range(n + 1):
        best = IMPOSSIBLE
        choice = 0
        for d in range(shortest, min(longest, t) + 1):
            before = max(done[s - 1, t - d], rest[s - 1, t - d])
            if before <= IMPOSSIBLE / 2:
                continue
            z = (log_clips[d - 1] - log_duration) / spread
            value = before + sums[t] - sums[t - d] - 0.5 * z * z + constant
            if value > best:
                best = value
                choice = d
        done[s, t] = best
        taken[s, t] = choice


@numba.njit(cache=True)
def _trace(h, states, n, idle_entry, done, rest, taken, start, end):  # type: ignore[no-untyped-def]
    t = n
    for s in range(states, 0, -1):
        resting = rest[s, t] > done[s, t]
        while resting:
            t -= 1
            resting = rest[s, t] > done[s, t] - idle_entry
        end[h, s - 1] = t
        t -= taken[s, t]
        start[h, s - 1] = t
