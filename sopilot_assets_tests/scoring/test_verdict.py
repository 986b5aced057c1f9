"""A verdict reads as one: what decided comes first, and points say themselves that they did not."""

from __future__ import annotations

import json

import pytest

from sopilot_assets.scoring.result import Decision
from sopilot_assets.scoring.text import sentence
from sopilot_assets.scoring.verdict import Verdict, points_decide, verdict_of_row
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


def verdict(decision: str, points: float | None, *findings: dict[str, str], reason: str = "Why.") -> Verdict:
    row = {
        "decision": decision,
        "score": points,
        "reason_en": reason,
        "reason_ja": "理由。",
        "deviations": json.dumps(findings),
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
    assert points_decide(Decision(decision), points, TASK) is decide
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
