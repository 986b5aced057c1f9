"""The list of recordings: what is found, in which order, and what somebody may see of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sopilot_assets.capture.facts import correct_each
from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, RaterVerdict, Source
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.result import Decision
from sopilot_assets.stations.recording_list import (
    NOT_JUDGED,
    PER_PAGE,
    Eyes,
    ListedRecording,
    ListFilter,
    ListOrder,
    list_choices,
    list_recordings,
)
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.tasks import DeviationType

ALL = Eyes()
AT = "2026-02-01T00:00:00+00:00"


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Home:
    return Home.at(shutil.copytree(str(original.root), tmp_path / "own"))


def listed(home: Home, wanted: ListFilter = ListFilter(), eyes: Eyes = ALL) -> list[ListedRecording]:  # noqa: B008 - frozen
    return list(list_recordings(home, eyes, wanted).rows)


def say(home: Home, key: str, who: str, source: Source, verdict: RaterVerdict = RaterVerdict.NONE) -> None:
    draft = Draft(
        task_id="filter_change",
        key=key,
        who=who,
        at=AT,
        source=source,
        critical_expected=None,
        verdict=verdict,
        note="it was there",
    )
    append_events(home, [draft], run_id=who, written_at=AT)


def test_all_recordings_that_count_are_listed_with_their_results(home: Home) -> None:
    rows = listed(home)
    stored = {str(row["key"]): row for row in plain_rows(scores_ledger(home).latest())}
    assert {row.key for row in rows} == set(stored)
    assert len(rows) == 6
    for row in rows:
        assert row.verdict is not None
        assert row.verdict.decision.value == stored[row.key]["decision"]
        assert row.name == stored[row.key]["original_name"]
        assert row.person == stored[row.key]["person"]
    assert [row.at for row in rows] == sorted((row.at for row in rows), reverse=True)


def test_times_of_several_zones_are_in_the_order_in_which_they_were(home: Home) -> None:
    keys = [row.key for row in listed(home)][:3]
    times = ("2025-06-01T08:00:00+09:00", "2025-06-01T00:30:00+00:00", "2025-06-01T10:00:00+09:00")
    facts = {key: {"recorded_at": time} for key, time in zip(keys, times, strict=True)}
    correct_each(home, facts, who="ann", why="zones", at=datetime(2100, 1, 1, tzinfo=UTC), run_id="zones")
    assert [row.at for row in listed(home)][:3] == [times[2], times[1], times[0]]
    assert [row.at for row in listed(home, ListFilter(order=ListOrder.OLDEST))][-3:] == list(times)


def test_it_is_searched_by_any_part_of_name_key_person_or_site_in_any_case(home: Home) -> None:
    one = next(row for row in listed(home) if row.role == "trainee")
    assert one.key in [row.key for row in listed(home, ListFilter(text=one.name[2:].upper()))]
    assert [row.key for row in listed(home, ListFilter(text=one.key[-12:]))] == [one.key]
    assert {row.person for row in listed(home, ListFilter(text=str(one.person)))} == {one.person}
    assert len(listed(home, ListFilter(text="SITE_A"))) == 6
    assert listed(home, ListFilter(text="' or 1 = 1 --")) == []
    assert listed(home, ListFilter(text="%")) == []


def test_every_filter_gives_what_it_names_and_nothing_else(home: Home) -> None:
    rows = listed(home)
    for decision in Decision:
        found = listed(home, ListFilter(decision=decision.value))
        assert {row.key for row in found} == {
            row.key for row in rows if row.verdict and row.verdict.decision is decision
        }
    for kind in DeviationType:
        found = listed(home, ListFilter(deviation=kind))
        assert {row.key for row in found} == {
            row.key for row in rows if kind in {its for its, _, _ in row.deviations}
        }
    person = str(rows[0].person)
    assert {row.person for row in listed(home, ListFilter(person=person))} == {person}
    assert listed(home, ListFilter(site="elsewhere")) == listed(home, ListFilter(task="other")) == []
    day = rows[0].at[:10]
    assert {row.at[:10] for row in listed(home, ListFilter(since=day, until=day))} == {day}
    assert listed(home, ListFilter(since="2999-01-01")) == listed(home, ListFilter(until="1999-01-01")) == []


def test_contested_results_can_be_asked_for_alone(home: Home) -> None:
    one = next(row for row in listed(home) if row.role == "trainee")
    assert listed(home, ListFilter(contested=True)) == []
    say(home, one.key, "bob", Source.HUMAN, RaterVerdict.DISAGREE)
    assert [(row.key, row.contested) for row in listed(home, ListFilter(contested=True))] == [(one.key, True)]
    assert listed(home, ListFilter(order=ListOrder.URGENT))[0].key == one.key


@pytest.mark.parametrize("order", list(ListOrder))
def test_each_order_lists_the_same_recordings(home: Home, order: ListOrder) -> None:
    rows = listed(home, ListFilter(order=order))
    assert sorted(row.key for row in rows) == sorted(row.key for row in listed(home))
    by: dict[ListOrder, list[Any]] = {
        ListOrder.OLDEST: [row.at for row in rows],
        ListOrder.NAME: [row.name.lower() for row in rows],
        ListOrder.PERSON: [row.person or "" for row in rows],
        ListOrder.SITE: [row.site or "" for row in rows],
        ListOrder.LOWEST: [row.score for row in rows if row.score is not None],
    }
    if order in by:
        assert by[order] == sorted(by[order])


def test_pages_hold_every_recording_once_and_the_last_stands_for_those_after_it(home: Home) -> None:
    row = plain_rows(videos_ledger(home).latest())[0]
    row = {name: value for name, value in row.items() if name in videos_ledger(home).columns}
    more = [
        {**row, "key": f"filter_change-t-{number:012x}", "video_id": f"{number:012x}", "role": "trainee"}
        for number in range(120)
    ]
    videos_ledger(home).append(more, run_id="more", written_at=AT)
    pages = [list_recordings(home, ALL, ListFilter(), page=page) for page in (1, 2, 3, 99, 0)]
    assert [len(page.rows) for page in pages] == [PER_PAGE, PER_PAGE, 26, 26, PER_PAGE]
    assert {page.total for page in pages} == {126}
    assert pages[0].pages == 3
    assert [page.page for page in pages] == [1, 2, 3, 3, 1]
    keys = [row.key for page in pages[:3] for row in page.rows]
    assert len(set(keys)) == len(keys) == 126
    waiting = list_recordings(home, ALL, ListFilter(decision=NOT_JUDGED))
    assert waiting.total == 120
    assert all(row.verdict is None for row in waiting.rows)


def test_a_withdrawn_recording_is_listed_no_more(home: Home) -> None:
    row = next(row for row in plain_rows(videos_ledger(home).latest()) if row["role"] == "trainee")
    row = {name: value for name, value in row.items() if name in videos_ledger(home).columns}
    videos_ledger(home).append([{**row, "status": "withdrawn"}], run_id="out", written_at=AT)
    assert row["key"] not in {one.key for one in listed(home)}


def test_a_worker_sees_only_their_own_whatever_they_ask_for(home: Home) -> None:
    rows = listed(home)
    person = next(str(row.person) for row in rows if row.role == "trainee")
    own = Eyes(own_only=True, person=person)
    expected = {row.key for row in rows if row.person == person}
    assert {row.key for row in listed(home, eyes=own)} == expected
    other = next(str(row.person) for row in rows if row.person != person)
    assert listed(home, ListFilter(person=other), own) == listed(home, ListFilter(text=other), own) == []
    assert list_choices(home, own).persons == (person,)
    nobody = Eyes(own_only=True, person=None)
    assert listed(home, eyes=nobody) == []
    assert list_choices(home, nobody).tasks == ()


def test_a_rater_sees_no_result_name_or_person_of_what_they_have_yet_to_label(home: Home) -> None:
    rater = Eyes(rater="bob")
    full = {row.key: row for row in listed(home) if row.role == "trainee"}
    seen = {row.key: row for row in listed(home, eyes=rater) if row.role == "trainee"}
    for key, row in seen.items():
        assert row.hidden
        assert row.name == key[-12:]
        assert (row.verdict, row.score, row.person, row.deviations) == (None, None, None, ())
    for decision in (*Decision, NOT_JUDGED):
        found = listed(home, ListFilter(decision=decision), rater)
        assert not [row for row in found if row.role == "trainee"]
    one = next(iter(full.values()))
    assert listed(home, ListFilter(text=one.name), rater) == []
    assert listed(home, ListFilter(person=one.person), rater) == [] or one.person is None
    say(home, one.key, "ann", Source.BLIND_HUMAN)
    assert {row.key: row for row in listed(home, eyes=rater)}[one.key].hidden
    say(home, one.key, "bob", Source.BLIND_HUMAN)
    assert {row.key: row for row in listed(home, eyes=rater)}[one.key] == replace(one, hidden=False)


def test_order_tells_a_rater_nothing_of_hidden_results(home: Home) -> None:
    rater = Eyes(rater="bob")
    hidden = [row.at for row in listed(home, ListFilter(order=ListOrder.URGENT), rater) if row.hidden]
    assert hidden == sorted(hidden, reverse=True)
    hidden = [row.at for row in listed(home, ListFilter(order=ListOrder.LOWEST), rater) if row.hidden]
    assert hidden == sorted(hidden, reverse=True)


def test_what_there_is_to_choose_follows_the_ledger(home: Home) -> None:
    before = list_choices(home, ALL)
    assert before.tasks == ("filter_change",)
    assert before.sites == ("site_a",)
    row = plain_rows(videos_ledger(home).latest())[0]
    row = {name: value for name, value in row.items() if name in videos_ledger(home).columns}
    videos_ledger(home).append([{**row, "site": "site_z"}], run_id="moved", written_at=AT)
    assert list_choices(home, ALL).sites == ("site_a", "site_z")
