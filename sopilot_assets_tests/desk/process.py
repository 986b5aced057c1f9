"""The desk as a process of its own, which can be killed and started again at the same address."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.context import ForkServerProcess

import requests
import uvicorn

from sopilot_assets.desk.accounts import Account
from sopilot_assets.desk.app import create_app
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.log import Doer
from sopilot_assets.desk.roles import Role
from sopilot_assets.desk.sessions import begin_session
from sopilot_assets.store.home import Home
from sopilot_assets_tests.forkserver import started


def serve(root: str, port: int) -> None:
    """Serve the desk of a home until the process ends."""
    uvicorn.run(create_app(DeskConfig(Home.at(root))), port=port, log_level="error")


@dataclass(slots=True)
class DeskProcess:
    """A server, and how a program speaks to it: ``headers`` hold the session."""

    home: Home
    port: int
    headers: dict[str, str]
    process: ForkServerProcess | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = started(serve, str(self.home.root), self.port)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                requests.get(f"{self.address}/sign-in", timeout=5)
            except requests.RequestException:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("the desk did not answer within a minute")

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.join(20)


@contextmanager
def desk_process(home: Home) -> Iterator[DeskProcess]:
    """A running desk, and a session at it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    by = Doer("ada", "127.0.0.1", datetime.now(UTC))
    token = begin_session(home, Account("ada", Role.ADMIN), by=by)  # without accounts everybody is an admin
    desk = DeskProcess(home, port, {"Cookie": f"sopilot_desk_{port}={token}", "X-Sopilot": "1"})
    desk.start()
    try:
        yield desk
    finally:
        desk.kill()
