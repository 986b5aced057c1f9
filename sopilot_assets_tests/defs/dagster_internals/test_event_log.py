"""What the batched event log stores is what Dagster's own stores, and survives being killed."""

import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Final

import dagster as dg
import pytest
import yaml
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from sopilot_assets.defs.dagster_internals.event_log import (
    BATCH_SIZE_VARIABLE,
    BatchedEventLog,
    BatchedSqliteStorage,
)

pytestmark = pytest.mark.whole

ROOT: Final = Path(__file__).parents[3]
KEYS: Final = [f"key_{number}" for number in range(7)]
CUSTOM: Final = {"module": BatchedSqliteStorage.__module__, "class": BatchedSqliteStorage.__name__}
PARTITIONS: Final = dg.StaticPartitionsDefinition(KEYS)
TABLES: Final = {
    "event_logs": "select id, dagster_event_type, step_key, asset_key, partition from event_logs order by id",
    "asset_event_tags": "select event_id, asset_key, key, value from asset_event_tags order by event_id, key",
    "asset_keys": "select asset_key, json_extract(last_materialization, '$.storage_id') from asset_keys "
    "order by asset_key",
    "asset_check_executions": "select asset_key, check_name, execution_status from asset_check_executions",
}


def definitions() -> dg.Definitions:
    """Two assets that are made for a range of keys in one go, and a check."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        in_one_run = {
            "partitions_def": PARTITIONS,
            "code_version": "1",
            "backfill_policy": dg.BackfillPolicy.single_run(),
        }

        @dg.asset(**in_one_run)  # type: ignore[arg-type]
        def first(context: dg.AssetExecutionContext) -> None:
            for key in context.partition_keys:
                context.add_asset_metadata({"figure": len(key), "picture": "x" * 1000}, partition_key=key)

        @dg.asset(**in_one_run, deps=[first])  # type: ignore[arg-type]
        def second(context: dg.AssetExecutionContext) -> None:
            context.log.info("said between the two")

        @dg.asset_check(asset=second)
        def holds() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=True)

        job = dg.define_asset_job("both", selection="*", executor_def=dg.in_process_executor)
        return dg.Definitions([first, second], asset_checks=[holds], jobs=[job])


def open_instance(folder: Path, *, batched: bool) -> dg.DagsterInstance:
    """An instance below the folder."""
    config = {"base_dir": str(folder)}
    storage = {"custom": {**CUSTOM, "config": config}} if batched else {"sqlite": config}
    folder.mkdir(exist_ok=True)
    (folder / "dagster.yaml").write_text(yaml.safe_dump({"storage": storage}), encoding="utf-8")
    return dg.DagsterInstance.from_config(str(folder))


def rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    """What a query finds in one of the SQLite files."""
    connection = sqlite3.connect(database)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_runs_are_stored_as_dagster_stores_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = {}
    job = definitions().resolve_job_def("both")
    tags = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[-1]}
    for batched, size in ((False, 0), (True, 3), (True, 500)):
        monkeypatch.setenv(BATCH_SIZE_VARIABLE, str(size))
        folder = tmp_path / f"{size}"
        with open_instance(folder, batched=batched) as instance:
            assert isinstance(instance.event_log_storage, BatchedEventLog) == batched
            run = job.execute_in_process(
                instance=instance, tags=tags, run_id="11111111-1111-1111-1111-111111111111"
            )
            assert run.success
            materialized = instance.fetch_materializations(dg.AssetKey("first"), limit=100).records
            runs = folder / "history" / "runs"
            stored[batched, size] = {
                "log": [
                    (
                        entry.get_dagster_event().event_type,
                        entry.step_key,
                        entry.get_dagster_event().partition,
                    )
                    for entry in instance.all_logs(run.run_id)
                    if entry.is_dagster_event
                ],
                "metadata": {one.partition_key: one.asset_materialization.metadata for one in materialized},  # type: ignore[union-attr]
                "partitions": sorted(instance.get_materialized_partitions(dg.AssetKey("second"))),
                **{name: rows(runs / "index.db", sql) for name, sql in TABLES.items()},
            }
    expected = stored[False, 0]
    assert expected["partitions"] == KEYS
    assert len(expected["event_logs"]) > 4 * len(KEYS)
    assert stored[True, 500] == expected
    assert stored[True, 3] == expected


def test_opening_the_storage_makes_dagster_hand_over_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BATCH_SIZE_VARIABLE, "0")
    monkeypatch.delenv(BATCH_SIZE_VARIABLE)
    with open_instance(tmp_path / "home", batched=True) as instance:
        assert instance._get_event_batch_size() > 1
    monkeypatch.setenv(BATCH_SIZE_VARIABLE, "7")
    with open_instance(tmp_path / "home", batched=True) as instance:
        assert instance._get_event_batch_size() == 7


WRITER: Final = """
import sys, time
from dagster import AssetKey, AssetMaterialization, DagsterEvent, EventLogEntry
from dagster._core.events import DagsterEventType, StepMaterializationData
from sopilot_assets.defs.dagster_internals.event_log import BatchedEventLog

log, run_id = BatchedEventLog(sys.argv[1]), "22222222-2222-2222-2222-222222222222"


def event(partition):
    made = AssetMaterialization(AssetKey("scores"), partition=partition, metadata={"picture": "x" * 20000})
    happened = DagsterEvent(
        DagsterEventType.ASSET_MATERIALIZATION.value, "job", event_specific_data=StepMaterializationData(made)
    )
    return EventLogEntry(None, 10, "", run_id, time.time(), dagster_event=happened)


number = 0
print("ready", flush=True)
while True:
    log.store_event_batch([event(f"key_{number + place}") for place in range(50)])
    number += 50
"""


@pytest.mark.parametrize("wait_s", [0.15, 0.4, 0.83])
def test_a_killed_writer_leaves_whole_batches(tmp_path: Path, wait_s: float) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    with writer.stdout:
        assert writer.stdout.readline() == "ready\n"
        time.sleep(wait_s)
        writer.send_signal(signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL
    counts = []
    for name in ("22222222-2222-2222-2222-222222222222", "index"):
        database = tmp_path / f"{name}.db"
        if database.exists() and rows(database, "select 1 from sqlite_master where name = 'event_logs'"):
            assert rows(database, "pragma integrity_check") == [("ok",)]
            keys = [row[0] for row in rows(database, "select partition from event_logs order by id")]
            assert keys == [f"key_{place}" for place in range(len(keys))]
            counts.append(len(keys))
    assert all(count % 50 == 0 for count in counts)
    assert counts == sorted(counts, reverse=True)


def test_partitions_are_those_that_dagsters_own_log_says_in_their_order(tmp_path: Path) -> None:
    ours = BatchedEventLog(str(tmp_path))
    for names in (["b", "a", "d"], ["c"]):
        ours.add_dynamic_partitions("video", names)
    ours.add_dynamic_partitions("study", ["spring"])
    ours.delete_dynamic_partition("video", "a")
    assert ours.get_dynamic_partitions("video") == ["b", "d", "c"]
    for name in ("video", "study", "none"):
        assert ours.get_dynamic_partitions(name) == SqliteEventLogStorage.get_dynamic_partitions(ours, name)
