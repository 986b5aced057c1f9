"""Every decision says what led to it, as a value."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from sopilot_assets.alignment.calibration import Calibration
from sopilot_assets.alignment.spans import Alignment, Alternative, Edit, EditKind, Span, SpanKind, Warp
from sopilot_assets.capture.ledgers import VIDEO_COLUMNS
from sopilot_assets.capture.registry import Recording
from sopilot_assets.reference.model import Reference
from sopilot_assets.scoring.ledger import COLUMNS, problem_row, score_row
from sopilot_assets.scoring.limits import DecisionLimits
from sopilot_assets.scoring.result import Cause, Decision, Score
from sopilot_assets.scoring.score import score_alignment
from sopilot_assets.scoring.verdict import verdict, verdict_of_row
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity
from sopilot_assets_tests.scoring.made_up import TASK, calibration, no_calibration

LIMITS = DecisionLimits(fail=0.8, review=0.2, source="golds")
HARMLESS, CRITICAL = 2, 1
"""Indices of a step that is not critical and of one that is."""
RECORDING = Recording.of(
    dict.fromkeys(VIDEO_COLUMNS)
    | {"task_id": "job", "role": "trainee", "video_id": "0123456789ab", "site": "site"}
    | {"original_name": "a.mp4"}
)


def alignment(
    edits: Sequence[Edit] = (), *, fit: float = 1.0, others: Sequence[Alternative] = (Alternative((), 0.0),)
) -> Alignment:
    """Four steps of five seconds each, with these edits."""
    line = np.arange(0.5, 20.0, 0.5)
    return Alignment(
        video_id="0123456789ab",
        reference_id="r",
        spans=tuple(
            Span(SpanKind.STEP, Segment(5.0 * step, 5.0 * step + 5.0), step, -0.1) for step in range(4)
        ),
        edits=tuple(edits),
        log_odds=2.0,
        fit=fit,
        warp=Warp("000000000000", line, line, 0.2),
        clip_middle_s=line,
        posterior=np.full((len(line), 5), 0.2, dtype=np.float32),
        duration_s=20.0,
        held_out="person",
        order_evidence=20.0,
        alternatives=tuple(others),
    )


def edit(kind: EditKind, step: int, *, log_odds: float = 3.0, length_s: float = 0.0) -> Edit:
    return Edit(kind, (step,), Segment(5.0, 5.0 + length_s), log_odds, reported=True)


def missing(step: int, log_odds: float) -> Alternative:
    return Alternative(((EditKind.MISSING, (step,)),), log_odds, (Segment(12.5, 12.5),))


UNEDITED = Alternative((), 0.0)
SEVERAL = tuple(missing(step, -2.4) for step in (0, 1, 3))
"""Each of three critical steps may be missing, none of them likely."""


@pytest.mark.parametrize(
    ("aligned", "by", "decision", "cause"),
    [
        (alignment(), calibration(), Decision.PASS, Cause.PASS_POINTS),
        (alignment(), no_calibration(), Decision.NOT_VERIFIABLE, Cause.ONE_GOLD),
        (alignment(fit=0.01), calibration(), Decision.NOT_VERIFIABLE, Cause.OTHER_WORK),
        (alignment(fit=0.27), calibration(), Decision.NEEDS_REVIEW, Cause.HARDLY_FAMILIAR),
        (
            alignment([edit(EditKind.MISSING, CRITICAL)], others=[missing(CRITICAL, 0.0)]),
            calibration(),
            Decision.FAIL,
            Cause.CRITICAL,
        ),
        (
            alignment(others=[UNEDITED, missing(CRITICAL, -0.4)]),
            calibration(),
            Decision.NEEDS_REVIEW,
            Cause.SUSPECTED,
        ),
        (alignment(others=[UNEDITED, *SEVERAL]), calibration(), Decision.NEEDS_REVIEW, Cause.UNCERTAIN),
        (
            alignment([edit(EditKind.MISSING, HARMLESS)], others=[missing(HARMLESS, 0.0)]),
            calibration(),
            Decision.NEEDS_REVIEW,
            Cause.QUALITY,
        ),
        (
            alignment([edit(EditKind.FROZEN, CRITICAL, length_s=5.0)]),
            calibration(),
            Decision.NEEDS_REVIEW,
            Cause.FILM_AGAIN,
        ),
        (
            alignment([edit(EditKind.FROZEN, CRITICAL, length_s=5.0)]),
            no_calibration(),
            Decision.NOT_VERIFIABLE,
            Cause.FILM_AGAIN,
        ),
    ],
    ids=lambda value: value.value if isinstance(value, Cause) else "",
)
def test_a_decision_has_its_cause(
    reference: Reference, aligned: Alignment, by: Calibration, decision: Decision, cause: Cause
) -> None:
    score = score_alignment(TASK, reference, aligned, by, LIMITS)
    assert (score.decision, score.cause) == (decision, cause)
    assert score.reason.en
    assert score.reason.ja


@pytest.mark.parametrize(
    ("pass_score", "retrain_score", "cause"),
    [(99.0, 80.0, Cause.REVIEW_POINTS), (100.0, 99.0, Cause.RETRAIN_POINTS)],
)
def test_points_are_a_cause_of_their_own(
    reference: Reference, pass_score: float, retrain_score: float, cause: Cause
) -> None:
    task = TASK.model_copy(update={"pass_score": pass_score, "retrain_score": retrain_score})
    took_long = edit(EditKind.LONG, CRITICAL, length_s=10.0)
    explained = Alternative(((took_long.kind, took_long.steps),), 0.0, (took_long.where,))
    aligned = alignment([took_long], others=[explained])
    score = score_alignment(task, reference, aligned, calibration(), LIMITS)
    assert score.cause is cause
    assert verdict(score, task).points_decide


@pytest.mark.parametrize(
    "aligned",
    [
        pytest.param(
            alignment(
                [edit(EditKind.MISSING, CRITICAL), edit(EditKind.FROZEN, HARMLESS, length_s=5.0)],
                others=[missing(CRITICAL, 0.0)],
            ),
            id="beside a frozen picture of which the task says that it hardly matters",
        ),
        pytest.param(
            alignment([edit(EditKind.MISSING, CRITICAL, log_odds=0.1)], others=[UNEDITED, missing(0, -0.1)]),
            id="likelier than not, and below the limit of a policy",
        ),
    ],
)
def test_no_recording_passes_in_which_something_critical_was_found(
    reference: Reference, aligned: Alignment
) -> None:
    severity = {**TASK.severity, DeviationType.FREEZE: Severity.EFFICIENCY}
    task = TASK.model_copy(update={"severity": severity, "pass_score": 50.0, "retrain_score": 40.0})
    score = score_alignment(task, reference, aligned, calibration(), DecisionLimits(0.8, 0.7, "policy p"))
    assert any(one.severity is Severity.CRITICAL for one in score.deviations)
    assert score.decision is Decision.NEEDS_REVIEW
    told = verdict(score, task)
    assert told.headline.en.startswith(("Film again: The picture stands still", "Likely (about 5 in 10)"))
    assert told.at_s == 5.0


@pytest.mark.parametrize(("step", "decision"), [(CRITICAL, Decision.NEEDS_REVIEW), (HARMLESS, Decision.PASS)])
def test_a_frozen_picture_that_hides_a_critical_step_is_filmed_again_whatever_it_is_called(
    reference: Reference, step: int, decision: Decision
) -> None:
    severity = {**TASK.severity, DeviationType.FREEZE: Severity.EFFICIENCY}
    task = TASK.model_copy(update={"severity": severity, "pass_score": 50.0, "retrain_score": 40.0})
    aligned = alignment([edit(EditKind.FROZEN, step, length_s=5.0)])
    assert score_alignment(task, reference, aligned, calibration(), LIMITS).decision is decision


@pytest.mark.parametrize(
    ("pass_score", "retrain_score", "said", "said_ja"),
    [
        (97.52, 80.0, "Score 97.5 is below the pass score of 97.52.", "合格点 97.52 を下回って"),
        (97.5, 80.0, "No deviation that matters; score 97.5, pass at 97.5.", "合格 97.5)"),
        (99.5, 98.5, "Score 97.5 is below the retrain score of 98.5.", "再訓練の基準 98.5 を"),
    ],
)
def test_a_limit_is_told_as_the_task_has_it(
    reference: Reference, pass_score: float, retrain_score: float, said: str, said_ja: str
) -> None:
    task = TASK.model_copy(update={"pass_score": pass_score, "retrain_score": retrain_score})
    took_long = edit(EditKind.LONG, CRITICAL, length_s=10.0)
    explained = Alternative(((took_long.kind, took_long.steps),), 0.0, (took_long.where,))
    score = score_alignment(
        task, reference, alignment([took_long], others=[explained]), calibration(), LIMITS
    )
    assert score.reason.en == said
    assert said_ja in score.reason.ja


def test_what_is_hardly_likely_is_not_told_as_nothing(reference: Reference) -> None:
    strict = DecisionLimits(fail=0.95, review=0.0, source="golds")
    score = score_alignment(TASK, reference, alignment(), calibration(), strict)
    assert "(less than 1% likely)" in score.reason.en
    assert "(1%未満)" in score.reason.ja


def suspicious(reference: Reference) -> tuple[Alignment, Score]:
    aligned = alignment(others=[UNEDITED, missing(CRITICAL, -0.4)])
    return aligned, score_alignment(TASK, reference, aligned, calibration(), LIMITS)


def test_the_row_of_a_score_has_the_cause_and_what_is_suspected(reference: Reference) -> None:
    aligned, score = suspicious(reference)
    row = score_row(RECORDING, TASK, reference, aligned, score)
    assert set(row) == set(COLUMNS)
    assert row["cause"] == "suspected"
    (one,) = json.loads(str(row["suspected"]))
    assert (one["type"], one["severity"], one["trainee_start_s"]) == ("missing_step", "critical", 12.5)
    assert one["confidence"] == pytest.approx(0.4013, abs=1e-4)
    assert json.loads(str(row["deviations"])) == []


def test_a_score_and_its_row_have_the_same_verdict(reference: Reference) -> None:
    aligned, score = suspicious(reference)
    told = verdict(score, TASK)
    assert told == verdict_of_row(score_row(RECORDING, TASK, reference, aligned, score), TASK)
    assert told.headline.en.startswith("Perhaps (about 4 in 10): ")
    assert "0:12.5" in told.headline.en


def test_a_recording_without_a_score_says_that_it_has_none(reference: Reference) -> None:
    row = problem_row(RECORDING, TASK, reference, "The file is gone.")
    assert set(row) == set(COLUMNS)
    assert row["cause"] == "not_scored"
    assert verdict_of_row(row, TASK).headline.en == "The file is gone."
