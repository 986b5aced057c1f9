"""Runs as processes of their own on this machine: one for each run, however often its launch is repeated, and
never taken for dead while it lives.

Dagster's default launcher asks the code server to start a run, for 60 s at most, and asks again. A start that
takes longer was then asked for several times, and nothing told which process was the run's. Here the launcher
starts the process itself. The process holds a file below ``DAGSTER_HOME`` from before it begins until it is
gone (`processes.held_file`): a second launch finds the file held and starts nothing, and a run whose file
nobody holds is dead. Code servers may be stopped, restarted or reloaded meanwhile.

A command line holds a file of its own likewise, and notes its process in a tag; Dagster's own commands and
the code servers of versions before are found by the process id in the run's log. Process ids are those of
one container: whoever would end a run's process looks first whether that one has the file open, and else
leaves it to what started it.
"""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import psutil
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, EventLogEntry
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster._utils import get_run_crash_explanation

from sopilot_assets.defs.dagster_internals import run_process
from sopilot_assets.processes.boot_clock import SinceBoot
from sopilot_assets.processes.held_file import is_held, take, write_into
from sopilot_assets.processes.posix.machine import began_s, boot_id
from sopilot_assets.processes.posix.running import start

PROCESS_TAG: Final = ".dagster/sopilot_process"
"""The tag of a run that a command line executes: which process that is. Dagster's pages hide it."""

OLD_PROCESS_TAG: Final = "sopilot/process"
"""The same as older versions wrote it, at the head of each such run on the page."""

LAUNCHED_TAG: Final = "sopilot/launched"
"""The tag that older versions gave a run when they asked a code server for it, each time anew."""

CLOCK_TICK_S: Final = 1.0
"""How far two readings of when a process began may lie apart."""

CANCEL_LOOK_S: Final = 2.0
"""How often what started a run looks whether it shall be cancelled."""

_SAID_ONCE_AT_WORK: Final = {
    DagsterEventType.RUN_START,
    DagsterEventType.RUN_SUCCESS,
    DagsterEventType.RUN_FAILURE,
    DagsterEventType.RUN_CANCELING,
    DagsterEventType.RUN_CANCELED,
}

_ELSEWHERE: Final = "The run's process is in another container; what started it there ends it."

START_TOLERANCE_S: Final = 600.0
"""A process that began this much later than a code server was asked for its run is another one with the same
id.
"""


@dataclass(frozen=True, slots=True)
class NotedProcess:
    """A process that a run noted: its id, and the earliest and the latest time at which it can have begun."""

    pid: int
    after: SinceBoot
    within_s: float

    def is_alive(self) -> bool:
        """Whether this very process, and not a later one with its id, runs on this machine."""
        if self.after.boot_id != boot_id() or not _exists(self.pid):
            return False
        try:
            late_s = began_s(self.pid) - self.after.seconds
        except (FileNotFoundError, ProcessLookupError):  # it ended this moment
            return False
        return -CLOCK_TICK_S <= late_s <= self.within_s


