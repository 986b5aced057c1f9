"""The split strategies of existing installations, rule for rule, so that their splits can be made again.

What is known to be wrong with them stays as it was: the challenge split takes the hardest cases away from
test, which makes test easier than the field, and groups are one video, gold or site each, so that a person
can be on both sides. `balanced_splits` does better.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sopilot_assets.old_rules.choices import SplitRatios

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.object_]
Flags = npt.NDArray[np.bool_]

_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class _Group:
    """Cases that stay together: indices into the table, how many are positive, and how hard they are."""

    name: str
    cases: tuple[int, ...]
    positives: int
    hardness: float

    @property
    def size(self) -> int:
        return len(self.cases)

    @property
    def negatives(self) -> int:
        return self.size - self.positives


def hardness(positive: Flags, critical_score: Floats) -> Floats:
    """How far the score (n,) is from the label (n,), from 0 (right and certain) to 1 (wrong and certain).

    Scores are rounded to 6 digits first, so that what was a tie stays one.
    """
    score = np.array([round(value, _DIGITS) for value in critical_score.tolist()], dtype=np.float64)
    return np.where(positive, 1.0 - score, score)


def random_stratified(positive: Flags, hard: Floats, *, seed: int, ratios: SplitRatios) -> Names:
    """The split (n,) of each case: the hardest of each class as challenge, the rest shuffled."""
    split = np.full(positive.shape[0], "test", dtype=object)
    generator = random.Random(seed)  # noqa: S311 - a split has to be repeatable
    for wanted in (True, False):
        members = np.flatnonzero(positive == wanted).tolist()
        challenge = max(1, round(len(members) * ratios.challenge))
        hardest = sorted(members, key=lambda case: (-hard[case], case))[:challenge]
        split[hardest] = "challenge"
        left = sorted(set(members) - set(hardest))
        generator.shuffle(left)
        split[left[: round(len(left) * _dev_share(ratios))]] = "dev"
    return split


def grouped(
    positive: Flags,
    hard: Floats,
    groups: Names,
    *,
    seed: int,
    ratios: SplitRatios,
    with_challenge: bool = True,
) -> Names:
    """The split (n,) of each case, with whole groups (n,): the hardest groups as challenge until every class
    has its share, the others shuffled and put into dev while that brings it closer to its size.
    """
    every = _groups(positive, hard, groups)
    challenge = _challenge(every, ratios.challenge) if with_challenge else []
    left = [group for group in every if group not in challenge]
    dev, test = _dev_and_test(left, ratios, seed)
    split = np.full(positive.shape[0], "", dtype=object)
    for name, chosen in (("dev", dev), ("test", test), ("challenge", challenge)):
        split[[case for group in chosen for case in group.cases]] = name
    return split


def leave_one_site_out(
    positive: Flags, hard: Floats, groups: Names, held_out: Flags, *, seed: int, ratios: SplitRatios
) -> Names:
    """The split (n,) of each case: the held-out site's cases as challenge, the others grouped."""
    split = np.full(positive.shape[0], "challenge", dtype=object)
    rest = ~held_out
    split[rest] = grouped(
        positive[rest], hard[rest], groups[rest], seed=seed, ratios=ratios, with_challenge=False
    )
    return split


def _groups(positive: Flags, hard: Floats, groups: Names) -> list[_Group]:
    members: dict[str, list[int]] = {}
    for case, name in enumerate(groups):
        members.setdefault(str(name), []).append(case)
    return [
        _Group(name, tuple(cases), int(positive[cases].sum()), _mean(hard[cases]))
        for name, cases in sorted(members.items())
    ]


def _challenge(groups: Sequence[_Group], ratio: float) -> list[_Group]:
    hardest_first = sorted(groups, key=lambda group: (-group.hardness, -group.size, group.name))
    taken: list[_Group] = []
    for attribute in ("positives", "negatives", "size"):
        total = sum(getattr(group, attribute) for group in groups)
        share = round(total * ratio)
        target = share if attribute == "size" else min(total, max(1, share))
        for group in hardest_first:
            if sum(getattr(one, attribute) for one in taken) >= target:
                break
            if group not in taken and getattr(group, attribute) > 0:
                taken.append(group)
    if not groups or len(taken) < len(groups):
        return taken
    # with every group taken, the easiest one goes back, whichever was taken last
    return [group for group in taken if group is not hardest_first[-1]]


def _dev_and_test(
    groups: Sequence[_Group], ratios: SplitRatios, seed: int
) -> tuple[list[_Group], list[_Group]]:
    share = _dev_share(ratios)
    total = np.sum([_counts(group) for group in groups], axis=0) if groups else np.zeros(3)
    target, reached = total * share, np.zeros(3)
    shuffled = list(groups)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - a split has to be repeatable
    dev: list[_Group] = []
    test: list[_Group] = []
    for group in shuffled:
        joined = reached + _counts(group)
        if np.abs(joined - target).sum() <= np.abs(reached - target).sum():
            dev.append(group)
            reached = joined
        else:
            test.append(group)
    if shuffled and not dev:
        return [test[0]], test[1:]
    if shuffled and not test:
        return dev[:-1], [dev[-1]]
    return dev, test


def _dev_share(ratios: SplitRatios) -> float:
    """Dev's share of what challenge leaves; taken first, since 2 x (0.6 / 0.8) is below 1.5 in floating point
    and 2 x 0.6 / 0.8 is not, and what follows is rounded.
    """
    return ratios.dev / (ratios.dev + ratios.test)


def _mean(values: Floats) -> float:
    """The mean by adding from left to right: groups that are equally hard but for rounding errors have to
    come in the same order as they did.
    """
    return float(np.cumsum(values)[-1]) / len(values)


def _counts(group: _Group) -> Floats:
    return np.array([group.size, group.positives, group.negatives], dtype=np.float64)
