"""Dagster's daemon beside another server: started where none is alive, started again when it dies, ended
with whoever keeps it.

It is a program of its own; nothing of Dagster is loaded here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sopilot_assets.errors import StoreError
from sopilot_assets.processes.held_file import take, write_into
from sopilot_assets.processes.posix.running import start
from sopilot_assets.processes.tied import tied
from sopilot_assets.store.home import HOME_VARIABLE, Home
from sopilot_assets.upkeep.conditions.dagster_files import read_heartbeats
from sopilot_assets.upkeep.setting_up import DAEMON_LOCK, dagster_home, has_records_elsewhere

ALIVE_FOR: Final = timedelta(seconds=90)
"""A daemon gives a sign of life every 30 s."""
_SLACK: Final = timedelta(seconds=5)
"""Two processes may read the clock in turn."""
PAUSE_S: Final = 10.0
"""Seconds between the end of a daemon and its next start, and between two looks at somebody else's."""
_ASKED_S: Final = 60.0
_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class DaemonKeeper:
    """What keeps a daemon alive for ``home``; ``told`` gets a sentence whenever something becomes of it."""

    home: Home
    stop: threading.Event
    told: Callable[[str], None]
    pause_s: float = PAUSE_S

    def run(self) -> None:
        """Keep it, until `stop` is set."""
        before = ""
        while not self.stop.is_set():
            try:
                why_not = self._turn()
            except (StoreError, OSError) as error:
                why_not = f"Dagster's daemon could not be started, which is tried again: {error}"
            if why_not and why_not != before:
                self.told(why_not)
            before = why_not
            self.stop.wait(self.pause_s)

    def _turn(self) -> str:
        """Run one until it ends; why not, where another one is alive."""
        if has_records_elsewhere(self.home):
            return "Dagster's records are in PostgreSQL: docs/scale.md says where its daemon is started"
        held = take(lock_file(self.home))
        try:
            if held is None or another_lives(self.home, now=datetime.now(UTC)):
                return "Dagster's daemon is alive already; should it end, another one is started here"
            self._one(held)
        finally:
            if held is not None:
                os.close(held)
        return ""

    def _one(self, held: int) -> None:
        """Run a daemon, which holds the lock's descriptor, until it ends or is to end."""
        _make_databases(self.home)
        log = log_file(self.home)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        program = str(Path(sys.executable).with_name("dagster-daemon"))
        workspace = str(dagster_home(self.home) / "workspace.yaml")
        with log.open("wb") as output:
            process = start(
                tied([program, "run", "-w", workspace]),
                files=(held,),
                own_group=True,  # Ctrl-C is for who keeps it
                environment={**os.environ, **environment(self.home)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.told(f"Dagster's daemon looks after recordings and scores; what it says is in {log}")
        while process.poll() is None and not self.stop.wait(_POLL_S):
            pass
        _end(process)
        note_end(held)
        if not self.stop.is_set():
            self.told(f"Dagster's daemon ended ({process.returncode}) and is started again; see {log}")


@contextmanager
def kept_daemon(home: Home, *, told: Callable[[str], None], pause_s: float = PAUSE_S) -> Iterator[None]:
    """While the block runs, a daemon works on the home: one that is alive already, or one of ours."""
    stop = threading.Event()
    thread = threading.Thread(target=DaemonKeeper(home, stop, told, pause_s).run, name="daemon")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def note_end(held: int) -> None:
    """Write into the lock's file that the daemon which held it has ended now."""
    write_into(held, f"{datetime.now(UTC).isoformat()}\n")


def lock_file(home: Home) -> Path:
    """What a daemon of ours holds as long as it lives. In it is when the last one ended."""
    return dagster_home(home) / DAEMON_LOCK


def log_file(home: Home) -> Path:
    """What the daemon says; of the one before, ``daemon.log.1``."""
    return dagster_home(home) / "daemon.log"


def environment(home: Home) -> Mapping[str, str]:
    """The variables that the daemon of a home needs beside those of this process."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {"DAGSTER_HOME": str(dagster_home(home)), HOME_VARIABLE: str(home.root), "PATH": path}


def another_lives(home: Home, *, now: datetime) -> bool:
    """Whether a daemon that is none of ours gave a sign of life lately: one of `make dev` or of a service.

    What lies ahead was written before the clock was set back, and says nothing.
    """
    ended = _ended(home)
    since = max(now - ALIVE_FOR, ended) if ended <= now else now - ALIVE_FOR
    return any(since < one.at <= now + _SLACK for one in read_heartbeats(home) or ())


def _make_databases(home: Home) -> None:
    """Dagster's databases, where they are not there yet, made by one process alone."""
    if not (dagster_home(home) / "schedules" / "schedules.db").exists():
        words = [sys.executable, "-m", "sopilot_assets.defs.instance", str(home.root)]
        subprocess.run(words, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **environment(home)})


def _ended(home: Home) -> datetime:
    """When the last daemon of ours ended; long ago where there was none."""
    said = lock_file(home).read_text("ascii").strip() if lock_file(home).exists() else ""
    return datetime.fromisoformat(said) if said else datetime.min.replace(tzinfo=UTC)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, and end it where it does not."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_ASKED_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
