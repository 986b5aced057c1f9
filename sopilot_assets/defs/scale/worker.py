"""A Celery worker that executes Dagster runs, each in a process of its own.

A fresh process for each run gives its memory back, and runs the code that is installed then. The worker's
own process only looks after it: it tells Celery that the run lives, ends it when the run is to be cancelled,
and when nobody can hear the worker any more. By then the run counts as lost and may be going on elsewhere.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from celery import Celery, Task, states
from celery.exceptions import Ignore
from celery.signals import heartbeat_sent, worker_ready
from dagster import DagsterInstance, DagsterRunStatus
from redis.exceptions import RedisError

from sopilot_assets.defs.dagster_internals import run_process
from sopilot_assets.defs.dagster_internals.worker_launcher import WorkerRunLauncher
from sopilot_assets.defs.dagster_internals.worker_tasks import TASK_NAME, note_worker, run_id_of
from sopilot_assets.defs.scale.routing import MAIN_QUEUE
from sopilot_assets.errors import ConfigError, RunLost
from sopilot_assets.processes.watchdog import tell

_LOG: Final = logging.getLogger(__name__)
_CANCEL_GRACE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class SignsOfLife:
    """How often a worker shows that a run lives, and when it gives up because nobody hears it.

    Both are seconds, and shorter than the ``lost_after_s`` at which the run counts as lost elsewhere.
    """

    sign_every_s: float
    give_up_s: float

    @classmethod
    def within(cls, lost_after_s: float) -> SignsOfLife:
        """What fits into ``lost_after_s``.

        >>> SignsOfLife.within(60)
        SignsOfLife(sign_every_s=5.0, give_up_s=45.0)
        """
        return cls(sign_every_s=lost_after_s / 12, give_up_s=lost_after_s * 3 / 4)


def worker_app(instance: DagsterInstance) -> Celery:
    """The Celery application of the instance's launcher, with the task that executes runs.

    Raises ``ConfigError`` where the instance starts its runs in another way.
    """
    launcher = instance.run_launcher
    if not isinstance(launcher, WorkerRunLauncher):
        raise ConfigError(
            f"{instance.root_directory}/dagster.yaml: expected the run launcher "
            f"{WorkerRunLauncher.__name__}, found {type(launcher).__name__}, which has no work for workers. "
            "Make the instance with `sopilot home init --profile scale`."
        )
    app, patience = launcher.celery, SignsOfLife.within(launcher.lost_after_s)
    # a task that a busy worker holds in reserve would wait for it while another worker is free
    app.conf.update(worker_disable_prefetch=True, broker_connection_retry_on_startup=True)

    def execute_job(task: Task, execute_job_args_packed: object) -> int:
        run_id = run_id_of(execute_job_args_packed)
        if _has_begun(instance, run_id):
            raise Ignore  # what the worker that executes it says of it stays
        note_worker(instance, run_id, task.request.hostname)
        return execute(instance, run_id, patience=patience, show=lambda sign: _show(task, sign))

    app.task(execute_job, bind=True, name=TASK_NAME, track_started=True)
    return app


def serve(instance: DagsterInstance, *, name: str, places: int, main: bool) -> None:
    """Take and execute runs, ``places`` at a time, until the process is told to end; with ``main`` also those
    that need the main machine.
    """
    app = worker_app(instance)
    _give_signs()
    queues = [app.conf.task_default_queue, *([MAIN_QUEUE] if main else [])]
    app.worker_main(
        [
            "worker",
            "--pool=threads",
            f"--concurrency={places}",
            f"--hostname={name}@%h",
            f"--queues={','.join(queues)}",
            "--loglevel=INFO",
        ]
    )


def _give_signs() -> None:
    """Tell systemd that the worker is ready, and lives as long as it sends its own signs of life to Redis."""

    def ready(**_: object) -> None:
        tell("READY=1")

    def lives(**_: object) -> None:
        tell("WATCHDOG=1")

    worker_ready.connect(ready, weak=False)
    heartbeat_sent.connect(lives, weak=False)


def execute(
    instance: DagsterInstance, run_id: str, *, patience: SignsOfLife, show: Callable[[int], None]
) -> int:
    """The exit code of the run's process, after it ended; ``show`` is called with a growing number while it
    lives.

    Raises ``RunLost`` when the process ended and the run did not.
    """
    if _is_cancelled(instance, run_id):
        return 0
    command = [sys.executable, "-m", run_process.__name__, run_id, "--worker", str(os.getpid())]
    process = subprocess.Popen(command)
    try:
        _Keeper(process, instance, run_id, patience, show).keep()
    finally:
        process.kill()
    code = process.wait()
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        raise RunLost(f"run {run_id}: its process ended with {code}, before the run did. It is run again.")
    return code


@dataclass(slots=True)
class _Keeper:
    """Looks after the process of one run, until it has ended or should be ended at once."""

    process: subprocess.Popen[bytes]
    instance: DagsterInstance
    run_id: str
    patience: SignsOfLife
    show: Callable[[int], None]
    signs: int = 0
    heard_s: float = field(default_factory=time.monotonic)
    asked_s: float | None = None

    def keep(self) -> None:
        while self.process.poll() is None and self._is_heard() and self._has_time():
            self._show_sign()
            self._ask_to_end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(self.patience.sign_every_s)

    def _is_heard(self) -> bool:
        return time.monotonic() - self.heard_s < self.patience.give_up_s

    def _has_time(self) -> bool:
        return self.asked_s is None or time.monotonic() - self.asked_s < _CANCEL_GRACE_S

    def _show_sign(self) -> None:
        """Show the next sign of life; that nobody could be told is borne until `_is_heard` says no."""
        self.signs += 1
        try:
            self.show(self.signs)
        except (RedisError, OSError) as error:
            _LOG.warning("run %s: the sign of life did not arrive (%s)", self.run_id, error)
        else:
            self.heard_s = time.monotonic()

    def _ask_to_end(self) -> None:
        """Pass on, once, that the run was cancelled or given up as lost. The process of a run that succeeded
        is about to end by itself.
        """
        if self.asked_s is not None:
            return
        run = self.instance.get_run_by_id(self.run_id)
        if run is None or run.is_finished or run.status == DagsterRunStatus.CANCELING:
            self.asked_s = time.monotonic()
            if run is None or run.status != DagsterRunStatus.SUCCESS:
                self.process.terminate()


def _has_begun(instance: DagsterInstance, run_id: str) -> bool:
    """Whether a worker executes the run already: its message came twice. A run that was lost is no such
    one: it is started anew under another id.
    """
    run = instance.get_run_by_id(run_id)
    return run is not None and run.status == DagsterRunStatus.STARTED


def _is_cancelled(instance: DagsterInstance, run_id: str) -> bool:
    """Whether the run was cancelled before it began; it is recorded as such then."""
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status == DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run)
        return True
    return run is None or run.is_finished


def _show(task: Task, sign: int) -> None:
    task.update_state(state=states.STARTED, meta={"worker": task.request.hostname, "sign": sign})
