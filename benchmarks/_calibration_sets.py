"""Simulated sets for the calibration benchmark: made, embedded, calibrated on their golds, and scored."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from threadpoolctl import threadpool_limits

from benchmarks._runs import Cache, embedding_of, judge_of, labeled, task_of, video_id
from benchmarks._variations import BY_NAME, FULL
from sopilot_assets.alignment.align import HIDDEN_SHARE
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.bench.expected import Fault, comparable
from sopilot_assets.bench.lines import Line
from sopilot_assets.bench.truth import Truth, truth_of
from sopilot_assets.capture.simulate import simulate
from sopilot_assets.capture.simulate.people import PEOPLE
from sopilot_assets.errors import ConfigError
from sopilot_assets.reference.durations import Durations
from sopilot_assets.reference.model import Reference
from sopilot_assets.scoring.deviations import PARTIAL_SHARE
from sopilot_assets.scoring.limits import DecisionLimits, golds_limits
from sopilot_assets.scoring.points import score_points
from sopilot_assets.scoring.result import Deviation, Score, Verifiability
from sopilot_assets.scoring.severity import is_critical
from sopilot_assets.scoring.text import NOTHING_TO_SAY
from sopilot_assets.scoring.verifiability import VERIFIED, verifiability
from sopilot_assets.segments import Segment
from sopilot_assets.store.publish import publish_text
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec

SETS: Final = 2
FPS: Final = 15
VARIANTS: Final = (
    "correct",
    "missing_step:one",
    "wrong_step",
    "over_time:slow",
    "order_swap:adjacent",
    "correct",
    "cut_tail:whole",
    "double:missing_step+over_time",
    "correct",
    "order_swap:distant",
    "missing_step:two",
    "wrong_step",
    "correct",
    "over_time:repeat",
    "freeze:resumes",
    "correct",
    "missing_step:one",
    "double:order_swap+wrong_step",
    "skip_start:partial",
    "correct",
)
"""The trainees' variants, in turn: three of ten correct, the others mostly of the types that golds are edited
for.
"""

MEASURED: Final = tuple(kind for kind in VERIFIED.values() if kind is not DeviationType.STEP_DEVIATION)
"""The types whose power is compared: the simulator adds nothing between two steps."""


_SCORED: Final = (
    "missing_step",
    "cut_tail",
    "skip_start",
    "freeze",
    "order_swap",
    "wrong_step",
    "over_time",
)


@dataclass(frozen=True, slots=True)
class SetPlan:
    """One simulated set, before it is made."""

    seed: int
    golds: int
    trainees: int
    persons: tuple[str, ...]
    sites: tuple[str, ...]
    fps: int = FPS
    variants: tuple[str, ...] = VARIANTS


@dataclass(frozen=True, slots=True)
class SetJob:
    """A set's plan and the folder that it is made in."""

    root: Path
    plan: SetPlan


@dataclass(frozen=True, slots=True)
class Finding:
    """A reported deviation in comparable form, and the confidence that was stated."""

    fault: Fault
    confidence: float


@dataclass(frozen=True, slots=True)
class Scored:
    """One trainee recording: what is true of it and what was said. ``alone`` says that its label holds one
    edit of one of the types that golds are edited for and nothing else; ``true_score`` is the score that
    perfect recognition would give (None where the label has other types of edits), ``held_back`` that
    something critical is likely enough to be looked at.
    """

    truth: Truth
    at_gold_site: bool
    alone: bool
    true_score: float | None
    score: float | None
    interval: tuple[float, float] | None
    decision: str
    critical_probability: float
    held_back: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class SetResult:
    """A scored set: what its golds said beforehand, and its trainees."""

    name: str
    gold_persons: tuple[str, ...]
    gold_sites: tuple[str, ...]
    golds: int
    limits: DecisionLimits
    critical_steps: frozenset[str]
    rows: tuple[Verifiability, ...]
    scored: tuple[Scored, ...]


def plan_sets(*, recordings: int, golds: int, seed: int) -> tuple[SetPlan, ...]:
    """The sets: persons in turned order and sites in exchanged roles, so that golds differ between them."""
    names = list(PEOPLE)
    half = len(names) // SETS
    sites = ("site_a", "site_b")
    return tuple(
        SetPlan(
            seed=seed + number,
            golds=golds,
            trainees=recordings // SETS + (number < recordings % SETS),
            persons=tuple(names[half * number :] + names[: half * number]),
            sites=sites if number % 2 == 0 else sites[::-1],
        )
        for number in range(SETS)
    )


def make_set(job: SetJob) -> None:
    """Simulate a set, unless its folder already holds the same; ``ConfigError`` when it holds another."""
    plan, made = job.plan, job.root / "plan.json"
    text = json.dumps(asdict(plan), indent=1) + "\n"
    if made.exists():
        if made.read_text("utf-8") != text:
            raise ConfigError(
                f"{made}: expected the plan of this run ({plan.trainees} trainees, seed {plan.seed}), found "
                "another one. Choose an empty folder for --home."
            )
        return
    simulate(
        job.root,
        seed=plan.seed,
        golds=plan.golds,
        trainees=plan.trainees,
        variants=plan.variants,
        persons=plan.persons,
        sites=plan.sites,
        fps=plan.fps,
    )
    publish_text(made, text)


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """A task of a labeled folder whose videos are embedded."""

    cache: Cache
    root: Path
    task_id: str


