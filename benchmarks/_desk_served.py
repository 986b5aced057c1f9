"""The desk as its users run it: uvicorn on loopback, a child process with so many workers."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import requests

from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.store.home import Home

_READY_S: Final = 120.0
_ENDS_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class ServedDesk:
    """A desk that answers at ``address``; ``log`` is what its processes wrote."""

    address: str
    log: Path
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """CPU seconds of the server's processes so far, and of the children that they started."""
        parent = psutil.Process(self.process.pid)
        total = 0.0
        for one in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended, and its parent counts it
                total += sum(one.cpu_times()[:4])
        return total

    def largest_mib(self) -> float:
        """The memory of the largest of the server's processes now, in MiB."""
        sizes = [0]
        for one in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                sizes.append(one.memory_info().rss)
        return max(*sizes, psutil.Process(self.process.pid).memory_info().rss) / (1 << 20)


@contextlib.contextmanager
def served_desk(home: Home, workers: int, log: Path) -> Iterator[ServedDesk]:
    """The desk of a home, served by so many processes until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "sopilot_assets.desk:create_app"]
    command += ["--port", str(port), "--workers", str(workers), "--log-level", "warning"]
    command += ["--timeout-keep-alive", "15", "--no-proxy-headers"]  # as `sopilot desk` does
    with log.open("wb") as out:
        environment = {**os.environ, **DeskConfig(home).to_environment()}
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)
        desk = ServedDesk(f"http://127.0.0.1:{port}", log, process)
        try:
            _wait_until_it_answers(desk)
            yield desk
        finally:
            process.terminate()
            try:
                process.wait(_ENDS_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise SystemExit(f"the desk did not end within {_ENDS_S:g} s; see {log}") from None


def _wait_until_it_answers(desk: ServedDesk) -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        if desk.process.poll() is not None:
            break
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{desk.address}/sign-in", timeout=5).status_code == 200:
                return
        time.sleep(0.2)
    raise SystemExit(f"the desk did not begin: {desk.log.read_text(errors='replace')[-2000:]}")
