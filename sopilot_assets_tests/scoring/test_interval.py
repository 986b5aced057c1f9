"""The interval of a score, each step beside the golds, and the row of the ledger."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.alignment.calibration import Tally
from sopilot_assets.alignment.spans import (
    Alternative,
    Edit,
    Span,
    SpanKind,
    Vote,
)
from sopilot_assets.reference.model import Reference, build_reference
from sopilot_assets.scoring.ledger import COLUMNS, score_row
from sopilot_assets.scoring.result import StepReading
from sopilot_assets.scoring.score import score_alignment
from sopilot_assets.segments import Segment
from sopilot_assets_tests.reference.made_up import STEP_IDS, gold
from sopilot_assets_tests.scoring.edited import (
    CALIBRATED,
    CASES,
    EXTRA,
    FROZEN,
    HARMLESS_MISSING,
    LONG,
    MISSING,
    PARTIAL,
    RECORDING,
    SWAP,
    UNEDITED,
    WRONG,
    alignment,
    edit,
)
from sopilot_assets_tests.scoring.made_up import FLOOR, TASK, calibration, no_calibration

POSSIBLE = st.one_of(
    st.tuples(st.sampled_from([MISSING, WRONG, LONG]), st.tuples(st.integers(0, 3))),
    st.tuples(st.just(EXTRA), st.tuples(st.integers(0, 4))),
    st.tuples(st.just(PARTIAL), st.tuples(st.sampled_from([0, 3]))),
    st.tuples(st.just(SWAP), st.sampled_from([(0, 1), (0, 3), (1, 2)])),
)
ALTERNATIVES = st.lists(
    st.builds(Alternative, st.lists(POSSIBLE, max_size=3, unique=True).map(tuple), st.floats(-12.0, 0.0)),
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([c[1] for c in CASES]), ALTERNATIVES)
def test_the_interval_holds_the_score_whatever_else_may_explain_the_recording(
    reference: Reference, edits: list[Edit], others: list[Alternative]
) -> None:
    shown = alignment(edits, alternatives=tuple(others))
    score = score_alignment(TASK, reference, shown, CALIBRATED)
    assert (score.interval is None) is (score.score is None)
    if score.interval is not None and score.score is not None:
        low, high = score.interval
        assert 0.0 <= low <= score.score <= high <= 100.0


@pytest.mark.parametrize(
    "edits",
    [
        [],
        [edit(MISSING, 1, end_s=5.0)],
        [edit(SWAP, 1, 2)],
        [edit(WRONG, 1)],
        [edit(EXTRA, 4)],
        [edit(LONG, 1, end_s=15.0)],
        [edit(PARTIAL, 3, start_s=15.0, end_s=17.0)],
        [edit(PARTIAL, 3, start_s=15.0, end_s=19.5)],
        [edit(FROZEN)],
        [edit(FROZEN, 1, 2), edit(MISSING, 1, end_s=5.0)],
        [edit(MISSING, 2, end_s=5.0), edit(WRONG, 3, start_s=15.0, end_s=20.0)],
    ],
    ids=lambda edits: " and ".join(e.kind.value for e in edits) or "nothing",
)
def test_the_interval_is_a_point_when_one_explanation_has_all_the_mass(
    reference: Reference, edits: list[Edit]
) -> None:
    # explanations know nothing of frozen pictures
    seen = [e for e in edits if e.kind is not FROZEN]
    only = Alternative(tuple((e.kind, e.steps) for e in seen), 0.0, tuple(e.where for e in seen))
    negligible = Alternative(((MISSING, (0,)), (WRONG, (3,))), -6.0)
    for alternatives in ((), (only,), (only, negligible)):
        score = score_alignment(TASK, reference, alignment(edits, alternatives=alternatives), CALIBRATED)
        assert score.score is not None
        assert score.interval == pytest.approx((score.score, score.score), abs=0.01)


@pytest.mark.parametrize(
    ("log_odds", "interval"),
    [(0.0, (90.0, 100.0)), (-2.5, (90.0, 100.0)), (-3.5, (100.0, 100.0))],
)
def test_the_interval_reaches_as_far_as_explanations_that_are_not_negligible(
    reference: Reference, log_odds: float, interval: tuple[float, float]
) -> None:
    shown = alignment(alternatives=(UNEDITED, replace(HARMLESS_MISSING, log_odds=log_odds)))
    assert score_alignment(TASK, reference, shown, CALIBRATED).interval == interval


@pytest.mark.parametrize("pace", [1.0, 2.0])
def test_each_step_is_read_beside_the_golds_at_the_recordings_own_pace(pace: float) -> None:
    shown = [[(0, 4.0), (1, 4.0), (2, 4.0), (3, seconds)] for seconds in (2.0, 8.0)]
    unlike = build_reference("job", STEP_IDS, [gold(n, shown=one) for n, one in enumerate(shown)])
    spans = [(0, 0.0, 4.0, -0.2), (1, 4.0, 7.0, -0.1), (1, 7.0, 8.0, -0.5), (3, 8.0, 12.0, -1.0)]
    recorded = replace(
        alignment(duration_s=12.0 * pace),
        spans=tuple(
            Span(SpanKind.STEP, Segment(start * pace, end * pace), step, evidence)
            for step, start, end, evidence in spans
        ),
    )
    score = score_alignment(TASK, unlike, recorded, CALIBRATED)
    steady = 4.0 * pace
    assert score.steps == (
        StepReading("open", steady, steady, steady, steady, -0.2, FLOOR),
        StepReading("clean", steady, steady, steady, steady, -0.2, FLOOR),
        StepReading("fill", None, steady, steady, steady, None, FLOOR),
        StepReading("close", steady, steady, 2.0 * pace, 8.0 * pace, -1.0, FLOOR),
    )


def test_steps_are_read_without_a_floor_beside_a_single_gold(reference: Reference) -> None:
    score = score_alignment(TASK, reference, alignment(), no_calibration())
    assert [reading.evidence_floor for reading in score.steps] == [None] * 4
    assert [reading.seconds for reading in score.steps] == [5.0] * 4


def test_a_ledger_row_holds_what_a_decision_rests_on(reference: Reference) -> None:
    found = replace(edit(MISSING, 2, end_s=5.0), votes=(Vote("000000000000", 2.5),))
    shown = alignment(
        [found, edit(LONG, 1, end_s=15.0)], order_evidence=7.5, alternatives=(UNEDITED, HARMLESS_MISSING)
    )
    doubtful = calibration(Tally(LONG, 1, 20, 20, 20, 20), Tally(MISSING, 0, 20, 6, 20, 0))
    score = score_alignment(TASK, reference, shown, doubtful)
    row = score_row(RECORDING, TASK, reference, shown, score)
    assert set(row) == set(COLUMNS)
    assert (row["score"], row["score_low"], row["score_high"]) == (90.0, 90.0, 100.0)
    assert row["order_evidence"] == 7.5
    assert row["unverifiable"] == "missing_step:open"
    (deviation,) = json.loads(str(row["deviations"]))
    assert deviation["votes"] == {"000000000000": 2.5}
    assert deviation["steps"] == ["fill"]


def test_a_ledger_row_without_a_score_has_no_interval_either(reference: Reference) -> None:
    shown = alignment(order_evidence=None, fit=0.1)
    score = score_alignment(TASK, reference, shown, CALIBRATED)
    row = score_row(RECORDING, TASK, reference, shown, score)
    assert row["decision"] == "not_verifiable"
    assert [row[name] for name in ("score", "score_low", "score_high", "order_evidence")] == [None] * 4
