"""`sopilot task`: from a new file to a locked version."""

from __future__ import annotations

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.cli.running import rows, sopilot

TEA = ("task", "create", "tea", "--name", "Tea", "--step", "boil=Boil water", "--step", "pour=Pour it")


def test_a_task_goes_from_new_to_locked(home: Home) -> None:
    assert "tea.yaml" in sopilot(home, *TEA).stdout
    shown = sopilot(home, "task", "show", "tea").stdout
    assert "Boil water" in shown
    assert "pass from 90, retrain below 80" in shown
    assert rows(home, "task", "list")[0]["lock"] == "unlocked"
    sopilot(home, "task", "lock", "tea", "--pass-score", "90", "--retrain-score", "80")
    assert rows(home, "task", "list")[0]["lock"] == "ok"
    assert "locked versions: v1" in sopilot(home, "task", "lock", "--check", "tea").stdout


def test_a_changed_locked_task_is_named_and_refused(home: Home) -> None:
    sopilot(home, *TEA)
    sopilot(home, "task", "lock", "tea")
    path = local_path(home.tasks) / "tea.yaml"
    path.write_text(path.read_text("utf-8").replace("pass_score: 90", "pass_score: 95"), "utf-8")
    verified = sopilot(home, "task", "lock", "--check", "tea", exit_code=1)
    assert "pass_score" in verified.stdout
    assert "is locked" in sopilot(home, "task", "show", "tea", exit_code=1).stderr


def test_a_lock_that_asks_for_another_score_writes_nothing(home: Home) -> None:
    sopilot(home, *TEA)
    refused = sopilot(home, "task", "lock", "tea", "--pass-score", "95", exit_code=1)
    assert "expected 95 as asked, found 90" in refused.stderr
    assert [path.name for path in local_path(home.tasks).iterdir()] == ["tea.yaml"]


def test_a_task_file_that_is_not_valid_is_listed_with_its_fault(home: Home) -> None:
    local_path(home.tasks).mkdir(parents=True, exist_ok=True)
    (local_path(home.tasks) / "bad.yaml").write_text("task_id: bad\nname: Bad\n", "utf-8")
    listed = rows(home, "task", "list")
    assert listed[0]["lock"] == "not usable"
    assert "version" in str(listed[0]["name"])


@pytest.mark.parametrize("step", ["Boil water", "BOIL=Boil water", "boil="])
def test_a_step_that_is_not_id_and_name_is_refused_before_anything_is_written(home: Home, step: str) -> None:
    refused = sopilot(home, "task", "create", "tea", "--name", "Tea", "--step", step, exit_code=1)
    assert "expected ID=NAME" in refused.stderr
    assert list(local_path(home.tasks).iterdir()) == []


def test_a_missing_task_is_an_error_without_a_traceback(home: Home) -> None:
    refused = sopilot(home, "task", "show", "tea", exit_code=1)
    assert "there is no such task file" in refused.stderr
    assert "Traceback" not in refused.output