def score_set(job: ScoreJob) -> SetResult:
    """Build and calibrate the reference of a task's golds, then score its trainees that show the task."""
    task, variation = task_of(job.root, job.task_id), BY_NAME[FULL]
    with threadpool_limits(1):
        judge = judge_of(job.cache, task, task.golds, variation)
        limits, sites = golds_limits(judge.task), {gold.site for gold in task.golds}
        scored = []
        for one in task.trainees:
            line = labeled(job.root).labels[task.task_id, one.file]
            truth = truth_of(task, one, line)
            if not truth.other_work:
                embedding = embedding_of(job.cache, variation.backend, one.path)
                score = judge.score(judge.align(video_id(one.path), embedding))
                true_score = labeled_score(judge.task, line, judge.reference)
                scored.append(_scored(truth, line, score, true_score, limits, at_gold_site=one.site in sites))
    return SetResult(
        f"{job.root.name}/{job.task_id}",
        tuple(sorted({gold.person or "" for gold in task.golds})),
        tuple(sorted(sites)),
        len(task.golds),
        limits,
        frozenset(
            one.id for n, one in enumerate(judge.task.steps) if is_critical(judge.task, EditKind.MISSING, [n])
        ),
        verifiability(judge.task, judge.calibration, limits.review),
        tuple(scored),
    )


def _scored(
    truth: Truth,
    line: Line,
    score: Score,
    true_score: float | None,
    limits: DecisionLimits,
    *,
    at_gold_site: bool,
) -> Scored:
    edits = line.deviations or ()
    return Scored(
        truth=truth,
        at_gold_site=at_gold_site,
        alone=len(edits) == len(truth.needed) == 1 and edits[0].type in MEASURED,
        true_score=true_score,
        score=score.score,
        interval=score.interval,
        decision=score.decision.value,
        critical_probability=score.critical_probability,
        held_back=score.critical_probability >= limits.review,
        findings=tuple(
            Finding(comparable(Fault(d.type, d.step_ids)), d.confidence) for d in score.deviations
        ),
    )


def labeled_score(task: TaskSpec, line: Line, reference: Reference) -> float | None:
    """The score that perfect recognition of a labeled recording would give, by the product's own rules; None
    for edits of other types than the simulator's.

    A step counts as missing when it was left out, when a cut left less of it than has to be shown, or when a
    standstill hides at least `HIDDEN_SHARE` of it. An over-long step loses its labeled seconds less the
    golds' usual seconds for it at this recording's own pace (the median ratio over its whole labeled steps);
    the loss is taken against the usual seconds of the whole procedure at that pace.
    """
    if any(edit.type not in _SCORED for edit in line.deviations or ()):
        return None
    deviations = tuple(_labeled_deviations(task, line))
    return score_points(task, deviations, over_time_ratio=_labeled_loss(line, reference.durations))


def _labeled_deviations(task: TaskSpec, line: Line) -> Iterator[Deviation]:
    for edit in line.deviations or ():
        shares = edit.visible_fraction
        match edit.type:
            case "missing_step":
                for step in edit.steps:
                    yield _deviation(task, DeviationType.MISSING_STEP, (step,))
            case "cut_tail" | "skip_start":
                barely = [s for s in edit.partial_gold_steps if shares.get(s, 1.0) < PARTIAL_SHARE]
                for step in (*edit.missing_gold_steps, *barely):
                    yield _deviation(task, DeviationType.MISSING_STEP, (step,))
            case "freeze":
                hidden = [s for s in edit.partial_gold_steps if 1.0 - shares.get(s, 1.0) >= HIDDEN_SHARE]
                yield _deviation(task, DeviationType.FREEZE, (*edit.missing_gold_steps, *hidden))
            case "order_swap" | "wrong_step" | "over_time":
                yield _deviation(task, DeviationType(edit.type), edit.steps)


def _deviation(task: TaskSpec, kind: DeviationType, steps: Sequence[int]) -> Deviation:
    return Deviation(
        type=kind,
        severity=Severity.CRITICAL,
        step_ids=tuple(task.steps[step].id for step in steps),
        trainee=Segment(0.0, 0.0),
        gold_id="",
        gold=None,
        confidence=1.0,
        text=NOTHING_TO_SAY,
    )


def _labeled_loss(line: Line, durations: Durations) -> float:
    edits = line.deviations or ()
    cut = {step for edit in edits for step in edit.partial_gold_steps}
    seconds: dict[int, float] = defaultdict(float)
    for one in line.steps or ():
        if one.gold_step is not None:
            seconds[one.gold_step] += one.end_sec - one.start_sec
    ratios = sorted(seconds[step] / durations.seconds(step) for step in seconds if step not in cut)
    pace = ratios[len(ratios) // 2] if ratios else 1.0
    long = [step for edit in edits if edit.type == "over_time" for step in edit.steps]
    lost = sum(max(seconds[step] - pace * durations.seconds(step), 0.0) for step in long)
    return lost / (pace * sum(durations.seconds(step) for step in range(len(durations.log_mean))))
