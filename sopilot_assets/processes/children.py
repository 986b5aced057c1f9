"""Child processes of a campaign: started in a group of their own, limited, and ended without a trace.

Every process that belongs to a step carries a mark in its environment. It is found by that also after the run
that started it was killed, and whatever sessions or workers it has made meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import psutil

from sopilot_assets.processes.posix.running import interrupt_group, start

MARK: Final = "SOPILOT_CAMPAIGN_STEP"
"""The variable whose value names the step: ``<campaign>/<cycle>/<step>``."""

ASKED_S: Final = 5.0
"""Seconds between asking a process to end and ending it."""

_POLL_S: Final = 0.2

Cause = Literal["exit", "time", "stop"]


@dataclass(frozen=True, slots=True)
class Child:
    """What to start: the command, the variables it gets beside the present ones, its mark and its log."""

    command: Sequence[str]
    environment: Mapping[str, str]
    mark: str
    log: Path


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a child ended (by itself, by its limit, by a stop), its exit code, and how many seconds it took."""

    cause: Cause
    exit_code: int
    seconds: float


def run_child(child: Child, *, limit_s: float, grace_s: float, stop_requested: Callable[[], bool]) -> Ended:
    """Run a command until it ends, until its limit, or until ``grace_s`` seconds after a stop was requested.

    Nothing that it started is left afterwards, also when this function is interrupted.
    """
    started_s = time.monotonic()
    child.log.parent.mkdir(parents=True, exist_ok=True)
    with child.log.open("ab") as log:
        process = start(
            child.command,
            own_group=True,
            environment={**os.environ, **child.environment, MARK: child.mark},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        cause = _wait(process, started_s + limit_s, grace_s=grace_s, stop_requested=stop_requested)
    finally:
        if process.poll() is None:
            _ask(process)
        process.kill()
        end_marked(child.mark)
        process.wait()
    return Ended(cause, process.returncode, time.monotonic() - started_s)


def end_marked(mark: str) -> int:
    """End every process whose mark is ``mark`` or lies below it (``<campaign>``, ``<campaign>/<cycle>``), and
    return how many there were.
    """
    found = [process for process, _ in _marked(mark)]
    for process in found:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    deadline_s = time.monotonic() + ASKED_S
    while any(map(_lives, found)) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S / 10)
    return len(found)


def marks_at_work(mark: str) -> set[str]:
    """The marks, ``mark`` itself or below it, that live processes of this account have."""
    return {value for _, value in _marked(mark)}


def _lives(process: psutil.Process) -> bool:
    # psutil's own wait would take the exit code from whoever started the process
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _marked(mark: str) -> Iterator[tuple[psutil.Process, str]]:
    for process in psutil.process_iter():
        try:
            value = process.environ().get(MARK, "")
            if (value == mark or value.startswith(f"{mark}/")) and process.status() != psutil.STATUS_ZOMBIE:
                yield process, value
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it ended meanwhile, or is somebody else's


def _wait(
    process: subprocess.Popen[bytes],
    limit_s: float,
    *,
    grace_s: float,
    stop_requested: Callable[[], bool],
) -> Cause:
    ends_s: float | None = None
    while True:
        try:
            process.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            now_s = time.monotonic()
            if now_s >= limit_s:
                return "time"
            if ends_s is None and stop_requested():
                ends_s = now_s + grace_s
            if ends_s is not None and now_s >= ends_s:
                return "stop"
        else:
            return "exit"


def _ask(process: subprocess.Popen[bytes]) -> None:
    """Interrupt the group, so that Dagster notes in it that its run was interrupted, and wait a little."""
    interrupt_group(process.pid)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(ASKED_S)
