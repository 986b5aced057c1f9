"""What the calibration says beforehand against what happened: checks, tables and the document."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks._calibration_figures import (
    CONFIDENCE_EDGES,
    FALSE_EDGES,
    NEAR,
    NOMINAL,
    POWER_EDGES,
    PROBABILITY_EDGES,
    ROUNDING,
    Bin,
    Event,
    Group,
    Share,
    bins,
    brier,
    confidence_trials,
    covered,
    critical_trials,
    digits,
    false_events,
    grouped,
    groups_of,
    mean_stated,
    power_events,
    row_error,
    share,
    stated_power,
)
from benchmarks._calibration_sets import (
    MEASURED,
    Scored,
    SetResult,
)
from sopilot_assets.bench.selective import Trial, expected_calibration_error
from sopilot_assets.tasks import DeviationType


@dataclass(frozen=True, slots=True)
class Figures:
    """A table of the report: title, a sentence about it, head and rows of cells."""

    title: str
    about: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was stated on average, and what was measured."""

    name: str
    stated: float
    measured: Share

    @property
    def off(self) -> bool:
        """Whether what was stated lies outside of the measured share's interval."""
        low, high = self.measured.interval
        return bool(self.measured.cases) and not low <= self.stated <= high

    def __str__(self) -> str:
        way = "too high" if self.stated > self.measured.value else "too low"
        return f"{self.name}: stated {digits(self.stated)}, measured {self.measured}" + (
            f"; stated {way}" if self.off else ""
        )


def checks(results: Sequence[SetResult]) -> list[Check]:
    """Everything that is stated, in the order of the report."""
    power, false = power_events(results), false_events(results)
    found = []
    for what, events in (("power", power), ("false events", false)):
        for kind in MEASURED:
            alike = [event for event in events if event.kind is kind and event.alike]
            found.append(_check(f"{what}, {kind.value}", alike))
    others = [event for event in power if not event.alike]
    found.append(_check("power, recordings with more than one deviation or a cut", others))
    found.append(_check("false events, recordings with other deviations", [e for e in false if not e.alike]))
    groups = groups_of(results)[:3]
    for name, some in groups:
        known = [one for one in some if one.interval is not None and one.true_score is not None]
        found.append(Check(f"interval coverage, {name}", NOMINAL, share(covered(one) for one in known)))
    for name, some in groups:
        found.append(_check(f"probability of something critical, {name}", critical_trials(some)))
    everything = groups[0][1]
    limits = results[0].limits  # all tasks accept the same
    low = [t for t in critical_trials(everything) if t.stated < limits.review]
    high = [t for t in critical_trials(everything) if t.stated >= limits.fail]
    found.append(_check(f"probability of something critical, where stated below {limits.review:g}", low))
    found.append(_check(f"probability of something critical, where stated from {limits.fail:g} on", high))
    for name, some in groups:
        found.append(_check(f"confidence, type and steps right, {name}", confidence_trials(some)))
    found.append(_check("confidence, type right, all", confidence_trials(everything, steps=False)))
    return found


def _check(name: str, trials: Sequence[Trial]) -> Check:
    return Check(name, mean_stated(trials), share(t.hit for t in trials))


def tables(results: Sequence[SetResult]) -> list[Figures]:
    """All tables of the report."""
    power, false = power_events(results), false_events(results)
    groups = groups_of(results)
    everything = groups[0][1]
    confidence, critical = confidence_trials(everything), critical_trials(everything)
    return [
        _sets_table(results),
        _types_table("Power by type", POWER_ABOUT, power),
        _types_table("False events by type", FALSE_ABOUT, false),
        _bins_table("Power, by what was stated", "All labelled deviations.", power, POWER_EDGES),
        _bins_table("False events, by what was stated", "All recordings and rows.", false, FALSE_EDGES),
        _steps_table(power, false),
        _coverage_table(groups, everything),
        _trials_table(
            "Probability of something critical",
            CRITICAL_ABOUT,
            [(name, critical_trials(some)) for name, some in (*groups, *_kinds_of_critical(everything))],
            PROBABILITY_EDGES,
        ),
        _bins_table("Probability of something critical, reliability", "", critical, PROBABILITY_EDGES),
        _trials_table(
            "Confidence of reported deviations",
            "Right means that the label holds a deviation of this type at these steps; in the last row, of "
            "this type anywhere.",
            [
                *((name, confidence_trials(some)) for name, some in groups),
                *_by_type(everything),
                ("type only", confidence_trials(everything, steps=False)),
            ],
            CONFIDENCE_EDGES,
        ),
        _bins_table("Confidence, reliability", "Type and steps right.", confidence, CONFIDENCE_EDGES),
        _missed_table(results),
        _invented_table(results),
    ]


