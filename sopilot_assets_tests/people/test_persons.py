"""The list of people: who is in it, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.people import persons
from sopilot_assets.people.persons import list_persons, tasks_with_people
from sopilot_assets.store.home import Home
from sopilot_assets_tests.people.made_up import record


def test_each_person_is_listed_once_a_task_by_code_with_what_is_decided(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    record(home, "p2", ["pass", "fail", "retrain", "needs_review", "not_verifiable", None])
    record(home, "p1", ["fail"], task="valve")
    record(home, "p1", ["pass"])
    found = list_persons(home)
    assert [(row.person, row.task_id, row.recordings, row.decided) for row in found.rows] == [
        ("p1", "gasket", 1, 1),
        ("p1", "valve", 1, 1),
        ("p2", "gasket", 6, 3),
    ]
    assert found.rows[2].last_at == "2026-01-10T08:00:00+09:00"
    assert tasks_with_people(home) == ("gasket", "valve")


def test_what_has_no_person_is_nobodys_and_golds_are_not_counted(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    record(home, None, ["pass", "fail"])
    record(home, "g1", ["pass"], role="gold")
    found = list_persons(home)
    assert (found.rows, found.nobodys) == ((), 2)


def test_people_are_found_by_a_part_of_their_code_and_by_task(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    record(home, "Anna", ["pass"])
    record(home, "ben", ["pass"], task="valve")
    assert [row.person for row in list_persons(home, text=" ANN ").rows] == ["Anna"]
    assert [row.person for row in list_persons(home, task="valve").rows] == ["ben"]
    assert list_persons(home, text="' or 1 = 1 --").rows == ()
    assert list_persons(home, text="%").rows == ()


def test_the_newest_recording_is_found_whatever_the_zone_of_its_time(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    # 5 January 08:00 +09:00, 1 February 08:30 +09:00, and taken in half an hour later, 1 February 00:00 UTC
    record(home, "p1", ["pass", "pass", "pass"], days=27 + 0.5 / 24, unknown=[2])
    assert list_persons(home).rows[0].last_at == "2026-02-01T00:00:00+00:00"


def test_the_list_has_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persons, "PER_PAGE", 2)
    home = Home.at(tmp_path)
    for person in ("p1", "p2", "p3"):
        record(home, person, ["pass"])
    assert [row.person for row in list_persons(home).rows] == ["p1", "p2"]
    last = list_persons(home, page=99)
    assert (last.page, last.pages, last.total) == (2, 2, 3)
    assert [row.person for row in last.rows] == ["p3"]
