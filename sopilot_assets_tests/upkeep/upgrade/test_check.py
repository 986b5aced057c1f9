"""What an upgrade would change, need and leave to do is said, and nothing is written to say it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.store.home_format import FORMAT_FILE, HOME_FORMAT, HomeFormat
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.conditions.condition import Condition
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets.upkeep.upgrade.check import UpgradeCheck, check_upgrade
from sopilot_assets.upkeep.upgrade.instance_settings import FILE, INSTANCE_SETTINGS
from sopilot_assets_tests.cli.running import sopilot
from sopilot_assets_tests.upkeep.upgrade.test_run import working_in
from sopilot_assets_tests.upkeep.upgrade.tree import content

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)


def check(home: Home, *, faults: tuple[str, ...] = ()) -> UpgradeCheck:
    asked = Situation(home, NOW, {})
    return check_upgrade(asked, (INSTANCE_SETTINGS,), settings_faults=lambda _: faults)


def told(found: UpgradeCheck, kind: str) -> str:
    return "; ".join(one.what for one in found.told if one.kind == kind)


def states(found: UpgradeCheck) -> dict[str, str]:
    return {one.kind: one.severity.value if isinstance(one, Condition) else "ok" for one in found.told}


def test_an_older_home_says_what_is_due_and_nothing_is_written(old: Home) -> None:
    before = content(local_path(old.root))
    found = check(old)
    assert content(local_path(old.root)) == before
    assert (found.plan.is_needed, found.is_blocked) == (True, False)
    assert f"1, of sopilot 0.1.0; {found.as_json()['program']} makes {HOME_FORMAT}" in told(found, "format")
    assert f"{FILE} becomes the file that this version ships" in told(found, "migration")
    assert (found.scored, found.stale) == (5, {"algorithm": 5})
    assert "5 of 5 are stale under this version (5 algorithm); they stay readable" in told(found, "scores")
    assert found.rescoring_s is not None
    assert found.room.upgrade == 3 * (local_path(old.root) / FILE).stat().st_size + (64 << 20)
    alignments = [path.stat().st_size for path in local_path(old.root).glob("alignments/*/*")]
    assert found.room.rescoring == sum(alignments) // 5 * 5


def test_a_model_that_was_never_made_is_not_made_to_know_it(old: Home) -> None:
    task = local_path(old.tasks) / "filter_change.yaml"
    task.write_text(task.read_text("utf-8").replace("color_motion", "lite0_flow"), encoding="utf-8")
    before = content(local_path(old.root))
    found = check(old)
    assert content(local_path(old.root)) == before
    assert "is made at its first use" in told(found, "model")


def test_what_this_version_refuses_stands_in_the_way(old: Home) -> None:
    root = local_path(old.root)
    (root / "settings.yaml").write_text("uploads: {biggest_gib: 3}\n", encoding="utf-8")
    task = root / "tasks" / "filter_change.yaml"
    task.write_text(task.read_text("utf-8") + "\ncolour: red\n", encoding="utf-8")
    found = check(old, faults=('Received unexpected config entry "rum_queue"',))
    assert found.is_blocked
    assert {kind for kind, state in states(found).items() if state == "problem"} == {
        "settings",
        "task",
        "Dagster",
    }
    assert "uploads.biggest_gib" in told(found, "settings")
    assert "colour" in told(found, "task")
    assert 'dagster.yaml: Received unexpected config entry "rum_queue"' in told(found, "Dagster")


def test_edited_settings_are_compared_with_the_shipped_ones(old: Home) -> None:
    path = local_path(old.root) / FILE
    path.write_text(path.read_text("utf-8").replace("runs: 2", "runs: 5"), encoding="utf-8")
    found = check(old)
    assert "defs.launcher becomes defs.dagster_internals.launcher" in told(found, "migration")
    assert "concurrency.runs.max_concurrent_runs is 5; the shipped file has 2" in told(found, "Dagster")
    assert "run_launcher.module" not in told(found, "Dagster")


def test_who_works_in_the_home_is_named(old: Home) -> None:
    with working_in(local_path(old.root) / FILE) as process:
        assert f"({process.pid})" in told(check(old), "at work")
        process.kill()
    assert told(check(old), "at work") == "nobody works in the home"


def test_runs_that_have_not_ended_are_named(old: Home) -> None:
    import sqlite3

    with sqlite3.connect(local_path(old.root) / "dagster" / "history" / "runs.db") as database:
        database.execute("update runs set status = 'QUEUED', end_time = null where status = 'SUCCESS'")
    assert "1 runs have not ended: score_new_recordings (queued)" in told(check(old), "at work")


def test_where_the_backup_goes_is_said(old: Home, tmp_path: Path) -> None:
    assert "names no place" in told(check(old), "backup")
    settings = f"backup: {{destination: {tmp_path / 'backups'}}}\n"
    (local_path(old.root) / "settings.yaml").write_text(settings, encoding="utf-8")
    assert f"makes one in {tmp_path / 'backups'} first; none was ever made" in told(check(old), "backup")


@pytest.mark.parametrize(
    ("said", "state", "blocked", "what"),
    [
        (HomeFormat(HOME_FORMAT + 1, "sopilot 9.9.9"), "problem", True, "says 3, made by sopilot 9.9.9"),
        (HomeFormat(1, "sopilot 0.2.0", "x", HOME_FORMAT), "warning", False, "on its way from 1 to 2"),
        (HomeFormat(HOME_FORMAT), "ok", False, "2, as"),
    ],
)
def test_every_form_of_a_home_is_looked_at(
    old: Home, said: HomeFormat, state: str, blocked: bool, what: str
) -> None:
    (local_path(old.root) / FORMAT_FILE).write_bytes(said.as_json())
    found = check(old)
    assert (states(found)["format"], found.is_blocked) == (state, blocked)
    assert what in told(found, "format")


def test_the_command_says_by_its_exit_code_what_comes_next(old: Home) -> None:
    printed = json.loads(sopilot(old, "upgrade", "check", "--json", exit_code=3).stdout)
    assert (printed["needed"], printed["blocked"], printed["scores"]["why"]) == (
        True,
        False,
        {"algorithm": 5},
    )
    assert [list(one["files"]) for one in printed["migrations"]] == [[FILE]]
    sopilot(old, "upgrade", "run")
    sopilot(old, "upgrade", "check")
    path = local_path(old.root) / FILE
    path.write_text(path.read_text("utf-8") + "rum_queue: {}\n", encoding="utf-8")
    refused = sopilot(old, "upgrade", "check", exit_code=1).stdout
    assert 'unexpected config entry "rum_queue"' in " ".join(refused.split())
    assert "would be lost: dagster/dagster.yaml" in sopilot(old, "upgrade", "revert", exit_code=1).stderr
    assert "What had changed since" in sopilot(old, "upgrade", "revert", "--keep-aside").stdout


def test_an_interrupted_upgrade_is_due(old: Home) -> None:
    said = HomeFormat(1, "sopilot 0.2.0", "x", HOME_FORMAT)
    (local_path(old.root) / FORMAT_FILE).write_bytes(said.as_json())
    sopilot(old, "upgrade", "check", exit_code=3)