POWER_ABOUT: Final = (
    "Alike: recordings with one such deviation and nothing else, which is what the calibration tried. All: "
    "also those with several deviations, a cut or a standstill. The error is the mean over the rows (set, "
    "step), weighted by cases, of |stated − measured|; by chance is what it would be if every row were "
    "exactly right. A deviation counts as found when its type and steps are right; a missing critical step "
    "also where something critical is at least as likely as the limit of looking, since it is held back then."
)
FALSE_ABOUT: Final = (
    "Alike: recordings without any deviation. All: every recording, at rows that its label neither asks for "
    "nor allows. A case is one recording at one step; errors as above."
)


def _sets_table(results: Sequence[SetResult]) -> Figures:
    rows = [
        (
            result.name,
            f"{result.golds}",
            ", ".join(result.gold_persons),
            ", ".join(result.gold_sites),
            f"{len(result.scored)}",
            ", ".join(sorted({one.truth.performer for one in result.scored})),
            ", ".join(
                f"{site} {len(some)}"
                for site, some in sorted(grouped(result.scored, lambda one: one.truth.site).items())
            ),
            f"{sum(one.truth.correct for one in result.scored)}",
            f"{sum(one.truth.critical is True for one in result.scored)}",
        )
        for result in results
    ]
    head = ("set", "golds", "their persons", "site", "trainees", "persons", "sites", "correct", "critical")
    return Figures("Recordings", "", head, tuple(rows))


def _types_table(title: str, about: str, events: Sequence[Event]) -> Figures:
    rows = []
    for kind in (*MEASURED, None):
        cells = ["all" if kind is None else kind.value]
        of_kind = [event for event in events if kind is None or event.kind is kind]
        for some in ([event for event in of_kind if event.alike], of_kind):
            error = row_error(some)
            cells += [
                digits(mean_stated(some)),
                str(share(event.hit for event in some)),
                f"{digits(error.error)} ({digits(error.by_chance)})",
            ]
        rows.append(tuple(cells))
    head = ("type", "stated", "measured", "error (by chance)")
    return Figures(title, about, (*head, "all: stated", *(f"all: {name}" for name in head[2:])), tuple(rows))


def _bins_table(title: str, about: str, trials: Sequence[Trial], edges: Sequence[float]) -> Figures:
    found = bins(trials, edges)
    rows = tuple((digits(one.stated), str(one.measured), "off" if _is_off(one) else "") for one in found)
    return Figures(title, about, ("stated (mean of the bin)", "measured", ""), rows)


def _is_off(one: Bin) -> bool:
    low, high = one.measured.interval
    return not low <= one.stated <= high


def _steps_table(power: Sequence[Event], false: Sequence[Event]) -> Figures:
    names = sorted({(event.kind, step) for event in false for _, step in event.rows})
    rows = []
    for kind, step in names:
        cells = [kind.value, step]
        for events in (power, false):
            some = [e for e in events if e.kind is kind and any(place[1] == step for place in e.rows)]
            cells += [digits(mean_stated(some)), str(share(event.hit for event in some))]
        rows.append(tuple(cells))
    head = ("type", "step", "power stated", "found", "false stated", "reported where it is not")
    return Figures("By type and step", "Sets pooled, all recordings.", head, tuple(rows))


