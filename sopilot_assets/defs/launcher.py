"""Runs as child processes of the code server, like Dagster's own launcher, but noticed when they die with it.

Dagster's default launcher cannot tell whether a run's process still lives. A code server that stays up
reports the death of one of its runs, but after a power cut or a killed `dagster dev` nobody does: the run
reads "started" and holds one of the few places for runs until its longest permitted time is over.

The process is looked up here by the id that the run itself wrote to its log. The code server is not asked:
after its code was reloaded it no longer knows the runs it started before, though they go on well.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Final

import psutil
from dagster import DagsterEventType, DagsterRun
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

PROCESS_TAG: Final = "sopilot/process"
"""The tag of a run that a command line executes: which process that is."""

CLOCK_TICK_S: Final = 1.0
"""How far two readings of when a process began may lie apart."""

START_TOLERANCE_S: Final = 60.0
"""A process that began this much later than the run's note of its id is another one with the same id."""


@dataclass(frozen=True, slots=True)
class NotedProcess:
    """The process of a run: its id, and the time (seconds since the epoch) at which the run noted it."""

    pid: int
    noted_s: float

    def is_alive(self, *, tolerance_s: float = START_TOLERANCE_S) -> bool:
        """Whether this very process, and not a later one with its id, runs on this machine."""
        try:
            process = psutil.Process(self.pid)
            running = process.status() != psutil.STATUS_ZOMBIE
            return running and process.create_time() <= self.noted_s + tolerance_s
        except psutil.NoSuchProcess:
            return False


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher with a health check; `dagster.yaml` makes it the instance's launcher."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: run monitoring asks ``check_run_worker_health`` about every started run."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """``FAILED`` when the run's process is gone, ``RUNNING`` also where that cannot be known."""
        if PROCESS_TAG in run.tags:
            return health_of(run.tags[PROCESS_TAG])
        if not _is_local(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The run's code server is on another machine.")
        process = self._noted_process(run.run_id)
        if process is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The run has not noted its process yet.")
        if process.is_alive():
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"The run's process ({process.pid}) is gone.")

    def _noted_process(self, run_id: str) -> NotedProcess | None:
        # the first note is the run's own process; a multiprocess executor notes those of its steps later
        for entry in self._instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            pid = event.engine_event_data.metadata.get("pid") if event else None
            if pid is not None:
                return NotedProcess(int(str(pid.value)), entry.timestamp)
        return None


def process_tag() -> str:
    """What a run in the present process is tagged with: machine, process id and when the process began."""
    process = psutil.Process()
    return f"{socket.gethostname()}:{process.pid}:{process.create_time():.2f}"


def health_of(tag: str) -> CheckRunHealthResult:
    """Whether the process that a run names in its tag still lives."""
    host, pid, began_s = tag.rsplit(":", 2)
    if host != socket.gethostname():
        return CheckRunHealthResult(WorkerStatus.RUNNING, f"The run's process is on {host}.")
    if NotedProcess(int(pid), float(began_s)).is_alive(tolerance_s=CLOCK_TICK_S):
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    return CheckRunHealthResult(WorkerStatus.FAILED, f"The run's process ({pid}) is gone.")


def _is_local(run: DagsterRun) -> bool:
    host = json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("host")
    return host in {"localhost", "127.0.0.1", "::1", socket.gethostname()}
