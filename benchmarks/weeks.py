"""The first weeks with a task, simulated: what is decided, what people look at, what is missed.

    python -m benchmarks.weeks [--seeds 3] [--out benchmarks]

One person films four golds. Then fifty recordings a week come from forty trainees, six in ten right, the
others with one deviation each. People look at what needs a review; a tenth of everything and a twentieth of
what passes is labeled blind. At the end of each week up to two recordings that people have confirmed to be
right become golds, of persons without a gold yet; after the third week one policy is adopted, which sets
the limit of looking from the labels. Everything is seen beside the same weeks without promotions and
policy. Recordings are made up (`_weeks_people`); judging is the product's own. ``--out`` is where weeks.md
and weeks.png are written.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from benchmarks._weeks_people import TASK, Made, right_recording, trainee_recording
from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.calibration import Calibration, calibrate
from sopilot_assets.bench.intervals import share_interval
from sopilot_assets.reference.model import Gold, Reference, build_reference
from sopilot_assets.scoring.limits import DecisionLimits, golds_limits
from sopilot_assets.scoring.result import Decision, Score
from sopilot_assets.scoring.score import score_alignment
from sopilot_assets.store.publish import publish_path, publish_text

WEEKS: Final = 6
A_WEEK: Final = 50
TRAINEES: Final = 40
FIRST_GOLDS: Final = 4
GOLD_PERSON: Final = 1000
BLIND: Final = 0.1
AUDITED: Final = 0.05
PROMOTED_A_WEEK: Final = 2
ADOPTED_AFTER: Final = 3
"""The week after which the policy is adopted."""
LEAST_CRITICAL: Final = 10
"""With fewer labeled critical recordings no policy is adopted."""
DECIDED: Final = (Decision.PASS, Decision.FAIL, Decision.RETRAIN)


@dataclass(frozen=True, slots=True)
class Judged:
    """A recording as it was judged in its week; ``weight`` says for how many a label of it stands, None where
    nobody labeled it, and ``picked`` that chance alone picked it.
    """

    made: Made
    score: Score
    weight: float | None
    picked: bool

    @property
    def passed(self) -> bool:
        """Whether nobody had to look."""
        return self.score.decision is Decision.PASS


@dataclass(frozen=True, slots=True)
class Week:
    """What a week brought, and with what it was judged."""

    number: int
    golds: int
    limits: DecisionLimits
    judged: tuple[Judged, ...]


@dataclass(slots=True)
class Floor:
    """The task's golds, limits and labels as the weeks go on."""

    golds: list[Made]
    limits: DecisionLimits = field(default_factory=lambda: golds_limits(TASK))
    labeled: list[Judged] = field(default_factory=list)

    def judge(self) -> tuple[Reference, Calibration]:
        """The reference of these golds and its calibration."""
        golds = [Gold(g.video_id, g.person, "site", g.embedding, g.intervals, True) for g in self.golds]
        reference = build_reference(TASK.task_id, TASK.step_ids, golds)
        return reference, calibrate(reference)

    def promote(self, week: Sequence[Judged]) -> None:
        """Up to `PROMOTED_A_WEEK` recordings that a label confirms to be right, of persons without a gold."""
        for one in week:
            known = {gold.person for gold in self.golds}
            right = one.weight is not None and one.made.change is None
            if right and one.made.person not in known and self._promoted_of(week) < PROMOTED_A_WEEK:
                self.golds.append(one.made)

    def _promoted_of(self, week: Sequence[Judged]) -> int:
        return sum(any(one.made is gold for one in week) for gold in self.golds)

    def adopt(self) -> None:
        """The highest limit of looking below which no more of the labeled critical recordings lie than the
        task accepts, each label standing for as many as it was picked from.
        """
        critical = sorted(
            (one.score.critical_probability, one.weight or 0.0)
            for one in self.labeled
            if one.made.critical and one.score.shows_task
        )
        if len(critical) < LEAST_CRITICAL:
            return
        below = np.cumsum([weight for _, weight in critical]) / sum(weight for _, weight in critical)
        review = critical[int((below <= TASK.accepted_miss).sum())][0]
        self.limits = DecisionLimits(self.limits.fail, min(review, self.limits.fail), "policy weeks")


