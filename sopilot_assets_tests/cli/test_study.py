"""`sopilot study`: from a new file to a registered study."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.studies.looks import record_look
from sopilot_assets.studies.registration import freeze
from sopilot_assets_tests.cli.running import rows, sopilot

NEW = ("study", "create", "spring", "--task", "tea", "--title", "Spring [draft]")


def _with_task(home: Home) -> None:
    sopilot(home, "task", "create", "tea", "--name", "Tea")
    sopilot(home, *NEW)


def test_a_study_goes_from_new_to_frozen(home: Home) -> None:
    _with_task(home)
    shown = sopilot(home, "study", "show", "spring").stdout
    assert "Spring [draft]; not registered" in shown
    assert "294 points" in shown
    assert "by sato" in sopilot(home, "study", "register", "spring", "--by", "sato").stdout
    assert rows(home, "study", "list")[0]["state"] == "registered"
    freeze(home, "spring", "ab" * 32)
    assert json.loads(sopilot(home, "study", "show", "spring", "--json").stdout)["state"] == "frozen"


def test_a_changed_study_is_named_and_after_a_result_refused(home: Home) -> None:
    _with_task(home)
    sopilot(home, "study", "register", "spring", "--by", "sato")
    path = local_path(home.studies) / "spring.yaml"
    path.write_text(path.read_text("utf-8").replace("confidence: 0.9", "confidence: 0.8"), "utf-8")
    assert "confidence changed 0.9 -> 0.8" in sopilot(home, "study", "show", "spring").stdout
    again = sopilot(home, "study", "register", "spring", "--by", "mori").stdout
    assert "registered before: 1 time" in again
    freeze(home, "spring", "ab" * 32)
    path.write_text(path.read_text("utf-8").replace("confidence: 0.8", "confidence: 0.7"), "utf-8")
    assert "frozen" in sopilot(home, "study", "register", "spring", exit_code=1).stderr


def test_an_override_that_is_not_allowed_is_refused_before_anything_runs(home: Home) -> None:
    _with_task(home)
    path = local_path(home.studies) / "spring.yaml"
    override = "gate_overrides: [{check: fewer_errors, threshold: 1, reason: a try}]"
    path.write_text(path.read_text("utf-8").replace("gate_overrides: []", override), "utf-8")
    for command in ("show", "register"):
        refused = sopilot(home, "study", command, "spring", exit_code=1).stderr
        assert "expected a check of critical_miss_rate, " in refused
        assert "found 'fewer_errors'" in refused


def test_a_task_that_is_missing_or_not_locked_is_said_early(home: Home) -> None:
    _with_task(home)
    assert "sopilot task lock tea" in sopilot(home, "study", "show", "spring").stderr
    sopilot(home, "task", "lock", "tea")
    assert sopilot(home, "study", "show", "spring").stderr == ""
    (local_path(home.tasks) / "tea.yaml").unlink()
    assert "no such task file" in sopilot(home, "study", "show", "spring").stderr


def test_an_id_that_cannot_be_used_is_refused_by_itself(home: Home) -> None:
    _with_task(home)
    refused = sopilot(
        home, "study", "create", "Spring 2", "--task", "tea", "--title", "x", exit_code=1
    ).stderr
    assert "study id: expected a-z" in refused


def test_a_file_that_cannot_be_used_is_listed_with_its_reason(home: Home) -> None:
    _with_task(home)
    path = local_path(home.studies) / "spring.yaml"
    path.write_text("study_id: spring\n", "utf-8")
    listed = rows(home, "study", "list")[0]
    assert listed["state"] == "not usable"
    assert "title: expected a value" in str(listed["title"])


def test_looks_are_listed_and_counted_by_what_was_looked_at(home: Home) -> None:
    _with_task(home)
    assert "Nobody has looked yet" in sopilot(home, "study", "show", "--looks", "spring").stdout
    for inputs, minute in (("a", 1), ("a", 2), ("b", 3)):
        record_look(
            home,
            study_id="spring",
            split="test",
            station="split_evaluations",
            inputs_sha256=inputs,
            looked_at=datetime(2026, 3, 2, 12, minute, tzinfo=UTC),
            by="sato",
            run_id=f"r{minute}",
        )
    assert "test 2, challenge 0" in sopilot(home, "study", "show", "--looks", "spring").stdout
    assert len(rows(home, "study", "show", "--looks", "spring")) == 3
