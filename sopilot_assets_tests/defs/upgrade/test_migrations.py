"""Dagster's databases get the tables of the installed Dagster and keep what they hold; back to the byte."""

from __future__ import annotations

import shutil
import sqlite3
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from sopilot_assets.defs.dagster_internals.schema import (
    newest_revision,
    older_databases,
    settings_faults,
)
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.upgrade.migrations import INSTANCE_TABLES, MIGRATIONS
from sopilot_assets.errors import StoreError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.upgrade.run import revert_upgrade, run_upgrade
from sopilot_assets_tests.upkeep.upgrade.conftest import OF_BEFORE
from sopilot_assets_tests.upkeep.upgrade.old_tables import BEFORE, INDEX, databases, make_older
from sopilot_assets_tests.upkeep.upgrade.tree import content

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)


@pytest.fixture
def old(tmp_path: Path) -> Home:
    """A home whose databases have the tables of an older Dagster: one index less, and the revision before."""
    with tarfile.open(OF_BEFORE) as archive:
        archive.extractall(tmp_path, filter="data")
    make_older(tmp_path / "home")
    return Home.at(tmp_path / "home")


def indices(root: Path) -> set[str]:
    with closing(sqlite3.connect(root / "dagster" / "history" / "runs.db")) as database:
        return {name for (name,) in database.execute("select name from sqlite_master where type = 'index'")}


def test_databases_of_the_installed_dagster_need_nothing(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)):
        pass
    assert older_databases(tmp_path) == {}


def test_older_tables_are_found_without_writing(old: Home) -> None:
    root = local_path(old.root)
    before = content(root)
    found = older_databases(root / "dagster")
    assert set(found.values()) == {BEFORE}
    assert {root / "dagster" / name for name in found} == set(databases(root))
    assert content(root) == before


def test_they_get_the_newest_tables_with_their_history_and_get_the_old_ones_back(old: Home) -> None:
    root = local_path(old.root)
    before = content(root)
    done = run_upgrade(old, MIGRATIONS, now=NOW)
    assert done is not None
    assert done.upgrade.migrations == ("instance settings", "instance tables")
    assert older_databases(root / "dagster") == {}
    assert INDEX in indices(root)
    assert [path for path in root.rglob("*") if path.name.endswith(("-wal", "-shm"))] == []
    after = content(root)
    with local_instance(old) as instance:
        assert sorted(run.job_name for run in instance.get_runs()) == [
            "score_new_recordings",
            "start_campaign",
        ]
        assert len(instance.all_asset_keys()) > 3
    assert content(root).keys() - {"dagster/opening.lock"} == after.keys()
    revert_upgrade(old, now=NOW, keep_aside=True)
    assert content(root).items() >= before.items()


def test_runs_entered_since_are_not_lost_without_a_word(old: Home) -> None:
    run_upgrade(old, MIGRATIONS, now=NOW)
    with local_instance(old) as instance:
        instance.create_run_for_job(dg.job(name="since")(lambda: None))
    with pytest.raises(Exception, match=r"would be lost: dagster/history/runs.db"):
        revert_upgrade(old, now=NOW)
    done = revert_upgrade(old, now=NOW, keep_aside=True)
    assert done.aside is not None
    with closing(sqlite3.connect(done.aside / "dagster" / "history" / "runs.db")) as database:
        assert ("since",) in list(database.execute("select pipeline_name from runs"))


def test_a_damaged_database_is_named(old: Home) -> None:
    path = local_path(old.root) / "dagster" / "schedules" / "schedules.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=r"schedules.db: expected a database of Dagster"):
        INSTANCE_TABLES.touched(local_path(old.root))


def test_the_newest_revision_is_the_one_that_an_instance_has(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)):
        pass
    with closing(sqlite3.connect(next(tmp_path.rglob("runs.db")))) as database:
        assert list(database.execute("select version_num from alembic_version")) == [(newest_revision(),)]


def test_what_dagster_refuses_in_settings_is_said(old: Home) -> None:
    assert settings_faults(old) == []
    path = local_path(old.root) / "dagster" / "dagster.yaml"
    path.write_text(path.read_text("utf-8") + "rum_queue: {}\n", encoding="utf-8")
    (fault,) = settings_faults(old)
    assert 'unexpected config entry "rum_queue"' in fault
    path.write_text("telemetry: [", encoding="utf-8")
    assert settings_faults(old) != []


def test_no_copies_lie_about_afterwards(old: Home) -> None:
    run_upgrade(old, MIGRATIONS, now=NOW)
    root = local_path(old.root)
    assert [str(path) for path in root.rglob(".publishing-*")] == []
    shutil.rmtree(root)