def weeks(seed: int, *, learning: bool) -> list[Week]:
    """The weeks of one floor; without ``learning`` golds and limits stay as they were at the start."""
    chance = np.random.default_rng(seed)
    floor = Floor([right_recording(GOLD_PERSON + seed, number) for number in range(FIRST_GOLDS)])
    found = []
    with threadpool_limits(1):
        reference, calibration = floor.judge()
        for number in range(1, WEEKS + 1):
            judged = tuple(_judged(seed, number, floor, reference, calibration, chance))
            found.append(Week(number, len(floor.golds), floor.limits, judged))
            if learning:
                floor.labeled += [one for one in judged if one.weight is not None]
                floor.promote(judged)
                if number == ADOPTED_AFTER:
                    floor.adopt()
                reference, calibration = floor.judge()
    return found


def _judged(
    seed: int,
    week: int,
    floor: Floor,
    reference: Reference,
    calibration: Calibration,
    chance: np.random.Generator,
) -> Iterator[Judged]:
    for place in range(A_WEEK):
        person, blind, audited = chance.integers(TRAINEES), chance.random() < BLIND, chance.random() < AUDITED
        made = trainee_recording(100 * seed + int(person), 1000 * week + place)
        alignment = align(made.video_id, made.embedding, reference, prices=calibration.prices)
        score = score_alignment(TASK, reference, alignment, calibration, floor.limits)
        picked = blind or (audited and score.decision is Decision.PASS)
        looked_at = score.decision in (Decision.NEEDS_REVIEW, Decision.NOT_VERIFIABLE)
        share = BLIND + (1.0 - BLIND) * AUDITED if score.decision is Decision.PASS else BLIND
        weight = 1.0 if looked_at else 1.0 / share if picked else None
        yield Judged(made, score, weight, picked)


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of some weeks' recordings; shares in [0, 1], None where there is nothing to divide by.

    ``missed`` is the share of critical recordings that pass, ``wrong_passes`` that of passes that are
    critical, and ``estimated`` the same by the labels that chance picked, with its 95 % interval.
    """

    recordings: int
    decided: float
    reviewed: float
    correct_passed: float | None
    correct_failed: tuple[int, int]
    missed: tuple[int, int]
    wrong_passes: tuple[int, int]
    estimated: tuple[int, int]
    interval: tuple[float, float] | None


def figures(judged: Sequence[Judged]) -> Figures:
    """The figures of these recordings."""
    passed = [one for one in judged if one.passed]
    critical = [one for one in judged if one.made.critical]
    right = [one for one in judged if one.made.change is None]
    picked = [one for one in passed if one.picked]
    bad = [one.made.critical for one in picked]
    interval = share_interval(bad, [one.made.person for one in picked], seed=0)
    return Figures(
        len(judged),
        sum(one.score.decision in DECIDED for one in judged) / len(judged),
        sum(one.score.decision is Decision.NEEDS_REVIEW for one in judged) / len(judged),
        sum(one.passed for one in right) / len(right) if right else None,
        (sum(one.score.decision is Decision.FAIL for one in right), len(right)),
        (sum(one.passed for one in critical), len(critical)),
        (sum(one.made.critical for one in passed), len(passed)),
        (sum(bad), len(bad)),
        (interval.low, interval.high) if interval else None,
    )


def _share(part: tuple[int, int]) -> str:
    return f"{part[0]}/{part[1]} ({part[0] / part[1]:.0%})" if part[1] else "–"


def _rows(floors: Sequence[Sequence[Week]]) -> Iterator[str]:
    for number in range(WEEKS):
        week = [floor[number] for floor in floors]
        found = figures([one for each in week for one in each.judged])
        yield _line(
            number + 1,
            _range([each.golds for each in week], "d"),
            _range([each.limits.review for each in week], ".2f"),
            found.recordings,
            f"{found.decided:.0%}",
            f"{found.reviewed:.0%}",
            "–" if found.correct_passed is None else f"{found.correct_passed:.0%}",
            _share(found.correct_failed),
            _share(found.missed),
            _share(found.wrong_passes),
            _share(found.estimated),
            "–" if found.interval is None else f"{found.interval[0]:.0%}–{found.interval[1]:.0%}",
        )


def _range(values: Sequence[float], form: str) -> str:
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low}–{high}"


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


HEAD: Final = (
    "week",
    "golds",
    "limit of looking",
    "recordings",
    "decided",
    "reviewed",
    "correct passed",
    "correct that fail",
    "critical that pass",
    "passes that are critical",
    "by blind labels",
    "95 %",
)


def document(learning: Sequence[Sequence[Week]], still: Sequence[Sequence[Week]], *, seeds: int) -> str:
    """The report as Markdown."""
    lines = [INTRODUCTION.format(seeds=seeds, fail=golds_limits(TASK).fail, accepted=TASK.accepted_miss)]
    for title, floors in (
        ("With promotions and a policy", learning),
        ("With the first golds and limits to the end", still),
    ):
        lines += [f"## {title}\n", _line(*HEAD), _line(*["---:"] * len(HEAD)), *_rows(floors), ""]
    lines.append("![The weeks](weeks.png)\n")
    return "\n".join(lines)


INTRODUCTION: Final = """\
# The first weeks with a task

