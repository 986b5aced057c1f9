"""What a score consists of: deviations with timecodes, the number, the decision and its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sopilot_assets.scoring.limits import GOLDS
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity
from sopilot_assets.texts.languages import Text


class Decision(StrEnum):
    """What is said about a recording."""

    PASS = "pass"  # noqa: S105 - a decision, not a password
    NEEDS_REVIEW = "needs_review"
    RETRAIN = "retrain"
    FAIL = "fail"
    NOT_VERIFIABLE = "not_verifiable"


class Cause(StrEnum):
    """What led to a decision."""

    NOT_SCORED = "not_scored"
    ONE_GOLD = "one_gold"
    OTHER_WORK = "other_work"
    FILM_AGAIN = "film_again"
    CRITICAL = "critical"
    HARDLY_FAMILIAR = "hardly_familiar"
    SUSPECTED = "suspected"
    UNCERTAIN = "uncertain"
    QUALITY = "quality"
    RETRAIN_POINTS = "retrain_points"
    REVIEW_POINTS = "review_points"
    PASS_POINTS = "pass_points"  # noqa: S105 - a cause, not a password


@dataclass(frozen=True, slots=True)
class GoldVote:
    """Whether one gold alone supports a finding: ``log_odds`` (nats) of the explanation with it against the
    best one without it, by this gold's clips only; above 0 supports it.
    """

    gold_id: str
    log_odds: float


@dataclass(frozen=True, slots=True)
class StepReading:
    """One step of a recording against the golds.

    ``seconds`` is None when the step was not found. ``low_s`` to ``high_s`` is the range of the golds at the
    recording's own pace. ``evidence`` is the mean log-probability (nats, at most 0) of the step's clips for
    the step, None when it was not found; ``evidence_floor`` the least that a held-out gold had, None when no
    gold could be held out.
    """

    step_id: str
    seconds: float | None
    usual_s: float
    low_s: float
    high_s: float
    evidence: float | None
    evidence_floor: float | None


@dataclass(frozen=True, slots=True)
class Verifiability:
    """What can be said about one type of deviation at one step, from the golds alone.

    ``power`` is the share of the ``cases`` counterfactual golds with such a deviation in which it was found,
    ``false_rate`` that of the ``golds`` unedited ones in which it was reported although it is not there, both
    drawn towards those of all steps (see `verifiability.POOLED`), None where no gold could be held out;
    ``false_upper`` is the upper end of the 95 % interval of this step's own share. ``reason`` says why it is
    not verifiable, and ``remedy`` what would help; both are empty when it is.
    """

    type: DeviationType
    step_id: str
    power: float | None
    cases: int
    false_rate: float | None
    false_upper: float | None
    golds: int
    verifiable: bool
    reason: Text
    remedy: Text


@dataclass(frozen=True, slots=True)
class Deviation:
    """One departure from the procedure, with where to look in both videos.

    ``trainee`` is the stretch that shows it, and has no length where something is missing; ``gold`` is the
    stretch of the gold ``gold_id`` that shows how it should be, None when no step is concerned.
    ``confidence`` is the probability, in [0, 1], that this deviation is real.
    """

    type: DeviationType
    severity: Severity
    step_ids: tuple[str, ...]
    trainee: Segment
    gold_id: str
    gold: Segment | None
    confidence: float
    text: Text
    votes: tuple[GoldVote, ...] = ()
    """What each gold alone says about it."""


@dataclass(frozen=True, slots=True)
class Score:
    """A recording's result: ``score`` in [0, 100] (None when nothing can be said), the decision with its
    reason, and the deviations in order of time.
    """

    video_id: str
    score: float | None
    decision: Decision
    reason: Text
    deviations: tuple[Deviation, ...]
    critical_probability: float
    dtw_normalized_cost: float
    over_time_ratio: float
    fit: float
    interval: tuple[float, float] | None = None
    """The range that holds the score with 90 % probability; None when there is no score."""
    steps: tuple[StepReading, ...] = ()
    unverifiable: tuple[Verifiability, ...] = ()
    """What could not be verified in this recording."""
    suspected: tuple[Deviation, ...] = ()
    """What was not found and is not ruled out either, the most likely first."""
    cause: Cause | None = None
    """What led to the decision; None in scores from before it was kept."""
    decided_by: str = GOLDS
    """Whose limits decided: the golds' own, or ``policy <id>``."""
    shows_task: bool = True
    """Whether the recording shows the task's procedure at all."""


@dataclass(frozen=True, slots=True)
class Objection:
    """That a person says a decision is wrong; ``at`` is a time in UTC, ISO 8601."""

    task_id: str
    key: str
    who: str
    at: str
    note: str

    def __str__(self) -> str:
        return f"{self.who}: {self.note}" if self.note else self.who
