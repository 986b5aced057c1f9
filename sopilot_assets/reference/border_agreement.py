"""How far apart two people's borders of the same steps in one gold are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from sopilot_assets.reference.annotations import StepInterval


@dataclass(frozen=True, slots=True)
class BorderDifference:
    """By how many seconds the second person's beginning and end of a step are later than the first's;
    ``part`` counts from 0 where a step was done in several parts.
    """

    step: int
    part: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class BorderAgreement:
    """Two people's borders: the differences in order of time, and the steps that only one of them marked, or
    in more parts than the other, as indices into the task's steps.
    """

    differences: tuple[BorderDifference, ...]
    unmatched: tuple[int, ...]

    @property
    def median_s(self) -> float | None:
        """The median of the absolute differences of all borders, in seconds; None without any."""
        every = [abs(value) for one in self.differences for value in (one.start_s, one.end_s)]
        return median(every) if every else None

    @property
    def most_s(self) -> float | None:
        """The largest absolute difference, in seconds; None without any."""
        return max((max(abs(one.start_s), abs(one.end_s)) for one in self.differences), default=None)


def border_agreement(one: Sequence[StepInterval], other: Sequence[StepInterval]) -> BorderAgreement:
    """How two people's steps of a gold, each in order of time, agree: the n-th part of a step is compared
    with its n-th part.
    """
    first, second = _parts(one), _parts(other)
    differences = tuple(
        BorderDifference(
            step,
            part,
            second[step, part].segment.start_s - interval.segment.start_s,
            second[step, part].segment.end_s - interval.segment.end_s,
        )
        for (step, part), interval in first.items()
        if (step, part) in second
    )
    return BorderAgreement(differences, tuple(sorted({step for step, _ in first.keys() ^ second.keys()})))


def _parts(steps: Sequence[StepInterval]) -> dict[tuple[int, int], StepInterval]:
    found: dict[tuple[int, int], StepInterval] = {}
    for interval in steps:
        part = sum(step == interval.step for step, _ in found)
        found[interval.step, part] = interval
    return found