Written by `python -m benchmarks.weeks --seeds {seeds}`; the same seeds give the same figures. One person
films four golds, then fifty recordings a week come from forty other people: six in ten right, one in five
without a critical step, one in five with another deviation. {seeds} such floors are seen together.
Recordings are made up clip by clip, with manners of each person, and edited as calibration edits golds, so
no clip of a gold is ever judged; judging is the product's own. How hard they are was chosen, and says
nothing about a real floor: what this shows is the way, not the height.

Labels come from people who look at what needs a review, and blind for a tenth of everything and a twentieth
of what passes. At the end of a week up to two recordings confirmed to be right become golds, with their
steps, of persons who have none. After the third week a policy is adopted: the highest limit of looking
below which, by the labels, at most {accepted:.0%} of the critical recordings lie. The limit from which a
recording fails stays {fail:.2f}. *Passes that are critical* is what really happened, *by blind labels* what
the floor knows of it. *Correct that fail* are false alarms that nobody looks at.

Fewer than ten labeled critical recordings make no policy; where the limit of looking does not change,
none was adopted.

A swap, another action and an addition are matters of quality, which a person looks at however sure they
are: about one recording in six, so no more than five in six can be decided.
"""


def plot(learning: Sequence[Sequence[Week]], still: Sequence[Sequence[Week]], path: Path) -> None:
    """Decided, reviewed and missed shares by week, with and without learning."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    decided, missed = figure.subplots(1, 2)
    numbers = range(1, WEEKS + 1)
    for floors, style, name in ((learning, "-o", "with promotions and policy"), (still, ":s", "without")):
        found = [figures([one for floor in floors for one in floor[n - 1].judged]) for n in numbers]
        decided.plot(numbers, [100 * one.decided for one in found], style, label=f"decided, {name}")
        decided.plot(numbers, [100 * one.reviewed for one in found], style, label=f"reviewed, {name}")
        rate = [100 * one.missed[0] / max(one.missed[1], 1) for one in found]
        missed.plot(numbers, rate, style, label=f"critical that pass, {name}")
        if floors is learning:
            true = [100 * one.wrong_passes[0] / max(one.wrong_passes[1], 1) for one in found]
            known = [100 * one.estimated[0] / max(one.estimated[1], 1) for one in found]
            missed.plot(numbers, true, "--^", label="passes that are critical")
            missed.plot(numbers, known, "--x", label="the same by blind labels")
    for axes in (decided, missed):
        axes.set(xlabel="week", ylabel="% of recordings", ylim=(0, None))
        axes.legend(fontsize="small")
    publish_path(path, lambda temporary: figure.savefig(temporary, format="png", dpi=110))


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate the weeks and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="how many floors (3)")
    parser.add_argument("--out", type=Path, help="the folder to write weeks.md and weeks.png to")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as workers:
        learning = [workers.submit(weeks, seed, learning=True) for seed in range(options.seeds)]
        still = [workers.submit(weeks, seed, learning=False) for seed in range(options.seeds)]
        found, beside = [one.result() for one in learning], [one.result() for one in still]
    text = document(found, beside, seeds=options.seeds)
    if options.out:
        publish_text(options.out / "weeks.md", text)
        plot(found, beside, options.out / "weeks.png")
    print(text)


if __name__ == "__main__":
    main()
