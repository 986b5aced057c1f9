"""What is found because it is likely enough by itself, whatever the best explanation says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sopilot_assets.alignment.spans import Alternative, Edit, EditKind, Span, SpanKind, Vote
from sopilot_assets.reference.model import Reference
from sopilot_assets.scoring.result import Decision, GoldVote, Score
from sopilot_assets.scoring.score import score_alignment
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity
from sopilot_assets_tests.scoring.edited import (
    CALIBRATED,
    LONG,
    MISSING,
    SWAP,
    UNEDITED,
    WRONG,
    alignment,
    edit,
)
from sopilot_assets_tests.scoring.made_up import TASK

CRITICAL_WRONG = TASK.model_copy(
    update={"severity": {**TASK.severity, DeviationType.WRONG_STEP: Severity.CRITICAL}}
)
OPEN, CLEAN, FILL = range(3)


def possible(log_odds: float, *edits: tuple[EditKind, int]) -> Alternative:
    """These edits, each in the ten seconds from where its step begins."""
    return Alternative(
        tuple((kind, (step, step + 1) if kind is SWAP else (step,)) for kind, step in edits),
        log_odds,
        tuple(Segment(5.0 * step, 5.0 * step + 10.0) for _, step in edits),
    )


def scored(reference: Reference, edits: list[Edit], *others: Alternative) -> Score:
    return score_alignment(TASK, reference, alignment(edits, alternatives=others), CALIBRATED)


def named(score: Score) -> list[tuple[str, tuple[str, ...]]]:
    return [(d.type.value, d.step_ids) for d in score.deviations]


@pytest.mark.parametrize(
    ("log_odds", "found"),
    [
        pytest.param(-0.6, True, id="a third"),
        pytest.param(-1.1, False, id="a quarter"),
    ],
)
def test_a_wrong_step_that_is_likely_enough_is_found_beside_a_likelier_explanation(
    reference: Reference, log_odds: float, found: bool
) -> None:
    score = scored(reference, [], UNEDITED, possible(log_odds, (WRONG, CLEAN)))
    assert named(score) == ([("wrong_step", ("clean",))] if found else [])
    assert [d.type.value for d in score.suspected] == ([] if found else ["wrong_step"])
    assert score.decision is (Decision.NEEDS_REVIEW if found else Decision.PASS)


def test_a_wrong_step_that_would_be_critical_is_found_only_where_it_is_likelier_than_not(
    reference: Reference,
) -> None:
    shown = alignment(alternatives=(UNEDITED, possible(-0.6, (WRONG, CLEAN))))
    score = score_alignment(CRITICAL_WRONG, reference, shown, CALIBRATED)
    assert score.deviations == ()
    assert [d.severity for d in score.suspected] == [Severity.CRITICAL]


def test_a_step_takes_long_where_that_one_is_likely_and_not_where_some_step_does(
    reference: Reference,
) -> None:
    best = edit(LONG, CLEAN, start_s=5.0, end_s=15.0)
    one, other = possible(0.0, (LONG, CLEAN)), possible(-0.1, (LONG, FILL))
    unsure = scored(reference, [best], one, other, replace(UNEDITED, log_odds=-1.0))
    assert unsure.deviations == ()
    assert [(d.type.value, d.step_ids) for d in unsure.suspected] == [
        ("over_time", ("clean",)),
        ("over_time", ("fill",)),
    ]
    sure = scored(reference, [best], one, replace(UNEDITED, log_odds=-1.0))
    assert named(sure) == [("over_time", ("clean",))]


def test_what_contradicts_a_finding_at_the_same_step_stays_a_suspicion(reference: Reference) -> None:
    missing = edit(MISSING, CLEAN, end_s=5.0)
    score = scored(reference, [missing], possible(0.0, (MISSING, CLEAN)), possible(-0.4, (WRONG, CLEAN)))
    assert named(score) == [("missing_step", ("clean",))]
    assert [d.type.value for d in score.suspected] == ["wrong_step"]
    elsewhere = scored(reference, [missing], possible(0.0, (MISSING, CLEAN)), possible(-0.4, (WRONG, FILL)))
    assert named(elsewhere) == [("missing_step", ("clean",)), ("wrong_step", ("fill",))]


def test_what_one_explanation_has_together_is_found_together_with_its_votes(reference: Reference) -> None:
    took_long = replace(edit(LONG, CLEAN, start_s=5.0, end_s=15.0), votes=(Vote("000000000000", 1.5),))
    both = possible(0.0, (SWAP, CLEAN), (LONG, CLEAN))
    score = scored(reference, [edit(SWAP, CLEAN, FILL), took_long], both)
    assert set(named(score)) == {("order_swap", ("clean", "fill")), ("over_time", ("clean",))}
    (long_one,) = [d for d in score.deviations if d.type is DeviationType.OVER_TIME]
    assert long_one.votes == (GoldVote("000000000000", 1.5),)


def test_one_slow_step_of_two_fast_and_two_slow_ones_is_measured_by_what_lies_between(
    reference: Reference,
) -> None:
    seconds = (4.0, 4.0, 6.0, 7.6)
    starts = [sum(seconds[:step]) for step in range(4)]
    lengths = zip(starts, seconds, strict=True)
    spans = tuple(
        Span(SpanKind.STEP, Segment(start, start + length), step, -0.1)
        for step, (start, length) in enumerate(lengths)
    )
    took_long = Segment(starts[3], sum(seconds))
    shown = replace(
        alignment(
            [edit(LONG, 3, start_s=took_long.start_s, end_s=took_long.end_s)],
            duration_s=sum(seconds),
            alternatives=(Alternative(((LONG, (3,)),), 0.0, (took_long,)),),
        ),
        spans=spans,
    )
    score = score_alignment(TASK, reference, shown, CALIBRATED)
    # 7.6 s is 1.52 times the 5.0 s that are usual at the middle pace, and 1.27 times those at the upper one
    assert named(score) == [("over_time", ("close",))]
