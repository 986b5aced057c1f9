"""Runs as child processes of the code server, like Dagster's own launcher, but noticed when they die with it.

Dagster's default launcher cannot tell whether a run's process still lives. A code server that stays up
reports the death of one of its runs, but after a power cut or a killed `dagster dev` nobody does: the run
reads "started" and holds one of the few places for runs until its longest permitted time is over.

The process is looked up here by the id that the run itself wrote to its log. The code server is not asked:
after its code was reloaded it no longer knows the runs it started before, though they go on well. Another
process that has got the id of a dead one is told by when it began, counted from the start of the machine: the
clock on the wall may have been set meanwhile.
"""

from __future__ import annotations

import json
import math
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from dagster import DagsterEventType, DagsterRun
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, LaunchRunContext, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from sopilot_assets.processes.boot_clock import SinceBoot, boot_id

PROCESS_TAG: Final = "sopilot/process"
"""The tag of a run that a command line executes: which process that is."""

LAUNCHED_TAG: Final = "sopilot/launched"
"""The tag of a run that a code server executes: when it was asked to."""

CLOCK_TICK_S: Final = 1.0
"""How far two readings of when a process began may lie apart."""

START_TOLERANCE_S: Final = 600.0
"""A process that began this much later than its run was launched is another one with the same id."""


@dataclass(frozen=True, slots=True)
class NotedProcess:
    """The process of a run: its id, and the earliest and the latest time at which it can have begun."""

    pid: int
    after: SinceBoot
    within_s: float

    def is_alive(self) -> bool:
        """Whether this very process, and not a later one with its id, runs on this machine."""
        if self.after.boot_id != boot_id() or not _exists(self.pid):
            return False
        try:
            late_s = _began_s(self.pid) - self.after.seconds
        except (FileNotFoundError, ProcessLookupError):  # it ended this moment
            return False
        return -CLOCK_TICK_S <= late_s <= self.within_s


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher with a health check; `dagster.yaml` makes it the instance's launcher."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: run monitoring asks ``check_run_worker_health`` about every started run."""
        return True

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch the run, and note when."""
        self._instance.add_run_tags(context.dagster_run.run_id, {LAUNCHED_TAG: str(SinceBoot.now())})
        super().launch_run(context)

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """``FAILED`` when the run's process is gone, ``RUNNING`` also where that cannot be known."""
        if PROCESS_TAG in run.tags:
            return health_of(run.tags[PROCESS_TAG])
        if not _is_local(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The run's code server is on another machine.")
        pid = self._noted_pid(run.run_id)
        if pid is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The run has not noted its process yet.")
        launched = run.tags.get(LAUNCHED_TAG)
        after, within_s = (
            (SinceBoot.parse(launched), START_TOLERANCE_S)
            if launched
            else (SinceBoot(boot_id(), 0.0), math.inf)
        )
        return _health(NotedProcess(pid, after, within_s))

    def _noted_pid(self, run_id: str) -> int | None:
        # the first note is the run's own process; a multiprocess executor notes those of its steps later
        for entry in self._instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            pid = event.engine_event_data.metadata.get("pid") if event else None
            if pid is not None:
                return int(str(pid.value))
        return None


def process_tag() -> str:
    """What a run in the present process is tagged with: machine, process id and when the process began."""
    return f"{socket.gethostname()}:{os.getpid()}:{SinceBoot(boot_id(), _began_s(os.getpid()))}"


def health_of(tag: str) -> CheckRunHealthResult:
    """Whether the process that a run names in its tag still lives."""
    host, pid, *began = tag.split(":", 2)
    if host != socket.gethostname():
        return CheckRunHealthResult(WorkerStatus.RUNNING, f"The run's process is on {host}.")
    return _health(NotedProcess(int(pid), SinceBoot.parse(began[0]), CLOCK_TICK_S))


def _health(process: NotedProcess) -> CheckRunHealthResult:
    if process.is_alive():
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    return CheckRunHealthResult(WorkerStatus.FAILED, f"The run's process ({process.pid}) is gone.")


def _exists(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _began_s(pid: int) -> float:
    """Seconds from the start of the machine to that of a process; proc_pid_stat(5), field 22."""
    fields = (
        Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    )
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _is_local(run: DagsterRun) -> bool:
    host = json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("host")
    return host in {"localhost", "127.0.0.1", "::1", socket.gethostname()}
