"""The tasks that dagster-celery sends for runs, as a worker takes them, and what it notes in a run's log."""

from __future__ import annotations

from typing import Any, Final

from dagster import DagsterInstance
from dagster._core.events import EngineEventData
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import unpack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME

TASK_NAME: Final[str] = TASK_EXECUTE_JOB_NAME
"""The name under which dagster-celery's launcher sends runs."""


def run_id_of(packed: Any) -> str:
    """The run that a task's packed argument is about."""
    return str(unpack_value(packed, as_type=ExecuteRunArgs).run_id)


def note_worker(instance: DagsterInstance, run_id: str, worker: str) -> None:
    """Let the run's log say who took it."""
    run = instance.get_run_by_id(run_id)
    if run is not None:
        instance.report_engine_event(
            f"Taken by the worker {worker}.", run, EngineEventData({"worker": worker})
        )
