"""From edits to deviations, points and a decision, case by case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.alignment.spans import Alignment, Alternative, Edit, EditKind, Span, SpanKind, Warp
from sopilot_assets.reference.model import Reference, build_reference
from sopilot_assets.scoring.result import Decision
from sopilot_assets.scoring.score import score_alignment, score_points
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity, Step, TaskSpec, Weights
from sopilot_assets_tests.reference.made_up import STEP_IDS, gold

TASK = TaskSpec(
    task_id="job",
    name="Job",
    version=3,
    steps=tuple(
        Step(id=name, name=name.title(), name_ja=f"{name}作業", critical=name != "fill") for name in STEP_IDS
    ),
)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return build_reference("job", STEP_IDS, [gold(number) for number in range(2)])


def alignment(
    edits: Sequence[Edit] = (),
    *,
    fit: float = 1.0,
    duration_s: float = 20.0,
    held_out: str = "person",
    alternatives: tuple[Alternative, ...] = (Alternative((), 0.0),),
) -> Alignment:
    """Four steps of five seconds each, with these edits."""
    spans = tuple(Span(SpanKind.STEP, Segment(5.0 * step, 5.0 * step + 5.0), step, -0.1) for step in range(4))
    line = np.arange(0.5, duration_s, 0.5)
    return Alignment(
        video_id="0123456789ab",
        reference_id="r",
        spans=spans,
        edits=tuple(edits),
        log_odds=2.0,
        fit=fit,
        warp=Warp("000000000000", line, line, 0.2),
        clip_middle_s=line,
        posterior=np.full((len(line), 5), 0.2, dtype=np.float32),
        duration_s=duration_s,
        held_out=held_out,
        alternatives=alternatives,
    )


def edit(
    kind: EditKind, *steps: int, start_s: float = 5.0, end_s: float = 10.0, log_odds: float = 3.0
) -> Edit:
    return Edit(kind, steps, Segment(start_s, end_s), log_odds)


CASES = [
    ("nothing found", [], set(), 100.0, Decision.PASS),
    (
        "a critical step is missing",
        [edit(EditKind.MISSING, 1, end_s=5.0)],
        {"missing_step"},
        90.0,
        Decision.FAIL,
    ),
    (
        "a harmless step is missing",
        [edit(EditKind.MISSING, 2, end_s=5.0)],
        {"missing_step"},
        90.0,
        Decision.NEEDS_REVIEW,
    ),
    ("two steps are swapped", [edit(EditKind.SWAP, 1, 2)], {"order_swap"}, 91.67, Decision.NEEDS_REVIEW),
    ("something else was done", [edit(EditKind.WRONG, 1)], {"wrong_step"}, 93.75, Decision.NEEDS_REVIEW),
    ("something was added", [edit(EditKind.EXTRA, 2)], {"step_deviation"}, 93.75, Decision.NEEDS_REVIEW),
    ("a step took twice as long", [edit(EditKind.LONG, 1, end_s=15.0)], {"over_time"}, 97.5, Decision.PASS),
    ("a step was hardly longer", [edit(EditKind.LONG, 1, end_s=11.0)], set(), 100.0, Decision.PASS),
    ("the picture froze", [edit(EditKind.FROZEN)], {"freeze"}, 93.75, Decision.FAIL),
    ("the picture froze over two steps", [edit(EditKind.FROZEN, 1, 2)], {"freeze"}, 80.0, Decision.FAIL),
    (
        "the end is cut",
        [edit(EditKind.PARTIAL, 3, start_s=15.0, end_s=17.0)],
        {"missing_step"},
        90.0,
        Decision.FAIL,
    ),
    (
        "the end is nearly whole",
        [edit(EditKind.PARTIAL, 3, start_s=15.0, end_s=19.5)],
        set(),
        100.0,
        Decision.PASS,
    ),
    ("something that may be a pause", [edit(EditKind.EXTRA, 2, log_odds=0.8)], set(), 100.0, Decision.PASS),
    (
        "an edit that is hardly likelier than none",
        [edit(EditKind.MISSING, 1, log_odds=0.1)],
        set(),
        100.0,
        Decision.PASS,
    ),
    (
        "three steps are missing and one froze",
        [edit(EditKind.MISSING, 1, 2, end_s=5.0), edit(EditKind.FROZEN, 3)],
        {"missing_step", "freeze"},
        70.0,
        Decision.FAIL,
    ),
]


@pytest.mark.parametrize(
    ("edits", "types", "points", "decision"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_each_edit_has_its_price_and_consequence(
    reference: Reference, edits: list[Edit], types: set[str], points: float, decision: Decision
) -> None:
    score = score_alignment(TASK, reference, alignment(edits))
    assert {d.type.value for d in score.deviations} == types
    assert score.score == pytest.approx(points, abs=0.01)
    assert score.decision is decision
    assert score.reason.en
    assert score.reason.ja


def test_a_recording_that_matches_no_gold_gets_no_score(reference: Reference) -> None:
    score = score_alignment(TASK, reference, alignment([edit(EditKind.MISSING, 1)], fit=0.3))
    assert score.decision is Decision.NOT_VERIFIABLE
    assert score.score is None
    assert "30%" in score.reason.en


def test_a_picture_that_stands_still_fails_whatever_the_golds_can_say(reference: Reference) -> None:
    score = score_alignment(TASK, reference, alignment([edit(EditKind.FROZEN)], fit=0.3))
    assert score.decision is Decision.FAIL
    assert "stands still" in score.reason.en


def test_a_likely_critical_deviation_that_cannot_be_named_is_never_passed(reference: Reference) -> None:
    likely = (
        Alternative((), 0.0),
        Alternative(((EditKind.MISSING, (1,)),), -0.2),
        Alternative(((EditKind.MISSING, (0,)),), -0.3),
    )
    score = score_alignment(TASK, reference, alignment(alternatives=likely))
    assert score.critical_probability == pytest.approx(0.6093, abs=1e-4)
    assert score.deviations == ()
    assert score.decision is Decision.NEEDS_REVIEW


def test_a_single_gold_only_tells_what_is_plain_and_never_passes(reference: Reference) -> None:
    weak, plain = (edit(EditKind.SWAP, 1, 2, log_odds=odds) for odds in (2.0, 4.0))
    assert score_alignment(TASK, reference, alignment([weak], held_out="nothing")).deviations == ()
    assert len(score_alignment(TASK, reference, alignment([plain], held_out="nothing")).deviations) == 1
    score = score_alignment(TASK, reference, alignment(held_out="nothing"))
    assert score.decision is Decision.NEEDS_REVIEW
    assert "single gold" in score.reason.en


def test_points_below_the_limits_ask_for_review_and_retraining(reference: Reference) -> None:
    lenient = TASK.model_copy(update={"severity": dict.fromkeys(DeviationType, Severity.EFFICIENCY)})
    edits = [edit(EditKind.MISSING, step, end_s=5.0) for step in range(3)]
    decisions = [score_alignment(lenient, reference, alignment(edits[:n])).decision for n in range(4)]
    assert decisions == [Decision.PASS, Decision.PASS, Decision.NEEDS_REVIEW, Decision.RETRAIN]


def test_each_deviation_leads_to_its_moment_in_both_videos(reference: Reference) -> None:
    (missing,) = score_alignment(
        TASK, reference, alignment([edit(EditKind.MISSING, 2, end_s=5.0)])
    ).deviations
    assert missing.trainee == Segment(5.0, 5.0)
    assert missing.gold_id == "000000000000"
    assert missing.gold == Segment(9.0, 13.5)
    assert "“Fill” is missing" in missing.text.en
    assert "「fill作業」" in missing.text.ja
    assert missing.confidence == pytest.approx(0.9526, abs=1e-4)


def test_deviations_come_in_order_of_time(reference: Reference) -> None:
    edits = [
        edit(EditKind.WRONG, 3, start_s=15.0, end_s=20.0),
        edit(EditKind.MISSING, 0, start_s=0.0, end_s=0.0),
    ]
    deviations = score_alignment(TASK, reference, alignment(edits)).deviations
    assert [d.type.value for d in deviations] == ["missing_step", "wrong_step"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([c[1] for c in CASES if c[1]]), max_size=5),
    st.tuples(*[st.floats(0.0, 5.0) for _ in range(4)]).filter(lambda w: sum(w) > 0.1),
    st.floats(0.0, 3.0),
)
def test_points_stay_in_range_and_more_deviations_never_earn_more(
    reference: Reference, groups: list[list[Edit]], weights: tuple[float, ...], over_time: float
) -> None:
    task = TASK.model_copy(
        update={"weights": Weights(**dict(zip(("miss", "swap", "deviation", "time"), weights, strict=True)))}
    )
    deviations = [
        d for edits in groups for d in score_alignment(task, reference, alignment(edits)).deviations
    ]
    points = [
        score_points(task, deviations[:n], over_time_ratio=over_time) for n in range(len(deviations) + 1)
    ]
    assert all(0.0 <= value <= 100.0 for value in points)
    assert points == sorted(points, reverse=True)


def test_a_task_decides_what_is_critical(reference: Reference) -> None:
    strict = TASK.model_copy(
        update={"severity": {**TASK.severity, DeviationType.ORDER_SWAP: Severity.CRITICAL}}
    )
    edits = [edit(EditKind.SWAP, 0, 1)]
    assert score_alignment(strict, reference, alignment(edits)).decision is Decision.FAIL
    lax = replace(alignment(edits), fit=0.9)
    assert score_alignment(TASK, reference, lax).decision is Decision.NEEDS_REVIEW
