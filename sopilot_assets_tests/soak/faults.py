"""The faults of a soak: what each does, and when it is taken back."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import psutil

from sopilot_assets.defs.dagster_internals import run_process
from sopilot_assets.processes.children import MARK
from sopilot_assets_tests.soak.clock import Clock
from sopilot_assets_tests.soak.drops import Drop
from sopilot_assets_tests.soak.place import Disk
from sopilot_assets_tests.soak.servers import Servers
from sopilot_assets_tests.upkeep.alerts.receivers import MailReceiver, WebhookReceiver


@dataclass
class Site:
    """Everything that faults can reach."""

    servers: Servers
    disk: Disk
    clock: Clock
    webhook: WebhookReceiver
    mail: MailReceiver
    bad: list[Drop]
    interval_s: float
    chance: random.Random
    dropped: list[Drop] = field(default_factory=list)


@dataclass
class Injected:
    """One fault as it was injected: on what, since when, and how it is taken back after ``lasts_s``."""

    kind: str
    target: str
    at: datetime
    at_s: float
    lasts_s: float = 0.0
    undo: Callable[[], None] | None = None
    over_s: float | None = None


Attempt = tuple[str, float, Callable[[], None] | None] | None
"""What was hit, for how many seconds, and how that is taken back; None where there was nothing to hit."""


def inject(kind: str, site: Site, now_s: float) -> Injected | None:
    """The fault, or None where there is nothing that it could hit now."""
    done = FAULTS[kind](site)
    if done is None:
        return None
    target, lasts_s, undo = done
    return Injected(kind, target, datetime.now(UTC), now_s, lasts_s, undo)


def _kill_run(site: Site) -> Attempt:
    """Of the run of a cycle: the process that the launcher started for it."""
    runs = [process for process in site.servers.processes() if _is_run(process)]
    return _killed(site.chance.choice(runs), "run") if runs else None


def _kill_step(site: Site) -> Attempt:
    steps = _steps(site)
    return _killed(site.chance.choice(steps), "step") if steps else None


def _hang_step(site: Site) -> Attempt:
    """Stop a step, as one that waits for a disk or a camera for ever; its time limit has to end it."""
    steps = [process for process in _steps(site) if not _stopped(process)]
    if not steps:
        return None
    process = site.chance.choice(steps)
    with suppress(psutil.NoSuchProcess):
        name = process.environ().get(MARK, "")
        process.send_signal(signal.SIGSTOP)
        return f"{name}, process {process.pid}", 0.0, None
    return None


def _kill_server(name: str) -> Callable[[Site], Attempt]:
    def kill(site: Site) -> Attempt:
        return f"process {site.servers.all[name].kill()}", 0.0, None

    return kill


def _corrupt_file(site: Site) -> Attempt:
    waiting = [drop for drop in site.bad if drop not in site.dropped]
    if not waiting:
        return None
    drop = site.chance.choice(waiting)
    try:
        drop.into(site.servers.home)
    except OSError:
        return None  # the disk is full just now
    site.dropped.append(drop)
    return drop.path.name, 0.0, None


def _full_disk(site: Site) -> Attempt:
    if not site.disk.limited:
        return None
    site.disk.fill()
    lasts_s = site.chance.uniform(0.4, 1.2) * site.interval_s
    return f"{site.disk.free_mib:.2f} MiB left of {site.disk.size_mib}", lasts_s, site.disk.clear


def _step_clock(site: Site) -> Attempt:
    """Forward or back for a while, and then right again, as with a wrong time server."""
    if not site.clock.can_be_set:
        return None
    seconds = site.chance.choice([1, -1]) * site.chance.randint(30, 5400)

    def step(by_s: int) -> None:
        site.clock.step(by_s)
        # Dagster's daemon stands still until a clock that went back has caught up
        site.servers.note_clock_change()

    step(seconds)
    return f"{seconds:+d} s", site.chance.uniform(1.0, 2.0) * site.interval_s, lambda: step(-seconds)


def _deaf_receivers(site: Site) -> Attempt:
    """The webhook and the mail server refuse what comes next; the alerts have to be sent again."""
    count = site.chance.randint(1, 3)
    site.webhook.answers[:] = [503] * count
    site.mail.answers[:] = [451] * count
    return f"the next {count} messages are refused", 0.0, None


FAULTS: Final[dict[str, Callable[[Site], Attempt]]] = {
    "kill -9 of a run": _kill_run,
    "kill -9 of a step": _kill_step,
    "kill -9 of the daemon": _kill_server("daemon"),
    "kill -9 of the code server": _kill_server("code server"),
    "kill -9 of the web server": _kill_server("web server"),
    "corrupt file dropped": _corrupt_file,
    "disk full": _full_disk,
    "clock step": _step_clock,
    "hanging step": _hang_step,
    "alerts refused": _deaf_receivers,
}


def _steps(site: Site) -> list[psutil.Process]:
    """The processes that a cycle has started directly for its steps."""
    return [process for process in site.servers.processes() if _is_step(process)]


def _is_step(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        # the leader of the session that was made for the step
        return bool(process.environ().get(MARK)) and "sopilot_assets.cli" in process.cmdline()
    return False


def _is_run(process: psutil.Process) -> bool:
    """Whether it is the process of a run."""
    try:
        return run_process.__name__ in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def _stopped(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_STOPPED
    return True


def _killed(process: psutil.Process, what: str) -> Attempt:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        name = process.environ().get(MARK, "") or what
        process.kill()
        return f"{name}, process {process.pid}", 0.0, None
    return None


def schedule(
    kinds: Sequence[str], *, first: int, last: int, every: int, chance: random.Random
) -> list[tuple[float, str]]:
    """When which fault comes, in cycles from the start: one every ``every`` cycles, each kind as often as the
    others, in random order, at a random moment of its cycle.
    """
    times = range(first, last, every)
    order: list[str] = []
    while len(order) < len(times):
        order += chance.sample(list(kinds), len(kinds))
    return [(cycle + chance.random(), kind) for cycle, kind in zip(times, order, strict=False)]
