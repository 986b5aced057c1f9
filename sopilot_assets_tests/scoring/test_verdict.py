"""A verdict reads as one: what decided comes first, and points say themselves that they did not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from sopilot_assets.scoring.result import Cause, Decision
from sopilot_assets.scoring.text import chance, sentence
from sopilot_assets.scoring.verdict import Verdict, verdict_of_row
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.texts.languages import Text
from sopilot_assets_tests.scoring.made_up import TASK

FIRST = {
    "type": "missing_step",
    "severity": "critical",
    "en": "“Open” is missing.",
    "ja": "「開ける」がない。",
}
SECOND = {"type": "order_swap", "severity": "critical", "en": "Wrong order.", "ja": "順番が逆です。"}
SLOW = {"type": "over_time", "severity": "efficiency", "en": "Took long.", "ja": "時間超過。"}


OMITTED = {**FIRST, "trainee_start_s": 32.0, "confidence": 0.43}
SWAPPED = {**SECOND, "trainee_start_s": 12.0, "confidence": 0.2}


def verdict(
    decision: str,
    points: float | None,
    *findings: dict[str, Any],
    reason: str = "Why.",
    cause: str | None = None,
    suspected: Sequence[dict[str, Any]] | None = None,
) -> Verdict:
    row: dict[str, Cell] = {
        "decision": decision,
        "score": points,
        "reason_en": reason,
        "reason_ja": "理由。",
        "deviations": json.dumps(findings),
        "cause": cause,
        "suspected": None if suspected is None else json.dumps(suspected),
    }
    return verdict_of_row(row, TASK)


def test_every_critical_finding_is_in_the_headline_and_no_other() -> None:
    told = verdict("fail", 94.3, FIRST, SLOW, SECOND, reason=f"Critical: {SECOND['en']}")
    assert [text.en for text in told.because] == [FIRST["en"], SECOND["en"]]
    assert told.headline.en == "Critical: “Open” is missing. Wrong order."
    assert told.headline.ja == "重大な逸脱：「開ける」がない。順番が逆です。"


def test_a_picture_that_stands_still_is_filmed_again_and_says_nothing_about_the_worker() -> None:
    still = {"type": "freeze", "severity": "critical", "en": "It stands still.", "ja": "止まっている。"}
    reason = sentence("film_again", first=Text(still["en"], still["ja"])).en
    told = verdict("needs_review", 80.0, FIRST, still, reason=reason)
    assert told.headline.en == "Film again: It stands still."
    assert told.headline.ja == "撮影し直してください：止まっている。"
    assert "Nothing is said about the worker" in told.to_do.en
    assert told.to_do.ja


def test_a_suspicion_is_named_with_its_chance_and_its_moment() -> None:
    told = verdict("needs_review", 98.0, SLOW, cause="suspected", suspected=[OMITTED, SWAPPED])
    assert told.headline.en == "Perhaps (about 4 in 10): “Open” is missing. Look at 0:32.0."
    assert told.headline.ja == "可能性あり（約4割）：「開ける」がない。0:32.0 を確認してください。"
    assert (told.cause, told.at_s) == (Cause.SUSPECTED, 32.0)
    assert told.to_do.en == "Look at 0:32.0 in the recording and decide."
    assert "0:32.0" in told.to_do.ja
    assert "a person has to look first" in told.points.en


def test_a_headline_names_a_moment_once() -> None:
    said = {**OMITTED, "en": "“Open” is missing; it was expected at 0:32.0.", "ja": "「開ける」(0:32.0)。"}
    told = verdict("needs_review", 98.0, cause="suspected", suspected=[said])
    assert told.headline.en.count("0:32.0") == 1


def test_a_critical_finding_that_is_not_sure_enough_to_fail_is_looked_at_like_a_suspicion() -> None:
    doubtful = {**FIRST, "trainee_start_s": 4.0, "confidence": 0.62}
    told = verdict("needs_review", 98.0, doubtful, cause="suspected", suspected=[SWAPPED])
    assert told.headline.en == "Likely (about 6 in 10): “Open” is missing. Look at 0:04.0."
    assert told.headline.ja.startswith("可能性が高い（約6割）")


@pytest.mark.parametrize(
    ("cause", "decision", "headline"),
    [
        ("critical", "fail", "Critical: “Open” is missing. Wrong order."),
        ("quality", "needs_review", "To be looked at: Loose."),
        ("film_again", "not_verifiable", "Film again: It stands still."),
        ("one_gold", "not_verifiable", "Why."),
        ("other_work", "not_verifiable", "Why."),
        ("hardly_familiar", "needs_review", "Why."),
        ("uncertain", "needs_review", "Why."),
        ("pass_points", "pass", "Why."),
        ("not_scored", "not_verifiable", "Why."),
    ],
)
def test_the_cause_says_which_findings_decided_whatever_the_reason_names(
    cause: str, decision: str, headline: str
) -> None:
    loose = {"type": "wrong_step", "severity": "quality", "en": "Loose.", "ja": "緩い。"}
    still = {"type": "freeze", "severity": "quality", "en": "It stands still.", "ja": "止まっている。"}
    of = {"film_again": [FIRST, still], "quality": [SLOW, loose]}.get(cause, [FIRST, SLOW, SECOND])
    assert verdict(decision, 70.0, *of, cause=cause).headline.en == headline


def test_points_that_do_not_decide_say_what_fails_instead() -> None:
    told = verdict("fail", 94.3, FIRST, SECOND, cause="critical")
    assert told.points.en == (
        "94.3 of 100 points, which do not decide: a critical step is missing, and that fails, whatever the "
        "points."
    )
    assert told.points.ja.endswith("重要な手順が抜けているため、得点にかかわらず不合格です。")
    assert "the order of steps is wrong" in verdict("fail", 94.3, SECOND, cause="critical").points.en
    assert "there is a critical deviation" in verdict("fail", 94.3).points.en


@pytest.mark.parametrize("kind", ["order_swap", "wrong_step", "step_deviation", "over_time"])
def test_nothing_is_said_of_critical_steps_where_the_task_calls_the_deviation_critical(kind: str) -> None:
    # whether the steps of a swap or a wrong step are critical ones does not matter to its severity
    points = verdict("fail", 94.3, {**SECOND, "type": kind}, cause="critical").points
    assert "critical step" not in points.en
    assert "重要な手順" not in points.ja


def test_a_frozen_picture_is_not_named_among_what_fails() -> None:
    still = {"type": "freeze", "severity": "critical", "en": "It stands still.", "ja": "止まっている。"}
    told = verdict("fail", 70.0, still, FIRST, cause="critical")
    assert told.headline.en == "Critical: “Open” is missing."
    assert "a critical step is missing" in told.points.en


def test_points_are_not_rounded_to_the_other_side_of_their_limit() -> None:
    assert verdict("needs_review", 89.96, cause="review_points").points.en == (
        "89.96 of 100 points; pass from 90."
    )
    assert "79.97 of 100 points; below 80" in verdict("retrain", 79.97, cause="retrain_points").points.en
    assert "90.0 of 100" in verdict("pass", 90.02, cause="pass_points").points.en


@pytest.mark.parametrize("cause", ["retrain_points", "review_points", "pass_points"])
def test_points_decide_where_the_cause_says_so(cause: str) -> None:
    assert verdict("needs_review", 95.0, cause=cause).points_decide
    assert not verdict("needs_review", 85.0, cause="uncertain").points_decide


def test_a_chance_is_said_in_tenths() -> None:
    assert [chance(p).en for p in (0.0, 0.1, 0.44, 0.949, 0.96)] == [
        "less than 1 in 10",
        "about 1 in 10",
        "about 4 in 10",
        "about 9 in 10",
        "almost certain",
    ]
    assert chance(0.31).ja == "約3割"


def test_a_reason_that_names_no_finding_stays_as_it_is() -> None:
    told = verdict("needs_review", 100.0, SLOW, reason="All golds show the same person.")
    assert told.headline.en == "All golds show the same person."


@pytest.mark.parametrize(
    ("decision", "points", "decide"),
    [
        ("fail", 94.3, False),
        ("fail", 10.0, False),
        ("needs_review", 100.0, False),
        ("needs_review", 85.0, True),
        ("retrain", 70.0, True),
        ("pass", 96.0, True),
        ("not_verifiable", None, False),
    ],
)
def test_points_decide_only_where_they_lead_to_the_decision(
    decision: str, points: float | None, decide: bool
) -> None:
    told = verdict(decision, points)
    assert told.points_decide is decide
    assert ("do not decide" in told.points.en) == ("得点では決まりません" in told.points.ja)
    assert ("do not decide" in told.points.en) == (points is not None and not decide)


def test_points_that_decide_name_their_limit() -> None:
    assert verdict("pass", 96.0).points.en == f"96.0 of 100 points; pass from {TASK.pass_score:g}."
    assert (
        verdict("retrain", 70.0).points.en == f"70.0 of 100 points; below {TASK.retrain_score:g} is retrain."
    )


def test_every_decision_says_what_to_do_in_both_languages() -> None:
    from sopilot_assets.scoring.verdict import DECISIONS, TO_DO

    for decision in Decision:
        assert DECISIONS[decision].ja != DECISIONS[decision].en
        assert TO_DO[decision].en
        assert TO_DO[decision].ja


@pytest.mark.parametrize(
    ("decision", "cause", "asks"),
    [
        ("fail", "critical", True),
        ("needs_review", "film_again", True),
        ("retrain", "retrain_points", True),
        ("not_verifiable", "other_work", True),
        ("not_verifiable", "one_gold", False),
        ("pass", "pass_points", False),
    ],
)
def test_of_a_gold_it_is_asked_whether_the_gold_is_right_and_nothing_of_a_worker(
    decision: str, cause: str, *, asks: bool
) -> None:
    row = {"decision": decision, "cause": cause, "score": 90.0, "reason_en": "Why.", "reason_ja": "理由。"}
    row |= {"deviations": json.dumps([FIRST]), "suspected": None}
    to_do = verdict_of_row({**row, "role": "gold"}, TASK).to_do
    assert ("the gold itself" in to_do.en) is ("お手本自体" in to_do.ja) is asks
    assert "the gold itself" not in verdict_of_row({**row, "role": "trainee"}, TASK).to_do.en