def _coverage_table(groups: Sequence[Group], everything: Sequence[Scored]) -> Figures:
    kinds: list[Group] = [
        ("correct recordings", [one for one in everything if one.truth.correct]),
        ("with deviations", [one for one in everything if not one.truth.correct]),
        ("with over-time", [one for one in everything if "over_time" in one.truth.wanted]),
        *sorted(grouped(everything, lambda one: one.decision).items()),
    ]
    rows = []
    for name, some in (*groups, *kinds):
        known = [
            (one.score, one.true_score, one.interval)
            for one in some
            if one.interval is not None and one.true_score is not None and one.score is not None
        ]
        widths = [high - low for _, _, (low, high) in known]
        scored = [one for one in some if one.interval is not None and one.true_score is not None]
        rows.append(
            (
                name,
                str(share(covered(one) for one in scored)),
                digits(share(covered(one, slack=NEAR) for one in scored).value),
                digits(share(true < low - ROUNDING for _, true, (low, _) in known).value),
                digits(share(true > high + ROUNDING for _, true, (_, high) in known).value),
                f"{np.mean(widths):.1f}" if widths else "–",
                digits(share(width < ROUNDING for width in widths).value),
                f"{np.mean([abs(score - true) for score, true, _ in known]):.1f}" if known else "–",
                f"{len(some) - len(known)}",
            )
        )
    head = (
        "recordings",
        "covered",
        f"within {NEAR:g} point",
        "truth below",
        "truth above",
        "mean width",
        "of no width",
        "mean error of score",
        "no interval",
    )
    return Figures(f"Coverage of the {NOMINAL:.0%} interval of the score", COVERAGE_ABOUT, head, tuple(rows))


COVERAGE_ABOUT: Final = (
    "The true score is what perfect recognition would give by the same rules: deviations from the label, "
    "missing steps by the product's own limits for cuts and standstills. Time lost is the labelled seconds "
    "of an over-long step less the golds' usual seconds for it at the recording's own pace (median over its "
    "whole labelled steps), against the usual seconds of the procedure at that pace."
)


CRITICAL_ABOUT: Final = (
    "`critical_probability` against the label, which calls every cut critical, also one that only shortens a "
    "step. Brackets in the Brier score: that of always stating the measured share. The calibration error is "
    "the mean over bins, weighted by cases, of |stated − measured|."
)


def _kinds_of_critical(scored: Sequence[Scored]) -> list[Group]:
    """Recordings whose label holds a missing step or a standstill, those that are critical only since a step
    is cut short, and the others.
    """
    critical = {DeviationType.MISSING_STEP.value, DeviationType.FREEZE.value}
    named = [one for one in scored if one.truth.wanted & critical]
    short = [one for one in scored if one.truth.critical and one not in named]
    return [
        ("with a missing step or standstill", named),
        ("with a step cut short only", short),
        ("with nothing critical", [one for one in scored if not one.truth.critical]),
    ]


def _by_type(scored: Sequence[Scored]) -> list[tuple[str, list[Trial]]]:
    found = []
    for kind in DeviationType:
        trials = [
            Trial(finding.confidence, finding.fault in one.truth.needed | one.truth.allowed)
            for one in scored
            for finding in one.findings
            if finding.fault.type == kind
        ]
        if trials:
            found.append((kind.value, trials))
    return found


def _trials_table(
    title: str, about: str, named: Sequence[tuple[str, Sequence[Trial]]], edges: Sequence[float]
) -> Figures:
    rows = []
    for name, trials in named:
        measured = share(t.hit for t in trials)
        constant = measured.value * (1.0 - measured.value)
        error = expected_calibration_error(trials, edges)
        rows.append(
            (
                name,
                digits(mean_stated(trials)),
                str(measured),
                f"{brier(trials):.3f} ({constant:.3f})" if trials else "–",
                f"{error:.3f}" if trials else "–",
            )
        )
    head = ("recordings", "stated (mean)", "measured", "Brier (of the mean)", "calibration error")
    return Figures(title, about, head, tuple(rows))


def _missed_table(results: Sequence[SetResult]) -> Figures:
    rows = []
    for result in results:
        power = stated_power(result)
        for one in result.scored:
            found = {finding.fault for finding in one.findings}
            for fault in sorted(one.truth.needed - found):
                stated = power(fault)
                rows.append(
                    (
                        f"{result.name}/{Path(one.truth.file).stem}",
                        one.truth.performer,
                        one.truth.site,
                        str(fault),
                        "–" if stated is None else digits(stated),
                        "; ".join(sorted(map(str, found))) or "nothing",
                        one.decision,
                        digits(one.critical_probability),
                    )
                )
    head = ("recording", "person", "site", "not found", "power stated", "reported", "decision", "p(critical)")
    return Figures("What was not found", "", head, tuple(rows))


def _invented_table(results: Sequence[SetResult]) -> Figures:
    rows = [
        (
            f"{result.name}/{Path(one.truth.file).stem}",
            one.truth.performer,
            one.truth.site,
            str(finding.fault),
            digits(finding.confidence),
            "; ".join(sorted(map(str, one.truth.needed))) or one.truth.variant,
        )
        for result in results
        for one in result.scored
        for finding in one.findings
        if finding.fault not in one.truth.needed | one.truth.allowed
    ]
    head = ("recording", "person", "site", "reported", "confidence", "truth")
    return Figures("What was reported and is not there", "", head, tuple(rows))


