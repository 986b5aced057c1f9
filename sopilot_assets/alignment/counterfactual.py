"""Gold recordings edited on purpose: what a deviation would look like, made from golds alone.

An edit rearranges the clips of a gold: a step deleted, two exchanged, one shown twice or at half the speed,
one shown in place of another or once more where it does not belong.
For something unknown one step of the task is hidden, as if no gold had shown it: the shorter procedure is
then the right one, and the hidden step's clips are the unknown action.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sopilot_assets.alignment.explanations import PlannedEdit
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.reference.annotations import StepInterval

Indices: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Piece: TypeAlias = tuple[int, Indices]


@dataclass(frozen=True, slots=True, eq=False)
class Counterfactual:
    """An edited gold: its ``clips`` (m,) as indices of the gold's, the ``change`` that was made (None: none)
    and the step that is ``hidden`` (None: none).
    """

    clips: Indices
    change: PlannedEdit | None
    hidden: int | None


def counterfactuals(middles: Floats, intervals: Sequence[StepInterval]) -> Iterator[Counterfactual]:
    """The edits of one gold, whose clips have these middles (n,) in seconds; the unedited gold comes first.

    A gold that shows a step more than once gives only itself.
    """
    pieces = _pieces(middles, intervals)
    yield Counterfactual(_joined(pieces), None, None)
    steps = [step for step, _ in pieces]
    if len(set(steps)) == len(steps) > 1:
        yield from _edited(pieces)
        if len(steps) > 2:
            for hidden in range(len(pieces)):
                yield from _with_hidden(pieces, hidden)


def _pieces(middles: Floats, intervals: Sequence[StepInterval]) -> list[Piece]:
    """Each step's clips; clips between two steps go half to the one and half to the other."""
    ordered = sorted(intervals, key=lambda interval: interval.segment.start_s)
    cuts = [(before.segment.end_s + after.segment.start_s) / 2 for before, after in pairwise(ordered)]
    borders = [0, *np.searchsorted(middles, cuts).tolist(), middles.shape[0]]
    pieces = [
        (interval.step, np.arange(borders[place], borders[place + 1]))
        for place, interval in enumerate(ordered)
    ]
    return [(step, clips) for step, clips in pieces if clips.size]


def _joined(pieces: Sequence[Piece]) -> Indices:
    return np.concatenate([clips for _, clips in pieces])


def _edited(pieces: Sequence[Piece]) -> Iterator[Counterfactual]:
    for place, (step, clips) in enumerate(pieces):
        missing = PlannedEdit(EditKind.MISSING, (step,))
        yield Counterfactual(_joined([*pieces[:place], *pieces[place + 1 :]]), missing, None)
        # done twice, or at half the speed
        longer = np.tile(clips, 2) if place % 2 else np.repeat(clips, 2)
        yield Counterfactual(
            _joined([*pieces[:place], (step, longer), *pieces[place + 1 :]]),
            PlannedEdit(EditKind.LONG, (step,)),
            None,
        )
    for first, second in combinations(range(len(pieces)), 2):
        swapped = list(pieces)
        swapped[first], swapped[second] = pieces[second], pieces[first]
        change = PlannedEdit(EditKind.SWAP, tuple(sorted((pieces[first][0], pieces[second][0]))))
        yield Counterfactual(_joined(swapped), change, None)
    for place in range(len(pieces)):
        yield from _out_of_place(pieces, place)


def _out_of_place(pieces: Sequence[Piece], place: int) -> Iterator[Counterfactual]:
    """Another step, half the procedure away, done once more: in place of a step and before it."""
    other = (place + len(pieces) // 2) % len(pieces)
    if abs(other - place) < 2:  # beside its own place it is a step that takes long
        return
    step, known = pieces[place][0], pieces[other]
    instead = [*pieces[:place], known, *pieces[place + 1 :]]
    yield Counterfactual(_joined(instead), PlannedEdit(EditKind.WRONG, (step,)), None)
    if place > 0 and other != place - 1:
        added = [*pieces[:place], known, *pieces[place:]]
        yield Counterfactual(_joined(added), PlannedEdit(EditKind.EXTRA, (step,)), None)


def _with_hidden(pieces: Sequence[Piece], hidden: int) -> Iterator[Counterfactual]:
    unknown, clips = pieces[hidden]
    rest = [*pieces[:hidden], *pieces[hidden + 1 :]]
    yield Counterfactual(_joined(rest), None, unknown)
    # two places for the unknown action, spread over the steps as `hidden` goes on
    for shift in (0, len(rest) // 2):
        place = (hidden + shift) % len(rest)
        replaced = [*rest[:place], (unknown, clips), *rest[place + 1 :]]
        yield Counterfactual(_joined(replaced), PlannedEdit(EditKind.WRONG, (rest[place][0],)), unknown)
    place = 1 + (hidden + len(rest) // 2) % (len(rest) - 1)
    if place != hidden:
        added = [*rest[:place], (unknown, clips), *rest[place:]]
        yield Counterfactual(_joined(added), PlannedEdit(EditKind.EXTRA, (rest[place][0],)), unknown)
