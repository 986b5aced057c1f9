"""What a person says of a result, a bit at a time: nothing is lost, nothing stands twice."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sopilot_assets.errors import LabelError
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.labels.contests import contested
from sopilot_assets.labels.events import Agreement, Draft, LabelEvent, RaterVerdict, Seen, Source, place
from sopilot_assets.labels.findings import finding_agreement
from sopilot_assets.labels.history import history
from sopilot_assets.labels.saying import Answered, events_of, own_words, reported_by, say_of_result
from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.store.chain import NO_EVENT
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Row, plain_rows
from sopilot_assets.tasks import DeviationType, load_task

AT = "2026-02-01T00:00:00+00:00"
TASK = "filter_change"


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Home:
    return Home.at(shutil.copytree(str(original.root), tmp_path / "own"))


def a_row(home: Home) -> Row:
    """The row of a trainee recording in which most is reported."""
    rows = [row for row in plain_rows(scores_ledger(home).latest()) if row["role"] == "trainee"]
    return max(rows, key=lambda row: len(reported_by(row)))


def say(home: Home, row: Row, said: Answered, who: str = "ann", *, row_id: str = "") -> list[LabelEvent]:
    key = PartitionKey.parse(str(row["key"]))
    return say_of_result(home, key, said, row_id=row_id or str(row["row_id"]), who=who, at=AT)


def test_each_bit_joins_what_was_said_before_and_the_same_twice_is_nothing(home: Home) -> None:
    row = a_row(home)
    first = reported_by(row)[0]
    assert len(say(home, row, Answered(verdict=RaterVerdict.AGREE))) == 1
    agrees = first.model_copy(update={"agree": True})
    assert len(say(home, row, Answered(finding=agrees))) == 1
    assert len(say(home, row, Answered(critical=(True,), note="seen at 0:12"))) == 1
    assert say(home, row, Answered(finding=agrees)) == []
    own = own_words(events_of(home, PartitionKey.parse(str(row["key"]))), "ann")
    assert own is not None
    assert own.source is Source.HUMAN
    assert (own.verdict, own.critical_expected, own.note) == (RaterVerdict.AGREE, True, "seen at 0:12")
    assert own.deviations == (agrees,)
    changed = first.model_copy(update={"agree": False})
    say(home, row, Answered(finding=changed))
    assert own_words(read_chain(home, TASK), "ann").deviations == (changed,)  # type: ignore[union-attr]


def test_two_people_and_two_windows_at_once_lose_nothing(home: Home) -> None:
    row = a_row(home)
    reported = reported_by(row)
    said = [Answered(finding=one.model_copy(update={"agree": True})) for one in reported]
    said += [Answered(verdict=RaterVerdict.AGREE), Answered(critical=(False,))]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda job: say(home, row, job[1], job[0]), [(w, s) for w in "ab" for s in said]))
    events = read_chain(home, TASK)
    for who in "ab":
        own = own_words(events, who)
        assert own is not None
        assert own.verdict is RaterVerdict.AGREE
        assert own.critical_expected is False
        assert len(own.deviations) == len(reported)


def test_a_result_that_changed_meanwhile_is_not_spoken_of(home: Home) -> None:
    row = a_row(home)
    newer = {name: row[name] for name in COLUMNS} | {"decision": "pass", "score": 99.0}
    scores_ledger(home).append([newer], run_id="again", written_at="2026-01-01T00:00:00+00:00")
    with pytest.raises(LabelError, match="is “Pass” now") as refused:
        say(home, row, Answered(verdict=RaterVerdict.AGREE))
    assert "更新されました" in str(refused.value.ja)
    assert read_chain(home, TASK) == []


def test_only_what_is_reported_can_be_agreed_with(home: Home) -> None:
    other = Agreement(type=DeviationType.FREEZE, steps=("nothing",), agree=True)
    with pytest.raises(LabelError, match="no such finding"):
        say(home, a_row(home), Answered(finding=other))
    with pytest.raises(LabelError, match="at most 2000 letters"):
        say(home, a_row(home), Answered(note="x" * 2001))
    assert read_chain(home, TASK) == []


def test_a_comment_on_a_finding_leaves_the_reason_of_who_contests(home: Home) -> None:
    row = a_row(home)
    key, first = str(row["key"]), reported_by(row)[0]
    say(home, row, Answered(verdict=RaterVerdict.DISAGREE, note="it was there"))
    about = Seen(type=first.type, steps=first.steps)
    say(home, row, Answered(note="hidden by the hand", about=about))
    assert [one.note for one in contested(home)[key]] == [f"it was there\n{about}: hidden by the hand"]
    assert say(home, row, Answered(note="hidden by the hand", about=about)) == []
    say(home, row, Answered(critical=(False,), note="you are right", settles=True), "chief")
    assert key not in contested(home)


def test_who_contests_does_not_answer_themselves_unless_nobody_else_may(home: Home) -> None:
    row = a_row(home)
    say(home, row, Answered(verdict=RaterVerdict.DISAGREE, note="it was there"), "ada")
    with pytest.raises(LabelError, match="ada contests this decision; somebody else has to answer"):
        say(home, row, Answered(critical=(False,), settles=True), "ada")
    assert str(row["key"]) in contested(home)
    say(home, row, Answered(critical=(False,), settles=True, nobody_else=True), "ada")
    assert str(row["key"]) not in contested(home)


def test_an_answer_to_who_contests_says_yes_or_no(home: Home) -> None:
    with pytest.raises(LabelError, match="says yes or no"):
        say(home, a_row(home), Answered(critical=(None,), settles=True), "chief")


def test_what_is_said_of_a_suspicion_does_not_count_as_of_a_finding(home: Home) -> None:
    row = next(
        row
        for row in plain_rows(scores_ledger(home).latest())
        if any(one.suspected for one in reported_by(row))
    )
    suspicion = next(one for one in reported_by(row) if one.suspected)
    say(home, row, Answered(finding=suspicion.model_copy(update={"agree": False})))
    (event,) = read_chain(home, TASK)
    assert event.deviations[0].suspected
    assert finding_agreement([event]).empty


def test_events_of_findings_have_the_same_fields_as_ever() -> None:
    plain = Agreement(type=DeviationType.MISSING_STEP, steps=("oil",), agree=True)
    assert set(plain.model_dump(mode="json")) == {"type", "steps", "agree"}
    assert plain.model_copy(update={"suspected": True}).model_dump(mode="json")["suspected"] is True


def test_the_history_says_what_each_event_added_the_newest_first(home: Home) -> None:
    row = a_row(home)
    key, first = PartitionKey.parse(str(row["key"])), reported_by(row)[0]
    say(home, row, Answered(verdict=RaterVerdict.DISAGREE, note="it was there"))
    say(home, row, Answered(finding=first.model_copy(update={"agree": False})))
    say(home, row, Answered(note="look again", about=Seen(type=first.type, steps=first.steps)))
    say(home, row, Answered(critical=(False,), note="right", settles=True), "chief")
    told = history(events_of(home, key), load_task(home.tasks / f"{TASK}.yaml"), blind=True)
    assert [one.who for one in told] == ["chief", "ann", "ann", "ann"]
    assert [text.en for text in told[0].what] == ["answers who contests", "There is no critical deviation"]
    assert told[1].note == "look again"
    assert told[1].about is not None
    assert told[1].what == ()
    assert told[2].what[0].en.startswith("disagrees (")
    assert told[2].note == ""
    assert told[3].what[0].ja == "判定は誤りだと申し立て"
    assert told[3].note == "it was there"


def test_who_contested_and_was_answered_does_not_contest_again_by_saying_something_else(home: Home) -> None:
    row = a_row(home)
    key, first = str(row["key"]), reported_by(row)[0]
    say(home, row, Answered(verdict=RaterVerdict.DISAGREE, note="it was there"))
    say(home, row, Answered(critical=(True,), note="it was not", settles=True), "chief")
    say(home, row, Answered(finding=first.model_copy(update={"agree": True})))
    assert key not in contested(home)
    say(home, row, Answered(verdict=RaterVerdict.DISAGREE, note="look at 0:12"))
    say(home, row, Answered(verdict=RaterVerdict.DISAGREE, note="and at 0:14"))
    assert [one.note for one in contested(home)[key]] == ["look at 0:12\nand at 0:14"]


def test_who_was_answered_may_contest_again_in_the_same_words_and_be_answered_so(home: Home) -> None:
    row = a_row(home)
    key = str(row["key"])
    contests = Answered(verdict=RaterVerdict.DISAGREE, note="it was there")
    answers = Answered(critical=(False,), settles=True)
    for _ in range(2):
        assert len(say(home, row, contests)) == 1
        assert say(home, row, contests) == []
        assert key in contested(home)
        assert len(say(home, row, answers, "chief")) == 1
        assert say(home, row, answers, "chief") == []
        assert key not in contested(home)


def test_a_moment_just_before_a_full_minute_is_that_minute() -> None:
    seen = Seen(type=DeviationType.FREEZE, at_s=59.96)
    said = {"task_id": TASK, "key": "k", "who": "ann", "at": AT, "source": Source.BLIND_HUMAN}
    draft = Draft.model_validate({**said, "critical_expected": True, "seen": (seen,)})
    (told,) = history([place(draft, seq=1, previous_hash=NO_EVENT)], None, blind=True)
    assert told.what[-1].en.endswith(" at 1:00.0")
