"""What a score consists of: deviations with timecodes, the number, the decision and its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity


class Decision(StrEnum):
    """What is said about a recording."""

    PASS = "pass"  # noqa: S105 - a decision, not a password
    NEEDS_REVIEW = "needs_review"
    RETRAIN = "retrain"
    FAIL = "fail"
    NOT_VERIFIABLE = "not_verifiable"


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in English and Japanese."""

    en: str
    ja: str


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
