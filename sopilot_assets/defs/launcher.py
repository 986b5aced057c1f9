"""Runs as child processes of the code server, like Dagster's own launcher, but noticed when they die with it.

Dagster's default launcher cannot tell whether a run's process still lives. A code server that stays up
reports the death of one of its runs, but after a power cut or a killed `dagster dev` nobody does: the run
reads "started", and holds one of the few places for runs, until its longest permitted time is over.
"""

from __future__ import annotations

import grpc
from dagster import DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher with a health check, named in `dagster.yaml` as the instance's run launcher."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: run monitoring asks ``check_run_worker_health`` about every started run."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the code server that started the run is there and still holds its process.

        A server that answers late, or not in a way that shows it is gone, leaves the run alone.
        """
        client: DagsterGrpcClient | None = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "No code server is on record for this run.")
        try:
            alive = _holds(client, run.run_id)
        except DagsterUserCodeUnreachableError as error:
            if _is_gone(error):
                return CheckRunHealthResult(WorkerStatus.FAILED, "The code server that ran this run is gone.")
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The code server did not answer in time.")
        if alive:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "The process of this run is gone.")


def _holds(client: DagsterGrpcClient, run_id: str) -> bool:
    answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run_id), timeout=10)
    return deserialize_value(answer, CanCancelExecutionResult).can_cancel


def _is_gone(error: DagsterUserCodeUnreachableError) -> bool:
    cause = error.__cause__
    return isinstance(cause, grpc.RpcError) and cause.code() is grpc.StatusCode.UNAVAILABLE
