"""How the golds of a task came and went."""

from __future__ import annotations

from datetime import timedelta

from sopilot_assets.capture.facts import restore_recordings, withdraw_recordings
from sopilot_assets.stations.gold_history import GoldEvent, gold_history, promotions_of, references_made
from sopilot_assets.stations.gold_promotions import CORRECTED
from sopilot_assets.stations.gold_references import refresh_references
from sopilot_assets.store.home import Home
from sopilot_assets.texts.languages import Text
from sopilot_assets_tests.stations.test_gold_promotions import (
    BEGIN,
    TASK,
    demote,
    label,
    promote,
    trainees,
)
from sopilot_assets_tests.stations.test_staleness import keys, later


def happened(home: Home) -> list[GoldEvent]:
    return list(gold_history(home, TASK, promotions_of(home, TASK)))


def test_golds_that_were_filmed_promoted_taken_back_and_out_are_told_apart(scored: Home) -> None:
    assert [one.what.value for one in happened(scored)] == ["filmed"] * 3
    key, gold = trainees(scored)[0], keys(scored, "gold")[0]
    label(scored, key)
    promote(scored, key)
    demote(scored, key, why="the cap was left open")
    by = {"who": "tess", "run_id": "x"}
    withdraw_recordings(scored, [gold], why="cut", at=BEGIN + timedelta(days=300), **by)
    restore_recordings(scored, [gold], why="whole", at=BEGIN + timedelta(days=301), **by)
    found = happened(scored)
    of_it = [(one.what.value, one.who, one.why) for one in found if one.key == str(key)]
    assert of_it == [
        ("taken_back", "tess", "the cap was left open"),
        ("promoted", "tess", "two people looked at it"),
    ]
    assert [(one.what.value, one.why) for one in found if one.key == gold] == [
        ("restored", "whole"),
        ("withdrawn", "cut"),
        ("filmed", ""),
    ]
    (promoted,) = (one for one in found if one.what.value == "promoted")
    assert promoted.steps_text == Text("steps as the scoring found them", "手順の時刻：採点で見つかったまま")


def test_where_the_steps_of_a_promoted_gold_came_from_is_said_in_both_languages(scored: Home) -> None:
    filmed = happened(scored)[0]
    assert filmed.steps_text is None
    of = GoldEvent("", filmed.what, "", "", None, steps_from=f"golds a, {CORRECTED}")
    assert of.steps_text is not None
    assert of.steps_text.en == "steps corrected at the desk"
    sheet = GoldEvent("", filmed.what, "", "", None, steps_from="marked.csv")
    assert sheet.steps_text == Text("steps of marked.csv", "手順の時刻：marked.csv")


def test_references_are_told_in_order_with_the_promoted_golds_they_rest_on(scored: Home) -> None:
    (first,) = references_made(scored, TASK)
    assert (first.golds, first.promoted) == (3, frozenset())
    key = trainees(scored)[0]
    label(scored, key)
    promote(scored, key)
    refresh_references(scored, [TASK], **later())
    _, second = references_made(scored, TASK)
    assert (second.golds, second.promoted) == (4, {str(key)})
    demote(scored, key)
    refresh_references(scored, [TASK], **later())
    assert [one.reference_id for one in references_made(scored, TASK)] == [
        first.reference_id,
        second.reference_id,
        first.reference_id,
    ]