def document(results: Sequence[SetResult], *, command: str, what: str) -> str:
    """The report as Markdown; ``what`` says what kind of recordings they are."""
    everything = [one for result in results for one in result.scored]
    persons = {one.truth.performer for one in everything}
    sites = {one.truth.site for one in everything}
    found = checks(results)
    off = [f"- {one}." for one in found if one.off]
    fine = [f"- {one}." for one in found if not one.off and one.measured.cases]
    lines = [
        INTRODUCTION.format(
            command=command,
            what=what,
            recordings=len(everything),
            persons=len(persons),
            sites=len(sites),
            golds=sum(result.golds for result in results),
            sets=len(results),
        ),
        "## In short\n",
        *(f"- {sentence}" for sentence in _short(results)),
        "\n## What is off\n",
        OFF_ABOUT.format(count=len(found), chance=round(len(found) / 20)),
        *(off or ["- Nothing."]),
        "\n## What holds, as far as these cases can tell\n",
        "What was stated lies inside that interval, which is wide where cases are few:\n",
        *(fine or ["- Nothing."]),
        "\n![Stated against measured](calibration.png)\n",
    ]
    for table in tables(results):
        lines += [f"## {table.title}\n", *([f"{table.about}\n"] if table.about else [])]
        lines += [_line(table.head), _line(["---", *["---:"] * (len(table.head) - 1)])]
        lines += [*map(_line, table.rows), ""]
    return "\n".join(lines)


def _short(results: Sequence[SetResult]) -> Iterator[str]:
    everything = groups_of(results)[0][1]
    for what, events in (("Power", power_events(results)), ("False events", false_events(results))):
        for which, some in (
            ("like those that were tried", [event for event in events if event.alike]),
            ("all", events),
        ):
            error = row_error(some)
            yield (
                f"{what}, recordings {which}: stated {digits(mean_stated(some))}, measured "
                f"{share(event.hit for event in some)}; error of a row {digits(error.error)}, by chance "
                f"{digits(error.by_chance)}."
            )
    known = [one for one in everything if one.interval is not None and one.true_score is not None]
    yield (
        f"The {NOMINAL:.0%} interval of the score holds the true score in "
        f"{share(covered(one) for one in known)} of the recordings that have one, within {NEAR:g} point in "
        f"{share(covered(one, slack=NEAR) for one in known)}."
    )
    for what, trials, edges in (
        ("Probability of something critical", critical_trials(everything), PROBABILITY_EDGES),
        ("Confidence of deviations, type and steps", confidence_trials(everything), CONFIDENCE_EDGES),
    ):
        yield (
            f"{what}: stated {digits(mean_stated(trials))}, measured {share(t.hit for t in trials)}; Brier "
            f"score {brier(trials):.3f}, calibration error {expected_calibration_error(trials, edges):.3f}."
        )


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


OFF_ABOUT: Final = """\
What was stated lies outside the 95 % interval of what was measured. Of the {count} comparisons about {chance}
would by chance alone, were everything right.
"""

INTRODUCTION: Final = """\
# Is the calibration honest?

A reference is calibrated on its golds alone, by editing them. This compares what the calibration says
beforehand with what happens on recordings of other persons, at the golds' site and at another one. Written by

    {command}

on **{recordings} trainee recordings of {persons} persons at {sites} sites**, scored by {sets} references with
{golds} golds in all. {what}
In brackets: cases and Wilson's 95 % interval, which takes the cases for independent; those of one person or
recording are not, so it is too narrow.

An edited gold is less than a real deviation in two ways. A step that is moved keeps the look it was filmed
with, while a step really done too early or too late also happens on another state of the workpiece. And the
unknown action is another step of the procedure, done with the same care. Power may be overstated by both.
"""
SIMULATED: Final = """\
No trainee is seen in the golds of their set. Everything is simulated (one procedure, exact labels), and some
defaults of the product were chosen on recordings of the same simulator with another seed: real work will not
come out better."""
LABELED: Final = """\
They are composed of real clips with exact labels; defaults of the product were chosen on some of them, so
other work will not come out better. Recordings of other work are left out."""
