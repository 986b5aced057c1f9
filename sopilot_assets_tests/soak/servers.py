"""Dagster's code server, daemon and web page, looked after as systemd would with ``Restart=always``."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import dagster_home

RESTART_S: Final = 1.0
"""systemd's RestartSec."""
_END_S: Final = 20.0


@dataclass
class Server:
    """One of the three: its command, its process, and how often it was started again."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    died_s: float | None = None
    restarts: int = 0

    def start(self) -> None:
        """Start it; its log goes on."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.died_s = None

    def look_after(self, now_s: float) -> None:
        """Start it again a second after it died."""
        if self.process is None or self.process.poll() is None:
            return
        if self.died_s is None:
            self.died_s = now_s
        elif now_s - self.died_s >= RESTART_S:
            self.restarts += 1
            self.start()

    def kill(self) -> int:
        """kill -9, of this process alone: what it has started goes on; returns its id."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        return self.process.pid


@dataclass
class Servers:
    """All three, for one home. Ports are chosen once, so that a restarted server is found again."""

    home: Home
    environment: Mapping[str, str]
    logs: Path
    all: dict[str, Server] = field(default_factory=dict)
    web_port: int = 0

    def start(self, *, ready_s: float = 300.0) -> None:
        """Start them, and wait for the code server."""
        folder, code_port = dagster_home(self.home), _free_port()
        self.web_port = _free_port()
        environment = {
            **os.environ,
            **self.environment,
            "SOPILOT_HOME": str(self.home.root),
            "DAGSTER_HOME": str(folder),
        }
        workspace = folder / "workspace.yaml"
        workspace.write_text(
            "load_from:\n- grpc_server: "
            f"{{host: localhost, port: {code_port}, location_name: sopilot_assets}}\n",
            encoding="utf-8",
        )
        local = ["-h", "127.0.0.1", "-p"]
        module = ["-m", "sopilot_assets.definitions", "--location-name", "sopilot_assets"]
        tool = [sys.executable, "-m"]
        self._add(
            "code server",
            [*tool, "dagster", "code-server", "start", *local, str(code_port), *module],
            environment,
        )
        self._wait_for(code_port, ready_s)
        self._add("daemon", [*tool, "dagster._daemon", "run", "-w", str(workspace)], environment)
        web = [*tool, "dagster_webserver", *local, str(self.web_port), "-w", str(workspace)]
        self._add("web server", web, environment)

    def look_after(self) -> None:
        """Start again what died."""
        for server in self.all.values():
            server.look_after(time.monotonic())

    def note_clock_change(self) -> None:
        """Start the daemon again, as a systemd timer with ``OnClockChange`` would."""
        process = self.all["daemon"].process
        assert process is not None
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
        process.kill()

    def stop(self) -> None:
        """End everything that belongs to this home, whoever started it."""
        processes = [server.process for server in self.all.values() if server.process is not None]
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        left = self.processes()
        for one in left:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(left, timeout=_END_S)

    def processes(self) -> list[psutil.Process]:
        """Every process that works on this home, by its environment."""
        return [
            process
            for process in psutil.process_iter()
            if process.pid != os.getpid() and _home_of(process) == str(self.home.root)
        ]

    def _add(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        server = Server(name, command, environment, self.logs / f"{name.replace(' ', '_')}.log")
        server.start()
        self.all[name] = server

    def _wait_for(self, port: int, ready_s: float) -> None:
        until_s = time.monotonic() + ready_s
        while time.monotonic() < until_s:
            self.look_after()
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.2)
        raise TimeoutError(f"nothing listens on port {port} after {ready_s:g} s; see {self.logs}")


def _home_of(process: psutil.Process) -> str | None:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return process.environ().get("SOPILOT_HOME")
    return None


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
