"""Segmental dynamic programming: the best monotone segmentation of a video into a given sequence of states.

A semi-Markov model (Ostendorf et al. 1996; Murphy 2002): each state explains a run of clips, scored by the
sum of its clips' emissions and the log-normal prior of its duration. Between states, and around them, idle
clips are allowed at a price.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.int64]
Places: TypeAlias = npt.NDArray[np.int32]

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


@dataclass(frozen=True, slots=True, eq=False)
class Segmentations:
    """The best segmentation of each sequence: ``score`` (H,) in nats, and ``start``, ``end`` (H, S): each
    state's half-open run of clips. ``score`` is `IMPOSSIBLE` where there is none.
    """

    score: Floats
    start: Places
    end: Places


def segment(
    emissions: Floats,
    idle: Floats,
    sequences: StateSequences,
    *,
    idle_entry: float,
    border: Floats | None = None,
    reach: float = 3.5,
    log_tempi: Sequence[float] = (0.0,),
    tempo_scores: Sequence[float] = (0.0,),
) -> Segmentations:
    """The best segmentation of clips (n,) by each sequence; ``emissions`` (n, E) and ``idle`` (n,) are
    log-scores per clip.

    ``idle_entry`` (nats, >= 0) is paid for each idle stretch. ``border`` (E, E, n + 1) is added where one
    state follows another without idle clips between (see `border_scores`). Durations beyond ``reach``
    spreads of the prior are not tried. Of the overall tempi ``log_tempi`` (above 0 is slower), each with its
    score in nats, the best one is taken, of equal ones the first.
    """
    columns = emissions.shape[1]
    if border is None:
        border = np.zeros((columns, columns, emissions.shape[0] + 1))
    sums = np.zeros((columns, emissions.shape[0] + 1))
    np.cumsum(emissions.T, axis=1, out=sums[:, 1:])
    return Segmentations(
        *_segment_all(
            sums,
            idle,
            (sequences.emission, sequences.log_duration, sequences.spread, sequences.length),
            _by_beginning(sequences),
            idle_entry,
            np.ascontiguousarray(border),
            reach,
            np.array(log_tempi, dtype=np.float64),
            np.array(tempo_scores, dtype=np.float64),
        )
    )


def _by_beginning(sequences: StateSequences) -> Indices:
    """The rows (H,) in an order in which sequences that begin alike follow each other."""
    keys = [
        column
        for state in range(sequences.emission.shape[1] - 1, -1, -1)
        for column in (
            sequences.spread[:, state],
            sequences.log_duration[:, state],
            sequences.emission[:, state],
        )
    ]
    return np.lexsort(keys)


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
def _segment_all(sums, idle, sequences, rows, idle_entry, border, reach, log_tempi, tempo_scores):  # type: ignore[no-untyped-def]
    emission, log_duration, spread, length = sequences
    n = sums.shape[1] - 1
    count, width = emission.shape
    score = np.full(count, IMPOSSIBLE)
    start = np.zeros((count, width), dtype=np.int32)
    end = np.zeros((count, width), dtype=np.int32)
    log_clips = np.log(np.arange(1, n + 1).astype(np.float64))
    # done[s, t]: the best score of the first s states that ends with the s-th at t; rest: with idle clips
    # after it; opened[s, t]: that of the s - 1 states before a state that begins at t, without its clips
    done = np.empty((width + 1, n + 1))
    rest = np.empty((width + 1, n + 1))
    opened = np.empty((width + 1, n + 1))
    resting = np.zeros((width + 1, n + 1), dtype=np.bool_)
    prior = np.empty(n + 1)
    for tempo in range(log_tempi.shape[0]):
        slower = log_tempi[tempo]
        done[0, :] = IMPOSSIBLE
        done[0, 0] = 0.0
        _rest(n, idle, idle_entry, done[0], rest[0])
        before = -1
        for h in rows:
            states = length[h]
            for s in range(1 + _shared(before, h, emission, log_duration, spread, length), states + 1):
                column = emission[h, s - 1]
                if s > 1:
                    _open(
                        n,
                        sums[column],
                        done[s - 1],
                        rest[s - 1],
                        border[emission[h, s - 2], column],
                        opened[s],
                        resting[s],
                    )
                else:
                    _open(n, sums[column], done[0], rest[0], np.zeros(n + 1), opened[s], resting[s])
                shortest, longest = _prior(
                    n, log_clips, log_duration[h, s - 1] + slower, spread[h, s - 1], reach, prior
                )
                _extend(n, sums[column], opened[s], shortest, longest, prior, done[s])
                _rest(n, idle, idle_entry, done[s], rest[s])
            before = h
            found = max(done[states, n], rest[states, n])
            if found > IMPOSSIBLE / 2 and found + tempo_scores[tempo] > score[h]:
                score[h] = found + tempo_scores[tempo]
                t = n
                resting_now = rest[states, n] > done[states, n]
                for s in range(states, 0, -1):
                    while resting_now:
                        t -= 1
                        resting_now = rest[s, t] > done[s, t] - idle_entry
                    end[h, s - 1] = t
                    shortest, longest = _prior(
                        n, log_clips, log_duration[h, s - 1] + slower, spread[h, s - 1], reach, prior
                    )
                    t -= _taken(t, opened[s], shortest, longest, prior)
                    start[h, s - 1] = t
                    # whether idle clips lie before this state
                    resting_now = resting[s, t]
    return score, start, end


@numba.njit(cache=True)
def _shared(before, h, emission, log_duration, spread, length):  # type: ignore[no-untyped-def]
    """How many first states two rows have in common."""
    if before < 0:
        return 0
    most = min(length[before], length[h])
    for s in range(most):
        if (
            emission[before, s] != emission[h, s]
            or log_duration[before, s] != log_duration[h, s]
            or spread[before, s] != spread[h, s]
        ):
            return s
    return most


@numba.njit(cache=True)
def _open(n, sums, done, rest, border, opened, resting):  # type: ignore[no-untyped-def]
    for t in range(n + 1):
        direct = done[t] + border[t]
        resting[t] = rest[t] > direct
        opened[t] = max(direct, rest[t]) - sums[t]


@numba.njit(cache=True)
def _prior(n, log_clips, log_duration, spread, reach, prior):  # type: ignore[no-untyped-def]
    """Fills ``prior`` between the shortest and the longest duration that are tried, and returns these."""
    shortest = max(1, math.floor(math.exp(log_duration - reach * spread)))
    longest = min(n, math.ceil(math.exp(log_duration + reach * spread)))
    constant = -math.log(spread) - 0.5 * math.log(2.0 * math.pi)
    for d in range(shortest, longest + 1):
        z = (log_clips[d - 1] - log_duration) / spread
        prior[d] = constant - 0.5 * z * z
    return shortest, longest


@numba.njit(cache=True)
def _extend(n, sums, opened, shortest, longest, prior, done):  # type: ignore[no-untyped-def]
    done[:] = IMPOSSIBLE
    # the inner loop is over ends, so that it needs no reduction
    for d in range(shortest, longest + 1):
        of_duration = prior[d]
        for t in range(d, n + 1):
            value = opened[t - d] + of_duration
            done[t] = value if value > done[t] else done[t]
    for t in range(n + 1):
        done[t] = done[t] + sums[t] if done[t] > IMPOSSIBLE / 2 else IMPOSSIBLE


@numba.njit(cache=True)
def _taken(t, opened, shortest, longest, prior):  # type: ignore[no-untyped-def]
    """The duration of a state that ends at t; of equally good ones the shortest."""
    best, choice = IMPOSSIBLE, 0
    for d in range(shortest, min(longest, t) + 1):
        value = opened[t - d] + prior[d]
        if value > best:
            best, choice = value, d
    return choice


@numba.njit(cache=True)
def _rest(n, idle, idle_entry, done, rest):  # type: ignore[no-untyped-def]
    rest[0] = IMPOSSIBLE
    for t in range(1, n + 1):
        rest[t] = max(done[t - 1] - idle_entry, rest[t - 1]) + idle[t - 1]
