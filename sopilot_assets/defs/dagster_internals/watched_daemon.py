"""Dagster's daemon in this process, as a service: it gives systemd signs of life, and ends in order.

Dagster's own command for it gives none, so that nobody restarts a daemon that hangs. Here systemd hears from
it as long as every one of its parts (sensors, schedules, queue, run monitoring, ...) writes the heartbeat
that Dagster has it write every half minute.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import psutil
from dagster import DagsterInstance
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.controller import daemon_controller_from_instance
from dagster._utils.interrupts import capture_interrupts
from sqlalchemy.exc import SQLAlchemyError

from sopilot_assets.defs.daemon import environment, lock_file, note_end
from sopilot_assets.defs.dagster_internals.launcher import processes_at_work
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.errors import ConfigError
from sopilot_assets.processes.held_file import take
from sopilot_assets.processes.posix.running import on_hangup
from sopilot_assets.processes.watchdog import SOCKET, watched
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import dagster_home

PATIENCE_S: Final = 900.0
"""A part that wrote no heartbeat for so long hangs. One heartbeat is due after 30 s, but waits while a sensor
is asked, for up to a minute each, or while a backfill is cut into runs.
"""
LEFT_ALONE_S: Final = 60.0
_GONE_S: Final = 30.0
_POLL_S: Final = 0.2
_LOG: Final = logging.getLogger("dagster.daemon")


def serve(home: Home) -> None:
    """Run the daemon of a home until SIGTERM or Ctrl-C, which also end its runs (see `end_runs`), or until
    SIGHUP, which leaves them at work for the next daemon.

    Raises ``ConfigError`` where another daemon works on the home.
    """
    held = take(lock_file(home))
    if held is None:
        raise ConfigError(
            f"{lock_file(home)}: expected no other daemon at work on this home, found one. End `make dev` or "
            "the desk that keeps it, or start the desk with --no-daemon."
        )
    os.environ.update(environment(home))
    goes_on = _Successor()
    on_hangup(goes_on)
    try:
        with local_instance(home) as instance:
            _serve(instance, home)
            if not goes_on.expected:
                end_runs(instance)
                _end_children()
    finally:
        note_end(held)
        os.close(held)


def end_runs(instance: DagsterInstance, *, left_alone_s: float = LEFT_ALONE_S) -> int:
    """Let the runs at work on this machine end by themselves, then end those that have not, with all that
    they started. Returns how many that were.

    They are killed, not asked: a run whose process is gone is started again by the next daemon and goes on
    with what is missing, while an interruption may come out of a step as an error, which is not tried again.
    """
    at_work = len(processes_at_work(instance))
    if at_work:
        _LOG.info("%d runs are at work; they have %.0f s to end by themselves", at_work, left_alone_s)
    late = _wait(instance, left_alone_s)
    for pid in late:
        _LOG.warning("process %d of a run is ended; the run is started again later", pid)
        _kill(pid)
    _wait(instance, _GONE_S)
    return len(late)


def _end_children() -> None:
    """End what this process started and what is left: code servers, which wait for half a minute."""
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            one.kill()


def _kill(pid: int) -> None:
    """End a process and all that it started."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                one.kill()


@dataclass(slots=True)
class Pulse:
    """Whether every part of an instance's daemon lives: its heartbeat has changed within ``patience_s``, by a
    clock that nobody sets. What was written before the first look is some other daemon's.
    """

    instance: DagsterInstance
    patience_s: float = PATIENCE_S
    clock: Callable[[], float] = time.monotonic
    written: dict[str, float] = field(default_factory=dict)
    changed_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.written = self._heartbeats()

    def lives(self) -> bool:
        """False also where no heartbeat can be read, and until each part has written one."""
        try:
            found = self._heartbeats()
        except SQLAlchemyError as error:
            _LOG.warning("heartbeats could not be read: %s", error)
            return False
        now_s = self.clock()
        for part, at in found.items():
            if at != self.written.get(part):
                self.written[part], self.changed_s[part] = at, now_s
        return all(
            part in self.changed_s and now_s - self.changed_s[part] < self.patience_s
            for part in self.instance.get_required_daemon_types()
        )

    def _heartbeats(self) -> dict[str, float]:
        return {part: beat.timestamp for part, beat in self.instance.get_daemon_heartbeats().items()}


class JournalLines(logging.Formatter):
    """Lines for systemd's journal: each with the priority that `journalctl -p` and colours go by, without the
    time, which the journal has.
    """

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The message with its traceback, ``<3>`` before each line of an error."""
        priority = 3 if record.levelno >= logging.ERROR else 4 if record.levelno >= logging.WARNING else 6
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class _Successor:
    """SIGHUP: end, for another daemon that takes over what is at work."""

    expected = False

    def __call__(self, *_: object) -> None:
        self.expected = True
        signal.raise_signal(signal.SIGTERM)


def _serve(instance: DagsterInstance, home: Home) -> None:
    """Until an interruption; the parts of the daemon have ended then."""
    pulse = Pulse(instance)
    try:
        with (
            capture_interrupts(),
            daemon_controller_from_instance(
                instance,
                workspace_load_target=WorkspaceFileTarget([str(dagster_home(home) / "workspace.yaml")]),
                code_server_log_level="warning",
            ) as controller,
            watched(pulse.lives),
        ):
            _write_for_journal()
            controller.check_daemon_loop()
    except KeyboardInterrupt:
        return


def _write_for_journal() -> None:
    """Log for people: without a line or two for each look of each sensor, which its page shows too."""
    if os.environ.get(SOCKET):
        for name in ("SensorDaemon", "SchedulerDaemon"):
            logging.getLogger(f"dagster.daemon.{name}").setLevel(logging.WARNING)
        for handler in logging.getLogger("dagster").handlers:
            handler.setFormatter(JournalLines())


def _wait(instance: DagsterInstance, seconds: float) -> list[int]:
    """The processes of runs that are at work still, after so many seconds at most."""
    ends_s = time.monotonic() + seconds
    while (at_work := processes_at_work(instance)) and time.monotonic() < ends_s:
        time.sleep(_POLL_S)
    return at_work
