"""What doctor finds, with its next action, and that looking changes nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sopilot_assets.capture.drain import drain_capture
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import lock_task, new_task
from sopilot_assets.upkeep.conditions.packages import Differing, differing_packages
from sopilot_assets.upkeep.doctor import doctor_row, examine_home
from sopilot_assets.upkeep.setting_up import prepare_home

NOW_S = time.time()
NOW = datetime.fromtimestamp(NOW_S, UTC)

Row = dict[str, Cell]


@pytest.fixture
def ready(home: Home) -> Home:
    """A home with one locked task."""
    prepare_home(home)
    lock_task(new_task(home.root, "tea", name="Tea"), locked_at=datetime.now(UTC))
    return home


def drop(home: Home, write: Callable[..., Path], *, role: str, age_s: float = 0.0) -> Path:
    path = local_path(home.capture) / "tea" / role / "line1" / "take.mp4"
    path.parent.mkdir(parents=True)
    write(path, seconds=6.0, size=(320, 240))
    os.utime(path, (NOW_S - age_s, NOW_S - age_s))
    return path


def take_in(home: Home) -> None:
    drain_capture(home, run_id="test", now=lambda: datetime.now(UTC), wait=lambda _: None)


def looked(home: Home, **environment: str) -> list[Row]:
    return [doctor_row(told) for told in examine_home(home, now=NOW, environment=environment)]


def found(home: Home, check: str, subject: str = "", **environment: str) -> list[Row]:
    before = {path: path.stat().st_mtime_ns for path in local_path(home.root).rglob("*") if path.is_file()}
    rows = looked(home, **environment)
    after = {path: path.stat().st_mtime_ns for path in local_path(home.root).rglob("*") if path.is_file()}
    assert after == before
    return [row for row in rows if row["check"] == check and subject in ("", row["subject"])]


def only(home: Home, check: str, subject: str = "", **environment: str) -> Row:
    (row,) = found(home, check, subject, **environment)
    assert row["state"] == "ok" or row["action"]
    return row


def test_a_new_home_has_no_problem(ready: Home) -> None:
    assert [row for row in looked(ready) if row["state"] == "problem"] == []


def test_an_unlocked_task_is_a_warning_and_a_changed_one_a_problem(ready: Home) -> None:
    new_task(ready.root, "coffee", name="Coffee")
    assert only(ready, "task", "coffee")["state"] == "warning"
    path = local_path(ready.tasks) / "tea.yaml"
    path.write_text(path.read_text("utf-8").replace("retrain_score: 80", "retrain_score: 70"), "utf-8")
    finding = only(ready, "task", "tea")
    assert finding["state"] == "problem"
    assert "retrain_score" in str(finding["what"])


def test_files_that_nobody_takes_in_are_a_warning(ready: Home, tiny_video: Callable[..., Path]) -> None:
    drop(ready, tiny_video, role="trainee", age_s=3600)
    finding = only(ready, "capture folder", "waiting")
    assert (finding["state"], "1 of 1 files" in str(finding["what"])) == ("warning", True)


def test_a_recording_without_score_and_a_lone_gold_are_warnings(
    ready: Home, tiny_video: Callable[..., Path]
) -> None:
    drop(ready, tiny_video, role="gold")
    take_in(ready)
    assert str(only(ready, "golds")["what"]).startswith("tea: 1 golds by unknown persons")
    assert only(ready, "steps")["what"] == "tea: steps of 0 of 1 golds are annotated; guessed in take.mp4"
    assert only(ready, "unscored")["action"] == "sopilot score run --task tea"


def test_a_stored_video_that_is_gone_is_a_problem(ready: Home, tiny_video: Callable[..., Path]) -> None:
    drop(ready, tiny_video, role="trainee")
    take_in(ready)
    assert only(ready, "videos")["state"] == "ok"
    for path in local_path(ready.videos).glob("*.mp4"):
        path.unlink()
    assert only(ready, "videos")["state"] == "problem"


def test_refused_files_are_counted_by_reason(ready: Home) -> None:
    path = local_path(ready.capture) / "nonsense" / "take.mp4"
    path.parent.mkdir(parents=True)
    path.write_text("x", "utf-8")
    take_in(ready)
    assert only(ready, "quarantine")["what"] == "100% of the last 1 files were refused: 1 unknown_task"


def test_steps_that_cannot_be_read_are_a_problem(ready: Home, tiny_video: Callable[..., Path]) -> None:
    drop(ready, tiny_video, role="gold")
    take_in(ready)
    local_path(ready.steps_csv("tea")).write_text("video,step,start_s,end_s\ntake.mp4,dance,0,1\n", "utf-8")
    finding = only(ready, "steps.csv")
    assert finding["state"] == "problem"
    assert "gold/steps.csv, line 2, column step: expected one of the task's steps" in str(finding["what"])
    assert "found 'dance'" in str(finding["what"])


def test_temporary_files_count_once_they_are_old(ready: Home) -> None:
    path = local_path(ready.ledgers) / ".publishing-left"
    path.write_text("", "utf-8")
    assert only(ready, "leftovers")["state"] == "ok"
    os.utime(path, (NOW_S - 7200, NOW_S - 7200))
    assert only(ready, "leftovers")["state"] == "warning"


def test_dagsters_settings_have_to_be_there_and_to_be_yaml(ready: Home) -> None:
    settings = local_path(ready.root) / "dagster" / "dagster.yaml"
    assert only(ready, "Dagster", DAGSTER_HOME=str(settings.parent))["state"] == "ok"
    assert only(ready, "Dagster", DAGSTER_HOME="/elsewhere")["state"] == "warning"
    shipped = settings.read_text("utf-8")
    settings.write_text(shipped.replace("start_timeout_seconds: 3600", "start_timeout_seconds: 300"), "utf-8")
    (finding,) = found(ready, "Dagster")
    assert "more than 300 s to start" in str(finding["what"])
    assert "start_timeout_seconds: 3600" in str(finding["action"])
    settings.write_text("telemetry: [", "utf-8")
    assert only(ready, "Dagster")["state"] == "problem"
    settings.unlink()
    assert only(ready, "Dagster")["action"] == "sopilot home init"


def test_a_damaged_model_is_a_problem(ready: Home) -> None:
    folder = local_path(ready.models) / "lite0_flow" / "0123456789"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{", "utf-8")
    finding = only(ready, "model", "lite0_box")
    assert (finding["state"], str(finding["what"]).startswith("damaged")) == ("problem", True)


def test_other_versions_than_pinned_are_named(tmp_path: Path) -> None:
    pins = tmp_path / "constraints.txt"
    pins.write_text("# pins\nnumpy==0.1\nnot-installed==1.0\n", "utf-8")
    (differing,) = differing_packages(pins)
    assert isinstance(differing, Differing)
    assert (differing.name, differing.pinned) == ("numpy", "0.1")
