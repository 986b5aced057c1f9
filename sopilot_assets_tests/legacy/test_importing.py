"""An installation in the ledgers: all of it, marked as imported, and only once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from sopilot_assets.errors import StoreError
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.labels.events import Source
from sopilot_assets.legacy.database import installed_cases, read_installation
from sopilot_assets.legacy.importing import Imported, import_installation, imported_cases
from sopilot_assets.legacy.labels import read_labels
from sopilot_assets.legacy.ledgers import jobs_ledger, profiles_ledger, reviews_ledger, videos_ledger
from sopilot_assets.store.home import Home
from sopilot_assets_tests.cli.running import sopilot
from sopilot_assets_tests.legacy.conftest import Old
from sopilot_assets_tests.legacy.installations import TASK, TIME, Made, Recipe, make_installation


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return make_installation(tmp_path / "old", Recipe(seed=21, jobs=30))


def enter(home: Home, made: Made, day: int = 1) -> Imported:
    return import_installation(
        home,
        read_installation(made.db),
        read_labels(made.labels),
        run_id=f"run-{day}",
        written_at=f"2026-03-{day:02}T08:00:00+00:00",
    )


def test_everything_enters_marked_as_imported(home: Home, made: Made) -> None:
    imported = enter(home, made)
    assert imported.added == imported.held
    installation = read_installation(made.db)
    for ledger, rows in (
        (videos_ledger(home), installation.videos),
        (jobs_ledger(home), installation.jobs),
        (reviews_ledger(home), installation.reviews),
        (profiles_ledger(home), installation.profiles),
    ):
        stored = ledger.latest()
        assert len(stored) == len(rows) > 0, ledger.name
        assert set(stored["origin"]) == {"imported"}
    payloads = {row["id"]: row["score_json"] for row in installation.jobs}
    stored = jobs_ledger(home).latest()
    assert {
        job_id: text if isinstance(text, str) else None
        for job_id, text in zip(stored["id"], stored["score_json"], strict=True)
    } == payloads
    assert not home.tasks.exists(), "a profile of the old system is no task file"


def test_the_imported_cases_are_those_of_the_database(home: Home, made: Made) -> None:
    enter(home, made)
    read = installed_cases(read_installation(made.db))
    assert set(read["task_id"]) == {TASK, "other_task"}
    for task_id, of_task in read.groupby("task_id"):
        found = imported_cases(home, str(task_id))
        pd.testing.assert_frame_equal(found, of_task.reset_index(drop=True))


def test_each_old_task_keeps_its_own_jobs_and_labels_whatever_it_is_called(home: Home, made: Made) -> None:
    with sqlite3.connect(made.db) as connection:
        connection.execute("update videos set task_id = 'フィルター交換' where id = 1")  # a gold
        connection.execute("update videos set task_id = 'Filter-Change' where id = 2")
    connection.close()
    made.labels.write_bytes(b"\xef\xbb\xbf" + made.labels.read_bytes())  # as Notepad saves it
    imported = enter(home, made)
    installation = read_installation(made.db)
    jobs_of = installed_cases(installation).groupby("task_id").size().to_dict()
    named = {warning.split("'")[1]: warning.split()[-2] for warning in imported.warnings[:2]}
    assert set(named) == {"フィルター交換", TASK}, "Filter-Change comes first and keeps the plain name"
    for old, new in (*named.items(), ("Filter-Change", TASK)):
        assert len(imported_cases(home, new)) == jobs_of[old] > 0
    in_database = set(installed_cases(installation)["case_id"])
    for new in (*named.values(), TASK):
        labeled = {event.key for event in read_chain(home, new)}
        assert labeled & in_database <= set(imported_cases(home, new)["case_id"])
    assert not any("belong to no task" in warning for warning in imported.warnings)


def test_labels_become_events(home: Home, made: Made) -> None:
    imported = enter(home, made)
    labels = read_labels(made.labels)
    events = read_chain(home, TASK) + read_chain(home, "other_task")
    assert {event.source for event in events} == {Source.IMPORTED}
    assert {event.key: event.critical_expected for event in events} == {
        f"job-{job_id}": labels.expected.get(job_id) for job_id in labels.job_ids
    }
    assert any("jobs that the database lacks" in warning for warning in imported.warnings)


def test_a_second_import_adds_nothing(home: Home, made: Made) -> None:
    enter(home, made)
    assert set(enter(home, made, day=2).added.values()) == {0}


def test_what_the_old_system_did_since_is_added(home: Home, made: Made) -> None:
    before = enter(home, made)
    with sqlite3.connect(made.db) as connection:
        connection.execute("update score_jobs set status = 'failed' where id = 3")
        connection.execute(
            "insert into score_jobs (gold_video_id, trainee_video_id, status, score_json, created_at, "
            "updated_at) values (1, 5, 'completed', '{\"score\": 50}', ?, ?)",
            (TIME, TIME),
        )
    connection.close()
    after = enter(home, made, day=2)
    assert after.added["legacy_jobs"] == 2
    assert after.held["legacy_jobs"] == before.held["legacy_jobs"] + 1
    assert len(jobs_ledger(home).latest()) == after.held["legacy_jobs"]


def test_another_installation_is_refused(home: Home, made: Made, tmp_path: Path) -> None:
    enter(home, made)
    other = make_installation(tmp_path / "other", Recipe(seed=22, jobs=30))
    with pytest.raises(StoreError, match="one home takes one installation"):
        enter(home, other, day=2)
    assert len(jobs_ledger(home).latest()) == len(read_installation(made.db).jobs)


def test_the_commands(home: Home, old: Old) -> None:
    printed = sopilot(home, "legacy", "import", "--db", old.db, "--labels", old.labels).stdout
    assert "filter_change" in printed
    assert "600" in printed
    compared = sopilot(
        home, "legacy", "compare", "--db", old.db, "--labels", old.labels, "--expected", old.expected
    ).stdout
    assert "42 files compared, 42 equal" in compared
    beside = sopilot(home, "legacy", "compare", "--db", old.db, "--labels", old.labels).stdout
    assert "group_person keeps persons together" in beside


def test_a_difference_ends_the_command_with_1(home: Home, old: Old, tmp_path: Path) -> None:
    text = (old.expected / "shadow.json").read_text("utf-8")
    (tmp_path / "shadow.json").write_text(text.replace('"both_detected":40', '"both_detected":41'), "utf-8")
    (tmp_path / "policy.json").write_text((old.expected / "policy.json").read_text("utf-8"), "utf-8")
    printed = sopilot(
        home,
        *("legacy", "compare", "--db", old.db, "--labels", old.labels, "--expected", tmp_path),
        exit_code=1,
    ).stdout
    assert "shadow_diff.both_detected: expected 41, found 40" in printed
    assert "2 files compared, 1 equal" in printed
