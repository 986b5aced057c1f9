"""A split of whole groups that gives each split its share of both classes.

Groups are dealt to the three splits so that positives and negatives come close to their shares, from a
shuffled start and improved by moving and swapping groups until nothing helps. How hard a case is does not
count there, so that test looks like the field. Then dev and challenge exchange groups so that challenge
gets the harder ones of the two.

Where each class occurs in three groups or more, each split has both classes.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sopilot_assets.old_rules.choices import SplitRatios
from sopilot_assets.studies.split_manifest import SPLITS

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Names = npt.NDArray[np.object_]
Flags = npt.NDArray[np.bool_]

LACKING: Final = 10.0
"""Cost of a split without a class; above any sum of squared deviations, which is 6 at most."""
HARDNESS_WEIGHT: Final = 0.2
"""What a case that is harder than others by 1 is worth in challenge, as a share of all cases."""
MOST_SWAPPED: Final = 300
"""Swapping is tried up to this many groups; with more of them, moving single groups balances well enough."""
SMALLEST_GAIN: Final = 1e-12

_DEV, _TEST, _CHALLENGE = range(len(SPLITS))
_EVERY: Final = np.arange(len(SPLITS))


@dataclass(slots=True)
class _Deal:
    """Groups dealt to splits: ``counts`` (g, 2) positives and negatives of each group, ``target`` (3, 2),
    ``bonus`` (g,) what a group is worth in challenge, ``place`` (g,) its split, -1 before it is dealt.
    """

    counts: Floats
    target: Floats
    bonus: Floats
    place: Indices

    def held(self) -> Floats:
        """Positives and negatives in each split (3, 2)."""
        held = np.zeros_like(self.target)
        dealt = self.place >= 0
        np.add.at(held, self.place[dealt], self.counts[dealt])
        return held

    def cost(self, held: Floats, split: Indices) -> Floats:
        """The cost (m,) of each ``split`` (m,) if it held these counts (m, 2)."""
        total = self.counts.sum(axis=0)
        deviation = (held - self.target[split]) / np.maximum(total, 1.0)
        lacking = LACKING * ((held == 0) & (total > 0))
        cost: Floats = (deviation**2 + lacking).sum(axis=-1)
        return cost


def balanced(
    positive: Flags,
    hard: Floats,
    groups: Names,
    *,
    seed: int,
    ratios: SplitRatios,
    seen: Collection[str],
) -> Names:
    """The split (n,) of each case from its label, how hard it is and its group (n,); groups that were
    ``seen`` stay in dev.
    """
    names, group = np.unique(groups.astype(str), return_inverse=True)
    group = group.astype(np.int64)
    counts: Floats = np.stack(
        [np.bincount(group, weights=positive == wanted, minlength=len(names)) for wanted in (True, False)],
        axis=1,
    )
    shares = ratios.shares()
    target = np.array([shares[name] for name in SPLITS])[:, None] * counts.sum(axis=0)
    free = ~np.isin(names, sorted(seen))
    place = np.where(free, -1, _DEV).astype(np.int64)
    deal = _Deal(counts, target, np.zeros(len(names)), place)
    _start(deal, seed)
    _improve(deal, free, frozenset((_DEV, _TEST, _CHALLENGE)))
    pool = free & (deal.place != _TEST)
    deal.bonus = _bonus(positive, hard, group, pool)
    _improve(deal, pool, frozenset((_DEV, _CHALLENGE)))
    return np.array(SPLITS, dtype=object)[deal.place[group]]


def _start(deal: _Deal, seed: int) -> None:
    order = list(range(deal.counts.shape[0]))
    random.Random(seed).shuffle(order)  # noqa: S311 - a split has to be repeatable
    order = [one for one in order if deal.place[one] < 0]
    has_positive, has_negative = deal.counts.T > 0
    mixed = [one for one in order if has_positive[one] and has_negative[one]]
    pure = ([one for one in order if not has_negative[one]], [one for one in order if not has_positive[one]])
    for split in (_TEST, _CHALLENGE, _DEV):
        first = [mixed.pop(0)] if mixed else [kind.pop(0) for kind in pure if kind]
        deal.place[first] = split
    share = deal.counts / np.maximum(deal.counts.sum(axis=0), 1.0)
    held = deal.held()
    for one in sorted(order, key=lambda place: -float(share[place].max())):
        if deal.place[one] < 0:
            gain = deal.cost(held, _EVERY) - deal.cost(held + deal.counts[one], _EVERY)
            deal.place[one] = int(gain.argmax())
            held[deal.place[one]] += deal.counts[one]


def _bonus(positive: Flags, hard: Floats, group: Indices, pool: Flags) -> Floats:
    excess = np.zeros(positive.shape[0])
    for wanted in (True, False):
        chosen = pool[group] & (positive == wanted)
        if chosen.any():
            excess[chosen] = hard[chosen] - hard[chosen].mean()
    summed = np.bincount(group, weights=excess, minlength=pool.shape[0])
    bonus: Floats = HARDNESS_WEIGHT * summed / max(positive.shape[0], 1)
    return bonus


def _improve(deal: _Deal, free: Flags, splits: frozenset[int]) -> None:
    """Move or swap free groups among these splits, the best exchange first, until nothing is gained."""
    movable = np.flatnonzero(free)
    for _ in range(4 * movable.shape[0]):
        held = deal.held()
        move_gain, moved, to = _best_move(deal, held, movable, splits)
        swap_gain, first, second = _best_swap(deal, held, movable)
        if max(move_gain, swap_gain) <= SMALLEST_GAIN:
            return
        if move_gain >= swap_gain:
            deal.place[moved] = to
        else:
            deal.place[[first, second]] = deal.place[[second, first]]


def _best_move(deal: _Deal, held: Floats, movable: Indices, splits: frozenset[int]) -> tuple[float, int, int]:
    if not movable.shape[0]:
        return 0.0, -1, -1
    place, counts = deal.place[movable], deal.counts[movable]
    now = deal.cost(held, _EVERY)
    leaving = now[place] - deal.cost(held[place] - counts, place)
    leaving -= deal.bonus[movable] * (place == _CHALLENGE)
    gains = np.full((movable.shape[0], len(SPLITS)), -np.inf)
    for split in splits:
        joining = now[split] - deal.cost(held[split] + counts, np.full_like(place, split))
        joining += deal.bonus[movable] * (split == _CHALLENGE)
        gains[:, split] = np.where(place == split, -np.inf, leaving + joining)
    row, to = np.unravel_index(int(gains.argmax()), gains.shape)
    return float(gains[row, to]), int(movable[row]), int(to)


def _best_swap(deal: _Deal, held: Floats, movable: Indices) -> tuple[float, int, int]:
    if not 2 <= movable.shape[0] <= MOST_SWAPPED:
        return 0.0, -1, -1
    place, counts = deal.place[movable], deal.counts[movable]
    head, tail = np.triu_indices(movable.shape[0], k=1)
    apart = place[head] != place[tail]
    head, tail = head[apart], tail[apart]
    if not head.shape[0]:
        return 0.0, -1, -1
    exchanged = counts[tail] - counts[head]
    here, there = place[head], place[tail]
    now = deal.cost(held, _EVERY)
    gains = now[here] - deal.cost(held[here] + exchanged, here)
    gains += now[there] - deal.cost(held[there] - exchanged, there)
    worth = deal.bonus[movable]
    gains += (worth[tail] - worth[head]) * ((here == _CHALLENGE) * 1.0 - (there == _CHALLENGE))
    best = int(gains.argmax())
    return float(gains[best]), int(movable[head[best]]), int(movable[tail[best]])