class LocalRunLauncher(RunLauncher[DagsterInstance], ConfigurableClass):
    """Starts each run as a process of this machine; `dagster.yaml` makes it the instance's launcher."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._disposed = False
        self._telling = threading.Lock()
        super().__init__()  # type: ignore[no-untyped-call]

    def dispose(self) -> None:
        """Nothing is told any more of runs that still go on: a daemon's monitor finds how they end."""
        with self._telling:
            self._disposed = True

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What the instance file says of the launcher."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No settings."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 - Dagster passes it by name
    ) -> Self:
        """The launcher of an instance file."""
        return cls(inst_data)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: run monitoring asks ``check_run_worker_health`` about every started run."""
        return True

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's process, unless it lives already.

        Also what another version queued is executed by this one: that must not write into the home any more,
        or was removed.
        """
        run = context.dagster_run
        file = _file_of(self._instance, run.run_id)
        held = take(file)
        if held is None:
            self._leave(run)
            return
        try:
            process = _start(run.run_id, self._instance, held)
            write_into(held, str(process.pid))
        except OSError:
            file.unlink()
            raise
        finally:
            os.close(held)
        threading.Thread(target=self._see_out, args=(process, run.run_id), daemon=True).start()

    def terminate(self, run_id: str) -> bool:
        """Whether the run's process was asked to end."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        pid = self._pid(run)
        if pid is None and is_held(_file_of(self._instance, run_id)):
            self._instance.report_engine_event(_ELSEWHERE, run)
            return True
        if pid is None:
            self._instance.report_engine_event("The run has no process here that could be ended.", run)
            return False
        try:
            psutil.Process(pid).terminate()
        except psutil.NoSuchProcess:  # it ended this moment
            return False
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """``FAILED`` when the run's process is gone, ``RUNNING`` also where that cannot be known."""
        files = (_file_of(self._instance, run.run_id), _command_file(self._instance, run.run_id))
        known = [one for one in map(is_held, files) if one is not None]
        if known:
            return _health("", any(known))
        if (noted := tagged_process(run)) is not None:
            return health_of(noted)
        if not _is_local(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The run's code server is on another machine.")
        pid = self._noted_pid(run.run_id)
        if pid is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The run has not noted its process yet.")
        return _health(f" ({pid})", _noted(pid, run).is_alive())

    def _leave(self, run: DagsterRun) -> None:
        """Leave a live process alone. The second launch said that the run is about to start; it is again what
        was said of it last, and its process may say more meanwhile.
        """
        self._instance.report_engine_event("The run's process lives; it is not started a second time.", run)
        taken: EventLogEntry | None = None
        while (last := self._last_said(run.run_id)) is not None and last != taken:
            said_at = datetime.fromtimestamp(last.timestamp, UTC)
            self._instance.handle_run_event(run.run_id, last.get_dagster_event(), said_at)
            taken = last

    def _last_said(self, run_id: str) -> EventLogEntry | None:
        """The last that was said of how far a run is, but for its launches."""
        said = self._instance.all_logs(run_id, of_type=_SAID_ONCE_AT_WORK)
        return said[-1] if said else None

    def _see_out(self, process: subprocess.Popen[bytes], run_id: str) -> None:
        """Wait for the process, and say how it ended where the run did not end before."""
        code = self._ended(process, run_id)
        with self._open_instance() as instance:
            run = instance.get_run_by_id(run_id) if instance else None
            if instance is None or run is None or run.is_finished:
                return
            said = get_run_crash_explanation(f"The run's process ({process.pid})", code)
            if run.status is DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, said)
            else:
                instance.report_run_failed(run, said)

    def _ended(self, process: subprocess.Popen[bytes], run_id: str) -> int:
        """The exit code of the process; it is asked to end where who cancels its run cannot reach it."""
        asked = False
        while True:
            try:
                return process.wait(CANCEL_LOOK_S)
            except subprocess.TimeoutExpired:
                with self._open_instance() as instance:
                    if not asked and instance and _is_asked_elsewhere(instance, run_id):
                        process.terminate()
                        asked = True

    @contextmanager
    def _open_instance(self) -> Iterator[DagsterInstance | None]:
        """The instance, which is not disposed of while the block runs; None once it was, or once whoever
        launched has ended.
        """
        with self._telling:
            known = None if self._disposed else self._instance_weakref
            yield known() if known is not None else None

    def _pid(self, run: DagsterRun) -> int | None:
        """The live process of a run, if it is one of this container."""
        file = _file_of(self._instance, run.run_id)
        if is_held(file):
            written = int(file.read_text("ascii") or 0)
            return written if written and _has_open(written, file) else None
        pid = self._noted_pid(run.run_id) if _is_local(run) and tagged_process(run) is None else None
        return pid if pid is not None and _noted(pid, run).is_alive() else None

    def _noted_pid(self, run_id: str) -> int | None:
        # the first note is the run's own process; a multiprocess executor notes those of its steps later
        for entry in self._instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            pid = event.engine_event_data.metadata.get("pid") if event else None
            if pid is not None:
                return int(str(pid.value))
        return None


@contextmanager
def held_run(instance: DagsterInstance, run_id: str) -> Iterator[None]:
    """While the block runs, this process executes the run, which is seen from other containers too, where its
    id says nothing.
    """
    file = _command_file(instance, run_id)
    held = take(file)
    assert held is not None, f"{file}: another process executes a run that is new"
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(held)


