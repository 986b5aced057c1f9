"""A decision is contested from the objection until somebody answers it."""

from __future__ import annotations

from typing import Any

import pytest

from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.contests import contested
from sopilot_assets.store.home import Home
from sopilot_assets_tests.labels.made_up import AT, draft

OBJECTS = {"who": "ann", "source": "human", "verdict": "disagree", "note": "it was seated"}


def said(home: Home, *words: dict[str, Any]) -> dict[str, list[str]]:
    """Who contests what after these labels, one after the other."""
    append_events(home, [draft(**{"key": "k", **one}) for one in words], run_id="r", written_at=AT)
    return {key: [str(one) for one in objections] for key, objections in contested(home).items()}


def test_without_labels_nothing_is_contested(home: Home) -> None:
    assert contested(home) == {}


def test_who_disagrees_contests_and_is_named_with_the_note(home: Home) -> None:
    assert said(home, OBJECTS) == {"k": ["ann: it was seated"]}


@pytest.mark.parametrize(
    "other",
    [
        {"who": "bob"},
        {"who": "ann"},  # blind: it says nothing of the product's decision
        {"who": "bob", "source": "human", "verdict": "agree"},
        {"key": "another", "who": "chief", "adjudicates": True},
    ],
)
def test_what_is_no_answer_leaves_it_contested(home: Home, other: dict[str, Any]) -> None:
    assert said(home, OBJECTS, other)["k"] == ["ann: it was seated"]


@pytest.mark.parametrize(
    "answer",
    [
        {"who": "chief", "adjudicates": True},
        {"who": "chief", "source": "human", "adjudicates": True, "critical": None},
        {"who": "ann", "source": "human", "verdict": "agree"},
        {"who": "ann", "source": "human", "verdict": "unsure"},
    ],
)
def test_an_answer_or_a_changed_mind_ends_it(home: Home, answer: dict[str, Any]) -> None:
    assert said(home, OBJECTS, answer) == {}


def test_an_objection_after_the_answer_is_a_new_one(home: Home) -> None:
    again = {**OBJECTS, "who": "bob", "note": "still wrong"}
    assert said(home, OBJECTS, {"who": "chief", "adjudicates": True}, again) == {"k": ["bob: still wrong"]}


def test_several_objections_stay_until_one_answer(home: Home) -> None:
    assert said(home, OBJECTS, {**OBJECTS, "who": "bob"})["k"] == ["ann: it was seated", "bob: it was seated"]
    assert said(home, {"who": "chief", "adjudicates": True}) == {}
