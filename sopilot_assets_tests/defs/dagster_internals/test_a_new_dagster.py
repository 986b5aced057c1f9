"""What we rely on of Dagster's private parts; a failure says where to look."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from dagster import DagsterEventType, __version__

import sopilot_assets.defs.dagster_internals as internals
from sopilot_assets.defs import runs

FOLDER = Path(str(internals.__file__)).parent
PRIVATE = ("dagster._", "dagster_celery", "dagster_graphql", "dagster_webserver")

LOOK_AT = {
    "event_log": (
        "look how SqliteEventLogStorage.store_event stores one event, and let BatchedEventLog store a"
        " batch the same way; until then the storage `sqlite` with the same base_dir reads and writes"
        " the same files, slower."
    ),
    "launcher": (
        "look what DefaultRunLauncher does for RunLauncher; LocalRunLauncher starts each run's process"
        " itself, and finds those of older versions by the process ids that they noted as engine events."
    ),
    "old_runs": (
        "look where the event log keeps the events of a run and of assets; retention deletes by what "
        "it finds there, so leave the schedule retention_every_night off until the tests of old_runs "
        "pass."
    ),
    "steady_clock": (
        "look where sensors and schedules keep when they looked last; SteadySchedules hides times "
        "that lie ahead of the clock."
    ),
    "step_errors": (
        "look what a failed step keeps of its error; alerts and the command line say the sentence in it."
    ),
    "retries": (
        "look by which tags Dagster says that it starts a failed run again; campaigns and alerts wait for it."
    ),
    "page": (
        "look how the command `dagster-webserver` makes its app; `sopilot web serve` makes it the same way,"
        " and counts no partitions of an asset that has none."
    ),
    "materializing": (
        "look how a step stores the materializations it yields; rescore_stale records those of other assets."
    ),
    "evaluations": (
        "look where the newest evaluation of a check and of each of its partitions is asked for; alerts name"
        " those that fail."
    ),
    "ticks": (
        "look where the looks of a sensor are kept; an alert says when the capture folder is not looked at."
    ),
    "worker_launcher": (
        "look how dagster-celery's launcher sends a run and asks for its state; WorkerRunLauncher "
        "chooses the queue and finds silent workers."
    ),
    "worker_tasks": "look what dagster-celery's launcher sends; a worker takes the run's id from it.",
    "schema": (
        "look what `dagster instance migrate` does, and how an instance's settings are checked; until then "
        "`sopilot upgrade` cannot be run."
    ),
    "watched_daemon": (
        "look what the command `dagster-daemon run` does; `sopilot service run` does the same, and gives "
        "signs of life."
    ),
    "run_process": (
        "look what the command `dagster api execute_run` does; the process of a run does the same."
    ),
}

# Parameters that we pass or, in methods that we override, take: in this order.
PARAMETERS = {
    "event_log": {
        "dagster._core.storage.event_log.base.EventLogStorage.store_event_batch": ["self", "events"],
        "dagster._core.storage.event_log.sql_event_log.SqlEventLogStorage._event_to_row": ["self", "event"],
        "dagster._core.storage.event_log.sql_event_log.SqlEventLogStorage._store_asset_event": [
            "self",
            "conn",
            "event",
            "event_id",
        ],
        "dagster._core.storage.event_log.sql_event_log.SqlEventLogStorage._store_asset_event_tags": [
            "self",
            "conn",
            "events",
            "event_ids",
        ],
        "dagster._core.storage.event_log.sql_event_log.SqlEventLogStorage.index_transaction": ["self"],
        "dagster._core.storage.sqlite_storage.DagsterSqliteStorage.__init__": [
            "self",
            "base_dir",
            "inst_data",
        ],
    },
    "launcher": {
        "dagster._core.launcher.RunLauncher.launch_run": ["self", "context"],
        "dagster._core.launcher.RunLauncher.terminate": ["self", "run_id"],
        "dagster._core.launcher.RunLauncher.check_run_worker_health": ["self", "run"],
        "dagster._utils.get_run_crash_explanation": ["prefix", "exit_code"],
        "dagster._core.launcher.LaunchRunContext": ["dagster_run", "workspace"],
        "dagster._core.launcher.CheckRunHealthResult": ["status", "msg", "transient", "run_worker_id"],
    },
    "old_runs": {
        "dagster._core.storage.event_log.sqlite.sqlite_event_log.SqliteEventLogStorage.run_connection": [
            "self",
            "run_id",
        ],
        "dagster._core.storage.event_log.sqlite.sqlite_event_log.SqliteEventLogStorage.index_connection": [
            "self"
        ],
        "dagster._core.storage.event_log.sqlite.sqlite_event_log.SqliteEventLogStorage.path_for_shard": [
            "self",
            "run_id",
        ],
    },
    "steady_clock": {
        "dagster._core.storage.schedules.sql_schedule_storage.SqlScheduleStorage.all_instigator_state": [
            "self",
            "repository_origin_id",
            "repository_selector_id",
            "instigator_type",
            "instigator_statuses",
        ],
        "dagster._core.storage.schedules.sql_schedule_storage.SqlScheduleStorage.get_instigator_state": [
            "self",
            "origin_id",
            "selector_id",
        ],
        "dagster._core.storage.schedules.sql_schedule_storage.SqlScheduleStorage.get_ticks": [
            "self",
            "origin_id",
            "selector_id",
            "before",
            "after",
            "limit",
            "statuses",
        ],
        "dagster._core.scheduler.instigation.ScheduleInstigatorData": [
            "cron_schedule",
            "start_timestamp",
            "last_iteration_timestamp",
        ],
    },
    "step_errors": {
        "dagster._utils.error.SerializableErrorInfo": ["message", "stack", "cls_name", "cause", "context"],
    },
    "page": {
        "dagster._core.workspace.context.WorkspaceProcessContext": [
            "instance",
            "workspace_load_target",
            "version",
            "read_only",
            "grpc_server_registry",
            "code_server_log_level",
            "server_command",
        ],
        "dagster_webserver.webserver.DagsterWebserver": [
            "process_context",
            "app_path_prefix",
            "live_data_poll_rate",
            "uses_app_path_prefix",
        ],
    },
    "materializing": {
        "dagster._core.events.DagsterEvent.asset_materialization": [
            "step_context",
            "materialization",
            "batch_metadata",
        ],
        "dagster._core.events.DagsterEventBatchMetadata": ["id", "is_end"],
    },
    "worker_launcher": {
        "dagster_celery.launcher.CeleryRunLauncher._launch_celery_task_run": [
            "self",
            "run",
            "task_signature",
            "routing_key",
        ],
    },
    "worker_tasks": {
        "dagster._grpc.types.ExecuteRunArgs": [
            "job_origin",
            "run_id",
            "instance_ref",
            "set_exit_code_on_failure",
        ],
    },
    "schema": {
        "dagster._core.instance.config.dagster_instance_config": [
            "base_dir",
            "config_filename",
            "overrides",
        ],
        "dagster._core.storage.sql.get_alembic_config": ["dunder_file", "config_path", "script_location"],
        "dagster._core.instance.instance.DagsterInstance.upgrade": ["self", "print_fn"],
    },
    "watched_daemon": {
        "dagster._daemon.controller.daemon_controller_from_instance": [
            *(
                "instance",
                "workspace_load_target",
                "heartbeat_interval_seconds",
                "heartbeat_tolerance_seconds",
            ),
            *("gen_daemons", "error_interval_seconds", "code_server_log_level", "log_level", "log_format"),
        ],
    },
    "run_process": {
        "dagster._cli.api._execute_run_command_body": [
            "run_id",
            "instance",
            "write_stream_fn",
            "set_exit_code_on_failure",
        ],
    },
}
ATTRIBUTES = {
    "steady_clock": (
        "dagster._core.scheduler.instigation.SensorInstigatorData.last_tick_timestamp",
        "dagster._core.scheduler.instigation.SensorInstigatorData.last_tick_start_timestamp",
        "dagster._core.scheduler.instigation.InstigatorState.with_data",
    ),
    "ticks": (
        "dagster._core.scheduler.instigation.TickStatus.SUCCESS",
        "dagster._core.scheduler.instigation.TickStatus.SKIPPED",
        "dagster._core.scheduler.instigation.InstigatorTick.timestamp",
        "dagster._core.scheduler.instigation.InstigatorState.selector_id",
        "dagster._core.scheduler.instigation.InstigatorState.instigator_origin_id",
    ),
    "old_runs": ("dagster._core.storage.event_log.schema.SqlEventLogStorageTable.c.partition",),
}


def changed(module: str, what: str) -> str:
    return f"Dagster {__version__}: {what}. For dagster_internals/{module}.py: {LOOK_AT[module]}"


def found(module: str, dotted: str) -> object:
    """What a dotted name stands for; fails with where to look when there is nothing."""
    names = dotted.split(".")
    for length in range(len(names) - 1, 0, -1):
        try:
            one: object = import_module(".".join(names[:length]))
            for name in names[length:]:
                one = getattr(one, name)
        except (ImportError, AttributeError):
            continue
        return one
    pytest.fail(changed(module, f"{dotted} is gone"))


def private_imports() -> Iterator[tuple[str, str]]:
    """The module, and the dotted name that it imports of what is private, also for types only."""
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith(PRIVATE):
                yield from ((path.stem, f"{node.module}.{alias.name}") for alias in node.names)


IMPORTS = sorted(private_imports())


def test_each_module_of_the_folder_says_where_to_look_when_dagster_changes() -> None:
    modules = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert modules == {module for module, _ in IMPORTS} == set(LOOK_AT)


@pytest.mark.parametrize(("module", "dotted"), IMPORTS)
def test_what_is_imported_is_there(module: str, dotted: str) -> None:
    assert found(module, dotted) is not None


@pytest.mark.parametrize(
    ("module", "dotted"), [(module, dotted) for module, names in ATTRIBUTES.items() for dotted in names]
)
def test_what_is_read_is_there(module: str, dotted: str) -> None:
    assert found(module, dotted) is not None


@pytest.mark.parametrize(
    ("module", "dotted", "names"),
    [(module, dotted, names) for module, all_of in PARAMETERS.items() for dotted, names in all_of.items()],
)
def test_what_is_called_or_overridden_takes_what_it_took(module: str, dotted: str, names: list[str]) -> None:
    callable_ = found(module, dotted)
    assert callable(callable_), changed(module, f"{dotted} cannot be called")
    taken = list(inspect.signature(callable_).parameters)
    assert taken == names, changed(module, f"{dotted} takes {taken}, expected {names}")


def test_the_event_log_hands_over_batches_where_the_variable_is_set() -> None:
    from sopilot_assets.defs.dagster_internals.event_log import BATCH_SIZE_VARIABLE

    source = inspect.getsource(import_module("dagster._core.instance.utils"))
    assert BATCH_SIZE_VARIABLE in source, changed("event_log", f"{BATCH_SIZE_VARIABLE} is not read")


def test_the_events_of_a_runs_life_are_told_by_their_names() -> None:
    life = {one.value for one in DagsterEventType if one.value.startswith("PIPELINE_")}
    assert {"PIPELINE_START", "PIPELINE_SUCCESS", "PIPELINE_FAILURE", "PIPELINE_CANCELED"} <= life, changed(
        "old_runs", "the events of a run are called otherwise; emptying a log would remove them"
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (runs.PARTITION, "PARTITION_NAME_TAG"),
        (runs.RANGE_START, "ASSET_PARTITION_RANGE_START_TAG"),
        (runs.RANGE_END, "ASSET_PARTITION_RANGE_END_TAG"),
        (runs.MAX_RETRIES, "MAX_RETRIES_TAG"),
        (runs.MAX_RUNTIME, "MAX_RUNTIME_SECONDS_TAG"),
        (runs.PARENT_RUN, "PARENT_RUN_ID_TAG"),
    ],
)
def test_the_tags_of_runs_have_the_names_that_stand_in_databases(ours: str, theirs: str) -> None:
    tags = import_module("dagster._core.storage.tags")
    assert getattr(tags, theirs, None) == ours, (
        f"Dagster {__version__}: the tag {ours} is {getattr(tags, theirs, 'gone')}. Look at defs/runs.py: "
        "runs of existing homes carry the old name, so both have to be read."
    )
