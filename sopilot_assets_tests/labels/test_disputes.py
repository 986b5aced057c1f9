"""What raters disagree on is settled by a third person, whichever way it is said."""

from __future__ import annotations

import pytest

from sopilot_assets.errors import LabelError
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.labels.disputes import disputes
from sopilot_assets.labels.events import Source
from sopilot_assets.store.home import Home
from sopilot_assets_tests.labels.made_up import TASK, append, draft


def test_a_dispute_names_who_differ_and_who_settled_it(home: Home) -> None:
    append(home, draft("job-1", "ann", True), draft("job-1", "bob", False), draft("job-1", "cyd", None))
    append(home, draft("job-2", "ann", True), draft("job-2", "bob", True))
    (found,) = disputes(read_chain(home, TASK)).values()
    assert (found.key, found.source, found.who) == ("job-1", Source.BLIND_HUMAN, ("ann", "bob"))
    assert found.settled_by is None
    append(home, draft("job-1", "chief", True, adjudicates=True))
    assert disputes(read_chain(home, TASK))["job-1"].settled_by == "chief"


@pytest.mark.parametrize("source", ["blind_human", "human"])
@pytest.mark.parametrize("who", ["ann", "bob"])
def test_nobody_settles_what_they_disagree_on_themselves(home: Home, who: str, source: str) -> None:
    before = append(home, *(draft("job-1", one, one == "ann", source=source) for one in ("ann", "bob")))
    for critical in (True, False, None):
        with pytest.raises(
            LabelError, match=f"a third person .* ann, bob disagree on, found {who}"
        ) as refused:
            append(home, draft("job-2", who), draft("job-1", who, critical, adjudicates=True))
        assert "当事者以外" in (refused.value.ja or "")
    assert read_chain(home, TASK) == before, "nothing was taken"


def test_a_third_person_may_have_said_that_they_cannot_say(home: Home) -> None:
    append(home, draft("job-1", "ann", True), draft("job-1", "bob", False), draft("job-1", "cyd", None))
    assert len(append(home, draft("job-1", "cyd", True, adjudicates=True))) == 1


def test_what_was_settled_is_not_settled_again_by_one_of_them(home: Home) -> None:
    append(home, draft("job-1", "ann", True), draft("job-1", "bob", False))
    append(home, draft("job-1", "chief", True, adjudicates=True))
    with pytest.raises(LabelError, match="third person"):
        append(home, draft("job-1", "bob", False, adjudicates=True))
    assert len(append(home, draft("job-1", "chief", False, adjudicates=True))) == 1, "their own word"


def test_who_changed_their_mind_differs_no_more(home: Home) -> None:
    append(home, draft("job-1", "ann", True), draft("job-1", "bob", False), draft("job-1", "bob", True))
    assert disputes(read_chain(home, TASK)) == {}
