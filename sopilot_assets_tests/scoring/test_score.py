"""From edits to deviations, points and a decision, case by case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.alignment.calibration import Calibration, Tally, TriedGold
from sopilot_assets.alignment.explanations import PlannedEdit
from sopilot_assets.alignment.spans import (
    DOUBTFUL_LOG_ODDS,
    Alignment,
    Alternative,
    Edit,
    EditKind,
    Vote,
)
from sopilot_assets.reference.model import Reference
from sopilot_assets.scoring.result import Decision, GoldVote
from sopilot_assets.scoring.score import score_alignment, score_points
from sopilot_assets.scoring.verifiability import verifiability
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity, Weights
from sopilot_assets_tests.reference.made_up import STEP_IDS
from sopilot_assets_tests.scoring.edited import (
    CALIBRATED,
    CASES,
    EXTRA,
    FROZEN,
    LONG,
    MISSING,
    PARTIAL,
    SWAP,
    UNEDITED,
    WRONG,
    alignment,
    edit,
)
from sopilot_assets_tests.scoring.made_up import TASK, calibration, no_calibration


@pytest.mark.parametrize(
    ("edits", "types", "points", "decision"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_each_edit_has_its_price_and_consequence(
    reference: Reference, edits: list[Edit], types: set[str], points: float, decision: Decision
) -> None:
    score = score_alignment(TASK, reference, alignment(edits), CALIBRATED)
    assert {d.type.value for d in score.deviations} == types
    assert score.score == pytest.approx(points, abs=0.01)
    assert score.decision is decision
    assert score.reason.en
    assert score.reason.ja


@pytest.mark.parametrize(
    ("fit", "order_evidence", "judged"),
    [
        pytest.param(1.0, 20.0, True, id="the procedure, as the golds show it"),
        pytest.param(0.3, 15.0, True, id="another site"),
        pytest.param(0.3, 4.0, False, id="looks different, order not clear"),
        pytest.param(0.1, 1.9, False, id="other work"),
        pytest.param(0.2, 20.0, False, id="nothing looks alike, though one of many orders fits"),
        pytest.param(1.0, -2.5, False, id="looks alike, steps against every order"),
        pytest.param(1.0, 2.0, True, id="looks alike, order just clear enough"),
        pytest.param(0.0, 15.0, False, id="no clip matches"),
        pytest.param(0.5, None, True, id="too few steps for an order, looks alike"),
        pytest.param(0.3, None, False, id="too few steps for an order, looks different"),
    ],
)
def test_a_recording_is_judged_when_its_looks_and_its_order_together_show_the_procedure(
    reference: Reference, fit: float, order_evidence: float | None, judged: bool
) -> None:
    shown = alignment([edit(SWAP, 1, 2)], fit=fit, order_evidence=order_evidence)
    score = score_alignment(TASK, reference, shown, CALIBRATED)
    assert (score.decision is not Decision.NOT_VERIFIABLE) is judged
    assert (score.score is not None) is judged
    assert (score.interval is not None) is judged
    assert bool(score.deviations) is judged
    if not judged:
        assert f"{fit:.0%}" in score.reason.en
        assert f"{fit:.0%}" in score.reason.ja


@pytest.mark.parametrize(
    ("shown", "found", "decision"),
    [
        pytest.param(
            alignment([edit(FROZEN)], fit=0.3, order_evidence=0.0),
            CALIBRATED,
            Decision.NOT_VERIFIABLE,
            id="other work",
        ),
        pytest.param(
            alignment([edit(FROZEN)]), no_calibration(), Decision.NOT_VERIFIABLE, id="a single gold"
        ),
        pytest.param(
            alignment([edit(FROZEN)]),
            calibration(*[Tally(MISSING, k, 20, 0, 20, 0) for k in range(4)]),
            Decision.NEEDS_REVIEW,
            id="blind",
        ),
    ],
)
def test_a_frozen_picture_is_filmed_again_and_fails_nobody_whatever_the_golds_can_say(
    reference: Reference, shown: Alignment, found: Calibration, decision: Decision
) -> None:
    score = score_alignment(TASK, reference, shown, found)
    assert score.decision is decision
    assert [(d.type, d.severity) for d in score.deviations] == [(DeviationType.FREEZE, Severity.CRITICAL)]
    assert score.reason.en.startswith("Film again. The picture stands still")
    assert score.reason.ja.startswith("撮影し直してください")


def test_a_picture_that_may_have_hung_or_not_is_no_critical_freeze(reference: Reference) -> None:
    doubtful = alignment([edit(FROZEN, 1, log_odds=DOUBTFUL_LOG_ODDS)])
    score = score_alignment(TASK, reference, doubtful, CALIBRATED)
    (found,) = score.deviations
    assert (found.severity, found.confidence) == (Severity.QUALITY, 0.5)
    assert score.decision is Decision.NEEDS_REVIEW
    assert score.reason.en.startswith("Film again. Nothing moves from 0:05.0 to 0:10.0")


MOMENT = Segment(5.0, 5.0)


def possible(kind: EditKind, step: int, log_odds: float) -> Alternative:
    steps = (step, step + 1) if kind is SWAP else (step,)
    return Alternative(((kind, steps),), log_odds, (MOMENT,))


@pytest.mark.parametrize(
    ("others", "likely", "decision"),
    [
        pytest.param([(MISSING, 1, 0.5), (MISSING, 0, -1.0)], 0.6686, Decision.FAIL, id="sure, not which"),
        pytest.param([(MISSING, 1, -0.2), (MISSING, 0, -1.5)], 0.5102, Decision.NEEDS_REVIEW, id="likely"),
        pytest.param([(MISSING, 1, -1.7)], 0.1545, Decision.NEEDS_REVIEW, id="just likely enough"),
        pytest.param([(MISSING, 1, -1.8)], 0.1419, Decision.PASS, id="unlikely"),
        pytest.param([(MISSING, 2, -0.2), (SWAP, 1, -0.2)], 0.0, Decision.PASS, id="nothing critical"),
    ],
)
def test_what_may_be_critical_is_named_with_its_moment_and_how_likely_it_is(
    reference: Reference,
    others: list[tuple[EditKind, int, float]],
    likely: float,
    decision: Decision,
) -> None:
    alternatives = (UNEDITED, *(possible(*other) for other in others))
    score = score_alignment(TASK, reference, alignment(alternatives=alternatives), CALIBRATED)
    assert score.critical_probability == pytest.approx(likely, abs=1e-4)
    assert score.decision is decision
    assert score.score is not None
    named = [*score.deviations, *score.suspected]
    assert all(d.trainee == MOMENT for d in named)
    assert bool(score.deviations) is (decision is Decision.FAIL)
    if decision is Decision.NEEDS_REVIEW:
        first = score.suspected[0]
        assert first.step_ids == ("clean",)
        assert first.text.en in score.reason.en
        assert first.text.ja in score.reason.ja
        assert f"{first.confidence:.0%} likely" in score.reason.en
        assert f"{first.confidence:.0%}" in score.reason.ja


def test_what_is_suspected_is_shown_beside_a_pass_too(reference: Reference) -> None:
    shown = alignment(alternatives=(UNEDITED, possible(SWAP, 1, -1.0), possible(MISSING, 1, -3.0)))
    score = score_alignment(TASK, reference, shown, CALIBRATED)
    assert score.decision is Decision.PASS
    assert [(d.type, d.confidence) for d in score.suspected] == [
        (DeviationType.ORDER_SWAP, pytest.approx(0.2595, abs=1e-3))
    ]


def test_what_is_found_is_not_suspected_once_more(reference: Reference) -> None:
    for found in (edit(EXTRA, 2), edit(SWAP, 1, 2), edit(WRONG, 1), edit(MISSING, 1, end_s=5.0)):
        only = Alternative(((found.kind, found.steps),), 0.0, (found.where,))
        score = score_alignment(TASK, reference, alignment([found], alternatives=(only,)), CALIBRATED)
        assert (len(score.deviations), score.suspected) == (1, ()), found.kind


def test_swaps_of_one_step_with_others_are_suspected_each_by_itself(reference: Reference) -> None:
    swaps = [Alternative(((SWAP, (0, other)),), odds, (MOMENT,)) for other, odds in ((1, -0.5), (3, -1.0))]
    score = score_alignment(TASK, reference, alignment(alternatives=(UNEDITED, *swaps)), CALIBRATED)
    assert [d.step_ids for d in score.suspected] == [("open", "clean"), ("open", "close")]
    total = 1.0 + np.exp(-0.5) + np.exp(-1.0)
    assert [d.confidence for d in score.suspected] == pytest.approx(
        [np.exp(-0.5) / total, np.exp(-1.0) / total], abs=1e-4
    )


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 0.4), st.floats(0.01, 0.4), st.floats(-8.0, 4.0))
def test_a_task_that_accepts_less_never_passes_more_and_never_fails_more(
    reference: Reference, miss: float, alarm: float, log_odds: float
) -> None:
    rank = [Decision.PASS, Decision.NEEDS_REVIEW, Decision.FAIL]
    shown = alignment(alternatives=(UNEDITED, possible(MISSING, 1, log_odds)))
    decisions = []
    for share in (1.0, 0.5):
        task = TASK.model_copy(update={"accepted_miss": share * miss, "accepted_alarm": share * alarm})
        decisions.append(score_alignment(task, reference, shown, CALIBRATED).decision)
    generous, strict = map(rank.index, decisions)
    assert not (strict == 0 and generous > 0)
    assert not (strict == 2 and generous < 2)


def test_a_recording_that_may_show_something_else_is_looked_at(reference: Reference) -> None:
    score = score_alignment(TASK, reference, alignment(fit=0.4, order_evidence=6.0), CALIBRATED)
    assert score.decision is Decision.NEEDS_REVIEW
    assert "may not be this procedure" in score.reason.en
    assert "別の作業" in score.reason.ja


@pytest.mark.parametrize(
    "found",
    [
        edit(MISSING, 1, end_s=5.0),
        edit(SWAP, 1, 2),
        edit(WRONG, 1),
        edit(EXTRA, 2),
        edit(LONG, 1, end_s=15.0),
        edit(PARTIAL, 3, start_s=15.0, end_s=17.0),
    ],
    ids=lambda found: found.kind.value,
)
def test_a_single_gold_says_nothing_about_any_step(reference: Reference, found: Edit) -> None:
    score = score_alignment(TASK, reference, alignment([found]), no_calibration())
    assert score.deviations == ()
    assert score.decision is Decision.NOT_VERIFIABLE
    assert score.score is None
    assert "No gold could be tried on others" in score.reason.en
    assert "お手本どうしを比べられない" in score.reason.ja
    assert all(row.power is None and row.remedy.en and row.remedy.ja for row in score.unverifiable)
    critical = {step.id for step in TASK.steps if step.critical}
    missing = {row.step_id for row in score.unverifiable if row.type is DeviationType.MISSING_STEP}
    assert missing >= critical


def test_golds_of_one_person_decide_as_those_of_several(reference: Reference) -> None:
    for edits in ([], [edit(SWAP, 1, 2)], [edit(MISSING, 1, end_s=5.0)]):
        decisions = {
            score_alignment(TASK, reference, alignment(edits), calibration(held_out=held_out)).decision
            for held_out in ("person", "gold")
        }
        assert len(decisions) == 1


@pytest.mark.parametrize(
    ("found", "invented", "type_"),
    [
        pytest.param(edit(MISSING, 2, end_s=5.0), [2], "missing_step", id="missing"),
        pytest.param(edit(SWAP, 1, 2), [1, 2], "order_swap", id="swapped"),
        pytest.param(edit(WRONG, 1), [1], "wrong_step", id="wrong"),
        pytest.param(edit(LONG, 1, end_s=15.0), [1], "over_time", id="long"),
        pytest.param(edit(PARTIAL, 3, start_s=15.0, end_s=17.0), [3], "missing_step", id="cut"),
    ],
)
def test_what_right_golds_show_too_is_worth_less_and_then_only_suspected(
    reference: Reference, found: Edit, invented: list[int], type_: str
) -> None:
    shown = alignment([found])
    kind = MISSING if found.kind is PARTIAL else found.kind
    confidences = []
    for times in (0, 2, 6, 60):
        tallies = [Tally(kind, step, 20, 20, 60, times) for step in invented]
        score = score_alignment(TASK, reference, shown, calibration(*tallies))
        if times < 60:
            (deviation,) = score.deviations
            assert score.suspected == ()
        else:
            assert score.deviations == ()
            assert score.score == 100.0
            deviation = score.suspected[0]
            assert {(row.type.value, row.step_id) for row in score.unverifiable} >= {
                (type_, STEP_IDS[step]) for step in invented
            }
            assert all("reported too often" in row.reason.en for row in score.unverifiable)
        assert deviation.type.value == type_
        confidences.append(deviation.confidence)
    assert confidences[:3] == sorted(confidences[:3], reverse=True)
    assert confidences[0] == pytest.approx(0.95, abs=0.01)


def test_a_finding_at_two_steps_stands_when_golds_back_it_at_one(reference: Reference) -> None:
    doubtful = calibration(Tally(SWAP, 1, 20, 20, 20, 20))
    score = score_alignment(TASK, reference, alignment([edit(SWAP, 1, 2)]), doubtful)
    assert [d.type for d in score.deviations] == [DeviationType.ORDER_SWAP]


@pytest.mark.parametrize(
    ("step", "found", "listed"),
    [
        pytest.param(1, 0, True, id="critical, never found"),
        pytest.param(1, 5, True, id="critical, seldom found"),
        pytest.param(1, 15, False, id="critical, often found"),
        pytest.param(2, 0, False, id="harmless, never found"),
    ],
)
def test_a_critical_step_whose_absence_is_seldom_noticed_is_named_and_holds_nothing_back(
    reference: Reference, step: int, found: int, listed: bool
) -> None:
    blind = calibration(Tally(MISSING, step, 20, found, 20, 0))
    score = score_alignment(TASK, reference, alignment(), blind)
    assert score.decision is Decision.PASS
    assert [row.step_id for row in score.unverifiable] == ([STEP_IDS[step]] if listed else [])


def test_the_absence_of_a_step_counts_as_noticed_where_the_recording_is_held_back() -> None:
    change = PlannedEdit(MISSING, (1,))
    tried = [
        TriedGold(f"{n:012d}", change, None, (((), 1.0 - likely), ((change,), likely)))
        for n, likely in enumerate([0.05, 0.2, 0.3, 0.9])
    ]
    made = replace(calibration(Tally(MISSING, 1, 4, 1, 4, 0)), tried=tuple(tried))
    power = {}
    for review in (0.1, 0.25, 0.95):
        rows = verifiability(TASK, made, review)
        row = next(r for r in rows if r.type is DeviationType.MISSING_STEP and r.step_id == "clean")
        power[review] = row.power
    assert power[0.1] > power[0.25] > power[0.95]


def test_points_below_the_limits_ask_for_review_and_retraining(reference: Reference) -> None:
    lenient = TASK.model_copy(update={"severity": dict.fromkeys(DeviationType, Severity.EFFICIENCY)})
    edits = [edit(MISSING, step, end_s=5.0) for step in range(3)]
    decisions = [
        score_alignment(lenient, reference, alignment(edits[:n]), CALIBRATED).decision for n in range(4)
    ]
    assert decisions == [Decision.PASS, Decision.PASS, Decision.NEEDS_REVIEW, Decision.RETRAIN]


def test_each_deviation_leads_to_its_moment_in_both_videos(reference: Reference) -> None:
    (missing,) = score_alignment(
        TASK, reference, alignment([edit(MISSING, 2, end_s=5.0)]), CALIBRATED
    ).deviations
    assert missing.trainee == Segment(5.0, 5.0)
    assert missing.gold_id == "000000000000"
    assert missing.gold == Segment(9.0, 13.5)
    assert "“Fill” is missing" in missing.text.en
    assert "「fill作業」" in missing.text.ja
    assert missing.confidence == pytest.approx(0.9526, abs=1e-4)


def test_deviations_come_in_order_of_time(reference: Reference) -> None:
    edits = [
        edit(WRONG, 3, start_s=15.0, end_s=20.0),
        edit(MISSING, 0, start_s=0.0, end_s=0.0),
    ]
    deviations = score_alignment(TASK, reference, alignment(edits), CALIBRATED).deviations
    assert [d.type.value for d in deviations] == ["missing_step", "wrong_step"]


def test_deviations_at_one_moment_come_in_the_order_of_the_procedure(reference: Reference) -> None:
    names = [("open",), ("clean",)]
    missing = [edit(MISSING, step, start_s=5.0, end_s=5.0) for step in (1, 0)]
    deviations = score_alignment(TASK, reference, alignment(missing), CALIBRATED).deviations
    assert [d.step_ids for d in deviations] == names
    alike = [possible(MISSING, step, -1.0) for step in (1, 0)]
    suspected = score_alignment(
        TASK, reference, alignment(alternatives=(UNEDITED, *alike)), CALIBRATED
    ).suspected
    assert [d.step_ids for d in suspected] == names


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
        d
        for edits in groups
        for d in score_alignment(task, reference, alignment(edits), CALIBRATED).deviations
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
    edits = [edit(SWAP, 0, 1)]
    assert score_alignment(strict, reference, alignment(edits), CALIBRATED).decision is Decision.FAIL
    assert score_alignment(TASK, reference, alignment(edits), CALIBRATED).decision is Decision.NEEDS_REVIEW


def test_each_gold_has_a_say_in_a_deviation(reference: Reference) -> None:
    votes = (Vote("000000000000", 2.5), Vote("000000000001", -0.5))
    found = replace(edit(MISSING, 1, 2, end_s=5.0), votes=votes)
    deviations = score_alignment(TASK, reference, alignment([found]), CALIBRATED).deviations
    expected = (GoldVote("000000000000", 2.5), GoldVote("000000000001", -0.5))
    assert [d.votes for d in deviations] == [expected, expected]
