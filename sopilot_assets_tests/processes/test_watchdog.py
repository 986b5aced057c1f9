"""What systemd hears of a service: nothing before it is ready, then that it lives as long as it does."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from sopilot_assets.processes.watchdog import answers, tell, watched


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(10)
        yield end


def named(end: socket.socket, limit_s: float = 0.4) -> dict[str, str]:
    return {"NOTIFY_SOCKET": end.getsockname(), "WATCHDOG_USEC": str(int(limit_s * 1e6))}


def test_a_service_is_ready_once_and_lives_until_it_stops(systemd: socket.socket) -> None:
    looks = iter([False, True])
    with watched(lambda: next(looks, True), environment=named(systemd)):
        assert systemd.recv(100) == b"READY=1\nWATCHDOG=1"
        assert [systemd.recv(100) for _ in range(2)] == [b"WATCHDOG=1"] * 2
    while (told := systemd.recv(100)) == b"WATCHDOG=1":
        pass
    assert told == b"STOPPING=1"


def test_a_service_that_hangs_gives_no_sign(systemd: socket.socket) -> None:
    hangs = threading.Event()
    with watched(lambda: not hangs.is_set(), environment=named(systemd)):
        assert systemd.recv(100).startswith(b"READY=1")
        hangs.set()
        while select.select([systemd], [], [], 0.4)[0]:  # what was on its way
            assert systemd.recv(100) == b"WATCHDOG=1"


def test_without_systemd_nobody_is_asked_whether_it_lives() -> None:
    def lives() -> bool:
        raise AssertionError

    with watched(lives, environment={}):
        assert not tell("READY=1", environment={})


def test_signs_reach_an_abstract_socket_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("\0sopilot-test-of-signs")
        end.settimeout(10)
        assert tell("READY=1", environment={"NOTIFY_SOCKET": "@sopilot-test-of-signs"})
        assert end.recv(100) == b"READY=1"


def test_a_socket_that_is_gone_is_borne(tmp_path: Path) -> None:
    assert not tell("WATCHDOG=1", environment={"NOTIFY_SOCKET": str(tmp_path / "gone")})


class _Refuses(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(503)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_server_that_refuses_answers_and_one_that_says_nothing_does_not() -> None:
    with served(_Refuses) as port:
        assert answers("127.0.0.1", port, "/")
        assert answers("0.0.0.0", port, "/")
    assert not answers("127.0.0.1", port, "/")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not answers("127.0.0.1", silent.getsockname()[1], "/", patience_s=0.2)
        assert not answers("127.0.0.1", silent.getsockname()[1], "/", tls=True, patience_s=0.2)
