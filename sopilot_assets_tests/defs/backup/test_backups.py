"""Backups and drills as runs of Dagster, and an instance that works on after it was restored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.backup.backups import backup_schedule, drill_schedule
from sopilot_assets.defs.backup.restored import end_interrupted_runs, instance_problems
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.partitions import VIDEO
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.settings import settings_path
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_bytes, publish_text
from sopilot_assets.upkeep.backup.create import create_backup
from sopilot_assets.upkeep.backup.repository import open_repository
from sopilot_assets.upkeep.backup.restore import restore
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.defs.conftest import resources
from sopilot_assets_tests.upkeep.backup.made_up import after, happen

KEY = "tea-t-000000000000"


@pytest.fixture
def shop_home(home: Home) -> Home:
    """A home with an instance of its own, a recording, and a backup destination in its settings."""
    prepare_home(home)
    happen(home, "one")
    publish_text(
        settings_path(home), f"backup: {{destination: {local_path(home.root).parent / 'backups'}}}\n"
    )
    return home


@pytest.fixture
def instance(shop_home: Home) -> Iterator[dg.DagsterInstance]:
    with local_instance(shop_home) as instance:
        instance.add_dynamic_partitions(str(VIDEO.name), [KEY])
        instance.report_runless_asset_event(dg.AssetMaterialization(scores.key, partition=KEY))
        yield instance


def run(home: Home, instance: dg.DagsterInstance, job: str) -> dg.ExecuteInProcessResult:
    definitions = build_defs(**resources(home, now=after(5).isoformat()))
    return definitions.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {found.check_name: found.passed for found in result.get_asset_check_evaluations()}


def test_a_backup_and_its_drill_are_an_asset_and_a_check(
    shop_home: Home, instance: dg.DagsterInstance
) -> None:
    made = run(shop_home, instance, "make_backup")
    assert made.success
    assert checks(made) == {"backup_is_complete": True}
    (event,) = made.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["files"].value > 10
    assert metadata["problems"].value == 0
    drilled = run(shop_home, instance, "drill_backup")
    assert checks(drilled) == {"drill_restores": True}
    (repository,) = local_path(shop_home.root).parent.glob("backups")
    spoiled = next(path for path in sorted(repository.glob("objects/*/*")) if path.stat().st_size)
    publish_bytes(spoiled, b"other")
    drilled = run(shop_home, instance, "drill_backup")
    assert drilled.success
    assert checks(drilled) == {"drill_restores": False}


def test_a_backup_with_a_damaged_database_fails_its_check(
    shop_home: Home, instance: dg.DagsterInstance
) -> None:
    publish_bytes(shop_home.root / "dagster" / "old.db", b"SQLite format 3\0" + b"\1" * 5000)
    made = run(shop_home, instance, "make_backup")
    assert made.success
    assert checks(made) == {"backup_is_complete": False}


def test_without_a_destination_nothing_is_asked_for(home: Home) -> None:
    prepare_home(home)
    for schedule in (backup_schedule, drill_schedule):
        with dg.build_schedule_context(resources=resources(home)) as context:
            assert isinstance(schedule(context), dg.SkipReason)
    publish_text(settings_path(home), "backup: {destination: /mnt/backup}\n")
    for schedule in (backup_schedule, drill_schedule):
        with dg.build_schedule_context(resources=resources(home)) as context:
            assert isinstance(schedule(context), dg.RunRequest)


def test_a_restored_instance_knows_everything_and_waits_for_no_run_that_is_gone(
    shop_home: Home, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    started = instance.create_run_for_job(
        build_defs().resolve_job_def("make_backup"), status=dg.DagsterRunStatus.STARTED
    )
    create_backup(shop_home, str(tmp_path / "backups"), now=after(5))
    instance.add_dynamic_partitions(str(VIDEO.name), ["tea-t-000000000001"])  # too late
    repository = open_repository(tmp_path / "backups")
    new = Home.at(tmp_path / "new")
    restore(repository, repository.snapshot_names()[-1], local_path(new.root), now=after(6))
    assert list(instance_problems(new)) == []
    assert end_interrupted_runs(new) == [started.run_id]
    assert end_interrupted_runs(new) == []
    with local_instance(new) as restored:
        assert restored.get_dynamic_partitions(str(VIDEO.name)) == [KEY]
        assert restored.get_materialized_partitions(scores.key) == {KEY}
        ended = restored.get_run_by_id(started.run_id)
        assert ended is not None
        assert ended.status is dg.DagsterRunStatus.FAILURE
        assert run(new, restored, "make_backup").success
    unended = instance.get_run_by_id(started.run_id)
    assert unended is not None
    assert unended.status is dg.DagsterRunStatus.STARTED


def test_a_restored_instance_that_claims_more_than_is_registered_is_found(
    shop_home: Home, instance: dg.DagsterInstance
) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(scores.key, partition="tea-t-0000000000ff"))
    (problem,) = instance_problems(shop_home)
    assert "1 scored recordings are not registered" in problem.what
    publish_bytes(shop_home.root / "dagster" / "history" / "runs.db", b"nothing that SQLite knows" * 50)
    (problem,) = instance_problems(shop_home)
    assert "cannot be opened" in problem.what
