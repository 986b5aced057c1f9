"""Simulated sets for the calibration benchmark: made, embedded, calibrated on their golds, and scored."""

from __future__ import annotations

import functools
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from threadpoolctl import threadpool_limits
from upath import UPath

from benchmarks._runs import video_id
from sopilot_assets.alignment.align import HIDDEN_SHARE, align
from sopilot_assets.alignment.calibration import calibrate
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.bench.expected import Fault, comparable
from sopilot_assets.bench.folder import open_folder
from sopilot_assets.bench.lines import Line
from sopilot_assets.bench.recordings import BenchTask
from sopilot_assets.bench.truth import Truth, truth_of
from sopilot_assets.capture.simulate import simulate
from sopilot_assets.capture.simulate.people import PEOPLE
from sopilot_assets.embedding.clips import ClipEmbedding, load_embedding, save_embedding
from sopilot_assets.embedding.lite0_flow import Lite0Flow
from sopilot_assets.errors import ConfigError
from sopilot_assets.reference.durations import Durations
from sopilot_assets.reference.model import Gold, Reference, build_reference
from sopilot_assets.scoring.deviations import PARTIAL_SHARE, PARTIAL_SPREADS
from sopilot_assets.scoring.limits import DecisionLimits, golds_limits
from sopilot_assets.scoring.points import score_points
from sopilot_assets.scoring.result import Deviation, Score, Verifiability
from sopilot_assets.scoring.score import score_alignment
from sopilot_assets.scoring.severity import is_critical
from sopilot_assets.scoring.text import NOTHING_TO_SAY
from sopilot_assets.scoring.verifiability import VERIFIED, verifiability
from sopilot_assets.segments import Segment
from sopilot_assets.store.publish import publish_text
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec, load_task

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
    perfect recognition would give, and ``held_back`` says that something critical is likely enough to be
    looked at.
    """

    truth: Truth
    at_gold_site: bool
    alone: bool
    true_score: float
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
class Embeddings:
    """A folder of embeddings: ``<model>/<video>.npz``, and the prepared network in ``models``."""

    folder: Path

    def path(self, video: Path) -> Path:
        """Where the embedding of a video lies, or will."""
        return self.folder / self.embedder.model_id / f"{video_id(video)}.npz"

    def load(self, video: Path) -> ClipEmbedding:
        """The stored embedding of a video."""
        return load_embedding(self.path(video))

    @property
    def embedder(self) -> Lite0Flow:
        """The embedder, prepared once in each process."""
        return _embedder(self.folder / "models")


@functools.lru_cache
def _embedder(models: Path) -> Lite0Flow:
    return Lite0Flow(models=UPath(models))


@dataclass(frozen=True, slots=True)
class EmbedJob:
    """One video to be embedded."""

    embeddings: Embeddings
    video: Path


def embed(job: EmbedJob) -> None:
    """Embed a video, unless that was done before."""
    target = job.embeddings.path(job.video)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        save_embedding(target, job.embeddings.embedder.embed(job.video))


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """A set whose videos are embedded."""

    embeddings: Embeddings
    root: Path


def score_set(job: ScoreJob) -> SetResult:
    """Build and calibrate the reference of a set's golds, then score its trainees."""
    folder = open_folder(job.root)
    (task,) = folder.tasks
    spec = _spec(job.root, task)
    sites, limits = {gold.site for gold in task.golds}, golds_limits(spec)
    with threadpool_limits(1):
        reference = build_reference(
            spec.task_id, spec.step_ids, _golds(job.embeddings, task), orders=spec.legal_orders()
        )
        calibration = calibrate(reference)
        scored = []
        for one in task.trainees:
            line = folder.labels[task.task_id, one.file]
            embedding = job.embeddings.load(one.path)
            alignment = align(video_id(one.path), embedding, reference, prices=calibration.prices)
            score = score_alignment(spec, reference, alignment, calibration)
            truth = truth_of(task, one, line)
            true_score = labeled_score(spec, line, reference)
            scored.append(_scored(truth, line, score, true_score, limits, at_gold_site=one.site in sites))
    return SetResult(
        job.root.name,
        tuple(sorted({gold.person or "" for gold in task.golds})),
        tuple(sorted(sites)),
        len(task.golds),
        limits,
        frozenset(one.id for n, one in enumerate(spec.steps) if is_critical(spec, EditKind.MISSING, [n])),
        verifiability(spec, calibration, limits.review),
        tuple(scored),
    )


def _spec(root: Path, task: BenchTask) -> TaskSpec:
    if task.task_file is None:
        raise ConfigError(f"{root}: expected the task file that the simulator writes, found none.")
    return load_task(task.task_file)


def _golds(embeddings: Embeddings, task: BenchTask) -> list[Gold]:
    return [
        Gold(
            video_id(one.path),
            one.person,
            one.site,
            embeddings.load(one.path),
            task.gold_steps[one.file],
            confirmed=True,
        )
        for one in task.golds
    ]


def _scored(
    truth: Truth, line: Line, score: Score, true_score: float, limits: DecisionLimits, *, at_gold_site: bool
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


def labeled_score(task: TaskSpec, line: Line, reference: Reference) -> float:
    """The score that perfect recognition of a labeled recording would give, by the product's own rules.

    A step counts as missing when it was left out, when a cut left less of it than has to be shown, or when a
    standstill hides at least `HIDDEN_SHARE` of it. An over-long step loses its labeled seconds less the
    golds' usual seconds for it at this recording's own pace (the median ratio over its whole labeled steps);
    the loss is taken against the usual seconds of the whole procedure at that pace.
    """
    deviations = tuple(_labeled_deviations(task, line, reference.durations))
    return score_points(task, deviations, over_time_ratio=_labeled_loss(line, reference.durations))


def _labeled_deviations(task: TaskSpec, line: Line, durations: Durations) -> Iterator[Deviation]:
    for edit in line.deviations or ():
        shares = edit.visible_fraction
        match edit.type:
            case "missing_step":
                for step in edit.steps:
                    yield _deviation(task, DeviationType.MISSING_STEP, (step,))
            case "cut_tail" | "skip_start":
                barely = [
                    s for s in edit.partial_gold_steps if shares.get(s, 1.0) < _least_shown(durations, s)
                ]
                for step in (*edit.missing_gold_steps, *barely):
                    yield _deviation(task, DeviationType.MISSING_STEP, (step,))
            case "freeze":
                hidden = [s for s in edit.partial_gold_steps if 1.0 - shares.get(s, 1.0) >= HIDDEN_SHARE]
                yield _deviation(task, DeviationType.FREEZE, (*edit.missing_gold_steps, *hidden))
            case "order_swap" | "wrong_step" | "over_time":
                yield _deviation(task, DeviationType(edit.type), edit.steps)
            case other:
                raise ConfigError(f"{line.file}: expected an edit of the simulator, found {other!r}.")


def _least_shown(durations: Durations, step: int) -> float:
    """The share of a first or last step that has to be seen for it not to count as missing."""
    return min(PARTIAL_SHARE, math.exp(-PARTIAL_SPREADS * durations.spread[step]))


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
