"""Explanations of a video: the procedure as it should be, and every edit of it.

An explanation is a sequence of states, each a step of the task or something unknown, with the prior of its
duration, and the edits that led to it with their price.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from sopilot_assets.alignment.segmental import StateSequences
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.reference.durations import Durations

UNKNOWN: Final = -1
LONG_FACTOR: Final = 2.0
"""How many times longer than usual an over-long or repeated step is expected to be."""
LONG_SPREAD: Final = 0.35
UNKNOWN_SPREAD: Final = 0.6
PARTIAL_FACTOR: Final = 0.4
"""The share of a first or last step that is expected to be left when the recording cuts into it."""
PARTIAL_SPREAD: Final = 0.6


@dataclass(frozen=True, slots=True)
class Prices:
    """What each kind of edit costs, in nats; an edit is found when it explains the video better by more
    than its price.

    The defaults are what a task's prices are fitted around. Those of long and of cut steps, and ``further``,
    were fitted to labeled recordings: how often people take their time, begin to film late and deviate more
    than once cannot be learnt from edited golds.
    """

    missing: float = 2.5
    missing_more: float = 1.5
    """Each further step of a missing run."""
    swap: float = 3.5
    wrong: float = 3.0
    extra: float = 4.0
    long: float = 1.75
    partial: float = 2.75
    further: float = 1.5
    """Each edit after the first, beside its own price; a step cut short is none of them. There are many more
    ways to deviate twice than once, and fewer recordings in which somebody does."""
    idle: float = 2.0
    """Each idle stretch."""
    idle_clip: float = 0.6
    """Each clip of an idle stretch."""
    scale: float = 1.0
    """By which the evidence is multiplied before prices are paid."""


@dataclass(frozen=True, slots=True, order=True)
class PlannedEdit:
    """An edit before it is found anywhere: its kind and the steps it concerns. For EXTRA, the step it comes
    before (or the number of steps, at the end).
    """

    kind: EditKind
    steps: tuple[int, ...]


class ProcedureState(NamedTuple):
    """One element of an explanation: ``step`` is a task's step or `UNKNOWN`; ``stands_for`` the step that
    should be here, if any; duration as the log of seconds. A tuple, since hundreds of thousands are compared.
    """

    step: int
    stands_for: int | None
    log_mean: float
    spread: float

    @property
    def expected(self) -> bool:
        """Whether it is the step that should be here."""
        return self.step == self.stands_for


Procedure: TypeAlias = tuple[ProcedureState, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A sequence of states and the changes that made it from the ``whole`` procedure; ``kinds`` are those of
    its changes, which are ordered by kind, but for a first or last step cut short, which goes with all kinds.
    """

    states: Procedure
    changes: tuple[PlannedEdit, ...]
    price: float
    whole: Procedure = field(repr=False, compare=False)
    kinds: tuple[EditKind, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # found once: explanations are kept for all recordings of a task
        object.__setattr__(self, "kinds", tuple(change.kind for change in self.changes if _counts(change)))


def procedure(order: Sequence[int], durations: Durations) -> Explanation:
    """The steps in the given order, without any edit."""
    states = tuple(ProcedureState(k, k, durations.log_mean[k], durations.spread[k]) for k in order)
    return Explanation(states, (), 0.0, states)


def single_edits(base: Explanation, prices: Prices) -> Iterator[Explanation]:
    """Every explanation that is one edit further from the procedure than ``base``; each keeps at least one
    step.
    """
    states = base.states
    for change, price, edited in (
        *_missing(states, prices),
        *_swaps(states, prices),
        *_wrong(states, prices),
        *_long(states, prices),
        *_extra(base, prices),
        *_partial(states, prices),
    ):
        if change not in base.changes and any(state.expected for state in edited):
            further = prices.further if _counts(change) and any(map(_counts, base.changes)) else 0.0
            changes = tuple(sorted((*base.changes, change)))
            yield Explanation(edited, changes, base.price + price + further, base.whole)


def _counts(change: PlannedEdit) -> bool:
    """Whether it is a deviation of its own: where a recording begins and ends is up to who films."""
    return change.kind is not EditKind.PARTIAL


_Edited: TypeAlias = tuple[PlannedEdit, float, Procedure]


def _missing(states: Procedure, prices: Prices) -> Iterator[_Edited]:
    for first in range(len(states)):
        for last in range(first + 1, len(states) + 1):
            run = states[first:last]
            if len(run) == len(states) or not all(state.expected for state in run):
                break
            price = prices.missing + prices.missing_more * (len(run) - 1)
            yield (
                PlannedEdit(EditKind.MISSING, tuple(sorted(state.step for state in run))),
                price,
                states[:first] + states[last:],
            )


def _swaps(states: Procedure, prices: Prices) -> Iterator[_Edited]:
    for first in range(len(states)):
        for second in range(first + 1, len(states)):
            one, other = states[first].step, states[second].step
            # a pair already swapped is not swapped back: that would only undo an edit
            if not (states[first].expected and states[second].expected) or one == other:
                continue
            edited = list(states)
            edited[first], edited[second] = states[second], states[first]
            yield PlannedEdit(EditKind.SWAP, (min(one, other), max(one, other))), prices.swap, tuple(edited)


def _wrong(states: Procedure, prices: Prices) -> Iterator[_Edited]:
    """Each step replaced by something unknown, or by a known step that does not belong there."""
    for index, state in enumerate(states):
        if not state.expected:
            continue
        unknown = ProcedureState(UNKNOWN, state.step, state.log_mean, UNKNOWN_SPREAD)
        beside = {states[near].step for near in (index - 1, index, index + 1) if 0 <= near < len(states)}
        for other, price in _instead(states, beside, prices.wrong):
            stands_in = other._replace(stands_for=state.step) if other else unknown
            yield (
                PlannedEdit(EditKind.WRONG, (state.step,)),
                price,
                (*states[:index], stands_in, *states[index + 1 :]),
            )


def _instead(
    states: Procedure, beside: Container[int], price: float
) -> list[tuple[ProcedureState | None, float]]:
    """What may be done that does not belong at a place, with its price: something unknown (None), or one of
    the steps that are not done ``beside`` it, which share the probability of the edit evenly.
    """
    known = {s.step: s for s in states if s.expected and s.step not in beside}
    each = price + math.log(1 + len(known))
    return [(None, price), *((s._replace(spread=UNKNOWN_SPREAD), each) for s in known.values())]


def _long(states: Procedure, prices: Prices) -> Iterator[_Edited]:
    for index, state in enumerate(states):
        if state.expected:
            longer = state._replace(log_mean=state.log_mean + math.log(LONG_FACTOR), spread=LONG_SPREAD)
            yield (
                PlannedEdit(EditKind.LONG, (state.step,)),
                prices.long,
                (*states[:index], longer, *states[index + 1 :]),
            )


def _extra(base: Explanation, prices: Prices) -> Iterator[_Edited]:
    """Something unknown between two steps, or a known step once more; the same whatever else was edited
    before, since two ways to one explanation would count it twice.
    """
    states = base.states
    usual = float(np.median([state.log_mean for state in base.whole]))
    extra = ProcedureState(UNKNOWN, None, usual, UNKNOWN_SPREAD)
    for index in range(len(states) + 1):
        neighbours = states[max(index - 1, 0) : index + 1]
        if not all(state.expected for state in neighbours):
            continue
        before = states[index].step if index < len(states) else len(base.whole)
        for other, price in _instead(states, {state.step for state in neighbours}, prices.extra):
            added = other._replace(stands_for=None) if other else extra
            yield (
                PlannedEdit(EditKind.EXTRA, (before,)),
                price,
                (*states[:index], added, *states[index:]),
            )


def _partial(states: Procedure, prices: Prices) -> Iterator[_Edited]:
    for index in {0, len(states) - 1}:
        state = states[index]
        if state.expected:
            cut = state._replace(log_mean=state.log_mean + math.log(PARTIAL_FACTOR), spread=PARTIAL_SPREAD)
            yield (
                PlannedEdit(EditKind.PARTIAL, (state.step,)),
                prices.partial,
                (*states[:index], cut, *states[index + 1 :]),
            )


def state_sequences(
    explanations: Sequence[Explanation], *, unknown_column: int, stride_s: float
) -> StateSequences:
    """The explanations as a padded batch at the usual tempo; ``stride_s`` turns seconds into clips."""
    states = [state for explanation in explanations for state in explanation.states]
    length = np.array([len(explanation.states) for explanation in explanations], dtype=np.int64)
    used = np.arange(length.max()) < length[:, None]
    emission = np.zeros(used.shape, dtype=np.int64)
    log_duration, spread = np.zeros(used.shape), np.ones(used.shape)
    emission[used] = [unknown_column if state.step == UNKNOWN else state.step for state in states]
    log_duration[used] = np.array([state.log_mean for state in states]) - math.log(stride_s)
    spread[used] = [state.spread for state in states]
    return StateSequences(emission, log_duration, spread, length)