def end_lost_starts(instance: DagsterInstance) -> list[str]:
    """The runs whose process died before they began, which Dagster's monitor does not look at; each is marked
    as failed. What dead processes left of ended runs is removed.
    """
    lost = []
    for file in sorted([*_folder(instance).glob("*"), *_commands(instance).glob("*")]):
        if is_held(file) is not False:
            continue
        run = instance.get_run_by_id(file.name)
        if run is None or run.is_finished:
            file.unlink(missing_ok=True)
        elif run.status is DagsterRunStatus.STARTING:
            instance.report_run_failed(run, "The run's process is gone before the run began.")
            lost.append(run.run_id)
    return lost


def processes_at_work(instance: DagsterInstance) -> list[int]:
    """The live processes of the runs that were launched on this machine."""
    found = [file.read_text("ascii") for file in sorted(_folder(instance).glob("*")) if is_held(file)]
    return [int(pid) for pid in found if pid]


def process_tag() -> str:
    """What a run in the present process is tagged with: machine, process id and when the process began."""
    return f"{socket.gethostname()}:{os.getpid()}:{SinceBoot(boot_id(), began_s(os.getpid()))}"


def tagged_process(run: DagsterRun) -> str | None:
    """The process that a run of a command line names in its tag; None for any other run."""
    return run.tags.get(PROCESS_TAG, run.tags.get(OLD_PROCESS_TAG))


def health_of(tag: str) -> CheckRunHealthResult:
    """Whether the process that a run names in its tag still lives."""
    host, pid, *began = tag.split(":", 2)
    if host != socket.gethostname():
        return CheckRunHealthResult(WorkerStatus.RUNNING, f"The run's process is on {host}.")
    process = NotedProcess(int(pid), SinceBoot.parse(began[0]), CLOCK_TICK_S)
    return _health(f" ({pid})", process.is_alive())


def _folder(instance: DagsterInstance) -> Path:
    return Path(instance.root_directory) / "running"


def _file_of(instance: DagsterInstance, run_id: str) -> Path:
    return _folder(instance) / run_id


def _commands(instance: DagsterInstance) -> Path:
    return Path(instance.root_directory) / "running_commands"


def _command_file(instance: DagsterInstance, run_id: str) -> Path:
    return _commands(instance) / run_id


def _start(run_id: str, instance: DagsterInstance, held: int) -> subprocess.Popen[bytes]:
    return start(
        [sys.executable, "-m", run_process.__name__, run_id, "--held", str(held)],
        files=(held,),
        own_group=False,
        environment={**os.environ, "DAGSTER_HOME": instance.root_directory},
    )


def _is_asked_elsewhere(instance: DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    if run is None or run.status is not DagsterRunStatus.CANCELING:
        return False
    events = instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT)
    return any(entry.message == _ELSEWHERE for entry in events)


def _health(which: str, lives: bool) -> CheckRunHealthResult:
    if lives:
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    return CheckRunHealthResult(WorkerStatus.FAILED, f"The run's process{which} is gone.")


def _noted(pid: int, run: DagsterRun) -> NotedProcess:
    launched = run.tags.get(LAUNCHED_TAG)
    if launched is None:
        return NotedProcess(pid, SinceBoot(boot_id(), 0.0), math.inf)
    # each further launch wrote the tag anew, so the process may have begun long before
    last = SinceBoot.parse(launched)
    return NotedProcess(pid, SinceBoot(last.boot_id, 0.0), last.seconds + START_TOLERANCE_S)


def _has_open(pid: int, file: Path) -> bool:
    """Whether the process of this id has the file open; in another container the id is some other's."""
    try:
        return any(one.path == os.path.realpath(file) for one in psutil.Process(pid).open_files())
    except psutil.Error:
        return False


def _exists(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _is_local(run: DagsterRun) -> bool:
    """Whether a code server of this machine was asked for the run."""
    host = json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("host")
    return host in {"localhost", "127.0.0.1", "::1", socket.gethostname()}
