"""Reading the old system's database and labels: nothing is written, odd content is taken as it was."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sopilot_assets.errors import LabelError, StoreError
from sopilot_assets.legacy.database import as_old, installed_cases, listed_critical, read_installation
from sopilot_assets.legacy.labels import read_labels
from sopilot_assets_tests.legacy.conftest import Old
from sopilot_assets_tests.legacy.installations import SCHEMA, TASK, TIME, Recipe, make_installation


def job(
    connection: sqlite3.Connection, content: Any, status: str = "completed", error: str | None = None
) -> int:
    text = content if isinstance(content, str) or content is None else json.dumps(content)
    cursor = connection.execute(
        "insert into score_jobs (gold_video_id, trainee_video_id, status, score_json, error, created_at, "
        "updated_at) values (1, 2, ?, ?, ?, ?, ?)",
        (status, text, error, TIME, TIME),
    )
    return int(cursor.lastrowid or 0)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A database with a gold (1) and a trainee (2) and no jobs."""
    path = tmp_path / "sopilot.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHEMA)
        connection.execute(
            "insert into videos (task_id, site_id, operator_id_hash, is_gold, created_at, updated_at, "
            "original_filename) values (?, 'north', 'p1', 1, ?, ?, 'g.mp4'), "
            "(?, null, 'p2', 0, ?, ?, 't.mp4')",
            (TASK, TIME, TIME, TASK, TIME, TIME),
        )
    connection.close()
    return path


def test_the_case_table_of_the_archive(old: Old) -> None:
    installation, labels = old.read()
    cases = installed_cases(installation, labels)
    assert len(cases) == 686
    assert cases["order"].tolist() == list(range(1, 687))
    assert (cases["expected"].sum(), cases["expected"].notna().sum()) == (211, 590)
    assert set(cases["site"]) == {"site-a", "site-b", "site-c"}
    assert set(cases["origin"]) == {"imported"}
    assert listed_critical(installation)[cases["case_id"][0]] == 0


def test_nothing_beside_the_database_is_touched(old: Old) -> None:
    before = hashlib.sha256(old.db.read_bytes()).hexdigest()
    read_installation(old.db)
    assert sorted(path.name for path in old.db.parent.iterdir()) == ["expected", "labels.json", "sopilot.db"]
    assert hashlib.sha256(old.db.read_bytes()).hexdigest() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_enough(db: Path) -> None:
    with sqlite3.connect(db) as connection:
        connection.execute("pragma journal_mode = wal")
    connection.close()
    db.parent.chmod(0o555)
    try:
        assert len(read_installation(db).videos) == 2
    finally:
        db.parent.chmod(0o755)


def test_changes_that_a_running_system_has_not_merged_are_read(db: Path) -> None:
    with sqlite3.connect(db) as connection:
        connection.execute("pragma journal_mode = wal")
        job(connection, {"score": 90.0})
        connection.commit()
        assert db.with_name("sopilot.db-wal").stat().st_size
        assert len(read_installation(db).jobs) == 1
    connection.close()


def test_jobs_without_a_score_have_a_problem(db: Path) -> None:
    with sqlite3.connect(db) as connection:
        job(connection, None, "failed", "no clips")
        job(connection, None, "queued")
        job(connection, "{cut", "completed")
        job(connection, None, "completed")
        job(connection, {"score": 80.0}, "completed")
    connection.close()
    cases = installed_cases(read_installation(db))
    assert cases["problem"].tolist() == [
        "the old system's job is failed: no clips",
        "the old system's job is queued",
        "the score of the old system cannot be read",
        "the score of the old system cannot be read",
        "",
    ]
    assert as_old(cases)["order"].tolist() == [5]
    assert as_old(cases, "other_task").empty


