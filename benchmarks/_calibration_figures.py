"""What was stated beforehand against what happened: the trials, and the figures made of them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import numpy as np
from scipy.stats import binom, binomtest

from benchmarks._calibration_sets import (
    MEASURED,
    Scored,
    SetResult,
)
from sopilot_assets.bench.expected import Fault
from sopilot_assets.bench.selective import Trial
from sopilot_assets.scoring.points import INTERVAL
from sopilot_assets.tasks import DeviationType

POWER_EDGES: Final = (0.0, 0.5, 0.7, 0.8, 0.9, 1.0)
FALSE_EDGES: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 1.0)
PROBABILITY_EDGES: Final = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)
CONFIDENCE_EDGES: Final = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
NEAR: Final = 1.0
"""Points that a true score may lie outside of an interval and still count as near it."""
ROUNDING: Final = 0.01
NOMINAL: Final = INTERVAL[1] - INTERVAL[0]

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many."""

    hits: int
    cases: int

    @property
    def value(self) -> float:
        """The share; NaN of nothing."""
        return self.hits / self.cases if self.cases else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval; everything where there are no cases."""
        if not self.cases:
            return 0.0, 1.0
        low, high = binomtest(self.hits, self.cases).proportion_ci(method="wilson")
        return min(float(low), self.value), max(float(high), self.value)

    def __str__(self) -> str:
        if not self.cases:
            return "–"
        low, high = self.interval
        return f"{digits(self.value)} ({self.hits}/{self.cases}; {digits(low)}–{digits(high)})"


def digits(value: float) -> str:
    """A share with two digits, small ones with three.

    >>> digits(0.914), digits(0.0064), digits(0.0)
    ('0.91', '0.006', '0.00')
    """
    if math.isnan(value):
        return "–"
    return f"{value:.3f}" if 0.0 < abs(value) < 0.095 else f"{value:.2f}"


def share(hits: Iterable[bool]) -> Share:
    """The share of outcomes that are true."""
    found = list(hits)
    return Share(sum(found), len(found))


@dataclass(frozen=True, slots=True)
class Event(Trial):
    """A trial about a type of deviation at steps of a set's procedure; ``alike`` says that the recording is
    one like those that the calibration tried: one edit, or none, and nothing else.
    """

    kind: DeviationType
    rows: tuple[tuple[str, str], ...]
    """(set, step) of the rows that it is about."""
    alike: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """Trials with similar stated probabilities."""

    stated: float
    measured: Share


def mean_stated(trials: Sequence[Trial]) -> float:
    """The mean of what was stated; NaN of nothing."""
    return sum(t.stated for t in trials) / len(trials) if trials else math.nan


def bins(trials: Sequence[Trial], edges: Sequence[float]) -> tuple[Bin, ...]:
    """The trials by stated probability in [edge, next edge), the last bin closed; empty bins are left out.

    >>> bins([Trial(0.1, False), Trial(0.3, True), Trial(1.0, True)], (0.0, 0.5, 1.0))
    (Bin(stated=0.2, measured=Share(hits=1, cases=2)), Bin(stated=1.0, measured=Share(hits=1, cases=1)))
    """
    groups = grouped(trials, lambda t: min(int(np.searchsorted(edges, t.stated, "right")), len(edges) - 1))
    return tuple(Bin(mean_stated(some), share(t.hit for t in some)) for _, some in sorted(groups.items()))


def brier(trials: Sequence[Trial]) -> float:
    """The mean squared error of the stated probabilities (G. W. Brier 1950); NaN of nothing."""
    return sum((t.stated - t.hit) ** 2 for t in trials) / len(trials) if trials else math.nan


@dataclass(frozen=True, slots=True)
class RowError:
    """How far what rows said is from what was measured: the mean absolute error weighted by cases, and what
    it would be on average, with so few cases, if every row were exactly right.
    """

    error: float
    by_chance: float
    rows: int


def row_error(events: Sequence[Event]) -> RowError:
    """The error of the (set, step, type) rows that the events are about."""
    by_row = grouped(
        [((row, event.kind), event) for event in events for row in event.rows], lambda pair: pair[0]
    )
    cases, error, chance = 0, 0.0, 0.0
    for pairs in by_row.values():
        some = [event for _, event in pairs]
        stated, count = mean_stated(some), len(some)
        outcomes = np.arange(count + 1)
        cases += count
        error += count * abs(share(event.hit for event in some).value - stated)
        chance += float(np.abs(outcomes - count * stated) @ binom.pmf(outcomes, count, stated))
    return RowError(error / cases, chance / cases, len(by_row)) if cases else RowError(math.nan, math.nan, 0)


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """The items by key, in the order they come in."""
    groups: dict[Key, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def stated_power(result: SetResult) -> Callable[[Fault], float | None]:
    """What a set's golds say about the power to find a fault: the mean of its steps' rows, None where there
    is none.
    """
    power = {(row.type.value, row.step_id): row.power for row in result.rows}

    def of(fault: Fault) -> float | None:
        known = [value for step in fault.steps if (value := power.get((fault.type, step))) is not None]
        return sum(known) / len(known) if known else None

    return of


def power_events(results: Sequence[SetResult]) -> list[Event]:
    """One event for each labeled deviation of a verified type: was it found, type and steps being right, or,
    where a critical step is missing, at least held back?
    """
    events = []
    for result in results:
        power = stated_power(result)
        for one in result.scored:
            found = {finding.fault for finding in one.findings}
            for fault in sorted(one.truth.needed):
                stated = power(fault) if fault.type in MEASURED else None
                if stated is not None:
                    rows = tuple((result.name, step) for step in fault.steps)
                    kind = DeviationType(fault.type)
                    held = one.held_back and kind is DeviationType.MISSING_STEP
                    hit = fault in found or (held and not result.critical_steps.isdisjoint(fault.steps))
                    events.append(Event(stated, hit, kind, rows, one.alone))
    return events


def false_events(results: Sequence[SetResult]) -> list[Event]:
    """One event for each recording and row whose deviation the label neither asks for nor allows: was it
    reported all the same? Alike are the recordings without any deviation.
    """
    events = []
    for result in results:
        for one in result.scored:
            labeled_ = {(f.type, step) for f in one.truth.needed | one.truth.allowed for step in f.steps}
            found = {(f.fault.type, step) for f in one.findings for step in f.fault.steps}
            for row in result.rows:
                place = (row.type.value, row.step_id)
                if row.type in MEASURED and row.false_rate is not None and place not in labeled_:
                    rows = ((result.name, row.step_id),)
                    events.append(Event(row.false_rate, place in found, row.type, rows, one.truth.correct))
    return events


def critical_trials(scored: Iterable[Scored]) -> list[Trial]:
    """The stated probability of something critical, and whether the label says that there is."""
    return [
        Trial(one.critical_probability, one.truth.critical)
        for one in scored
        if one.truth.critical is not None
    ]


def confidence_trials(scored: Iterable[Scored], *, steps: bool = True) -> list[Trial]:
    """Each reported deviation's confidence, and whether the label holds it: type and steps, or only the type
    wherever it may be.
    """
    trials = []
    for one in scored:
        real = one.truth.needed | one.truth.allowed
        kinds = {fault.type for fault in real}
        for finding in one.findings:
            right = finding.fault in real if steps else finding.fault.type in kinds
            trials.append(Trial(finding.confidence, right))
    return trials


def covered(one: Scored, *, slack: float = ROUNDING) -> bool:
    """Whether the interval holds the true score, up to ``slack`` points."""
    if one.interval is None:
        return False
    low, high = one.interval
    return low - slack <= one.true_score <= high + slack


Group: TypeAlias = tuple[str, list[Scored]]


def groups_of(results: Sequence[SetResult]) -> list[Group]:
    """Everything, then by kind of site, by site and by person."""
    everything = [one for result in results for one in result.scored]
    found: list[Group] = [("all", everything)]
    for name, at_gold_site in (("at the golds' site", True), ("at the other site", False)):
        found.append((name, [one for one in everything if one.at_gold_site is at_gold_site]))
    by_site = grouped(everything, lambda one: one.truth.site)
    by_person = grouped(everything, lambda one: one.truth.performer)
    return found + sorted(by_site.items()) + sorted(by_person.items())