def test_numbers_are_taken_as_the_old_scripts_took_them(db: Path) -> None:
    odd = {
        "metrics": {
            "miss_steps": "2",
            "swap_steps": "2.5",
            "deviation_steps": 2.9,
            "over_time_ratio": -1,
            "dtw_normalized_cost": None,
        },
        "summary": {"severity_counts": {"critical": -3, "quality": "1", "efficiency": None}},
        "deviations": [
            {
                "type": "Missing_Step ",
                "severity": " Critical",
                "mean_distance": "far",
                "expected_span_len": 3,
            },
            {"type": "missing_step", "severity": "critical", "mean_distance": 0.2},
            {"severity": "quality"},
        ],
    }
    with sqlite3.connect(db) as connection:
        job(connection, odd)
    connection.close()
    case = installed_cases(read_installation(db)).iloc[0]
    assert (case["miss_steps"], case["swap_steps"], case["deviation_steps"]) == (2, 0, 2)
    assert (case["critical"], case["quality"], case["efficiency"]) == (0, 1, 0)
    assert case["any_critical"]
    assert case["over_time_ratio"] == 0
    assert math.isnan(case["dtw_normalized_cost"])
    assert math.isnan(case["score"])
    assert (case["critical_missing"], case["missing_distance"], case["missing_span"]) == (2, 0.1, 1.5)
    assert case["deviation_types"] == "missing_step,unknown"


@pytest.mark.parametrize("summary", [None, {}, {"severity_counts": {"critical": 0}}, {"severity_counts": []}])
def test_without_counts_in_the_summary_the_deviations_are_counted(db: Path, summary: Any) -> None:
    deviations = [{"severity": "CRITICAL"}, {"type": "order_swap"}, {"severity": "notice"}]
    with sqlite3.connect(db) as connection:
        job(connection, {"score": 1, "summary": summary, "deviations": deviations})
    connection.close()
    case = installed_cases(read_installation(db)).iloc[0]
    assert (case["critical"], case["quality"], case["efficiency"]) == (1, 1, 0)
    assert not case["any_critical"], "the old detectors compare this one word exactly"


def test_an_early_database_without_file_names_is_read(db: Path) -> None:
    with sqlite3.connect(db) as connection:
        connection.execute("alter table videos drop column original_filename")
        connection.execute("drop table task_profiles")
        connection.execute("drop table score_reviews")
        job(connection, {"score": 1})
    connection.close()
    assert installed_cases(read_installation(db))["original_name"].tolist() == [""]


def test_what_is_no_old_database_is_named(tmp_path: Path, db: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        read_installation(tmp_path / "none.db")
    text = tmp_path / "text.db"
    text.write_text("not a database at all, but long enough to be looked at " * 20, "utf-8")
    with pytest.raises(StoreError, match="could not be read as the old system's SQLite database"):
        read_installation(text)
    empty = tmp_path / "empty.db"
    empty.write_bytes(b"")
    with pytest.raises(StoreError, match="no table videos"):
        read_installation(empty)
    with sqlite3.connect(db) as connection:
        connection.execute("alter table score_jobs rename column status to state")
    connection.close()
    with pytest.raises(StoreError, match=r"no columns \['status'\] in the table score_jobs"):
        read_installation(db)


def test_labels_are_taken_as_the_old_scripts_took_them(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    rows = [
        {"job_id": 1, "critical_expected": True},
        {"job_id": "2", "critical_expected": False},
        {"job_id": 1, "critical_expected": None},
        {"job_id": 3, "critical_expected": None},
        {"job_id": 4, "critical_expected": 0},
        {"job_id": None, "critical_expected": True},
        {"job_id": "five", "critical_expected": True},
        {"critical_expected": True},
        7,
    ]
    path.write_text(json.dumps({"jobs": rows}), "utf-8")
    labels = read_labels(path)
    assert labels.task_id is None
    assert labels.job_ids == {1, 2, 3, 4}
    assert labels.expected == {1: True, 2: False, 4: False}


@pytest.mark.parametrize("content", ["", "[]", '{"jobs": {}}', '{"labels": []}', "\x00"])
def test_what_is_no_label_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content, "utf-8")
    with pytest.raises(LabelError, match=r"labels\.json: expected"):
        read_labels(path)
    with pytest.raises(LabelError, match="cannot be read"):
        read_labels(tmp_path / "none.json")


def test_other_installations_are_read(tmp_path: Path) -> None:
    made = make_installation(tmp_path, Recipe(seed=1, jobs=30))
    installation = read_installation(made.db)
    assert [dict(row)["verdict"] for row in installation.reviews] == ["confirmed"]
    assert len(installed_cases(installation, read_labels(made.labels))) == len(installation.jobs)
