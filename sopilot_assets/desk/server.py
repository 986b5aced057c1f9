"""The desk as a server on a port: uvicorn, with limits for clients that are slow or send too much."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.guards import LONGEST_HEADERS
from sopilot_assets.processes.watchdog import answers, watched

APP: Final = "sopilot_assets.desk:create_app"
HEADERS_S: Final = 20.0
"""Seconds within which the headers of a request have to come."""
_ASKED: Final = "/sign-in"
_KEPT_OPEN_S: Final = 15
_CONNECTIONS: Final = 500
"""Of one server process; whoever comes then is told to come again later (503)."""
_ENDING_S: Final = 10
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; those of 1.3 are all good."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a desk listens, by how many processes; with a certificate and its key it speaks TLS itself."""

    host: str
    port: int
    workers: int = 1
    certificate: Path | None = None
    key: Path | None = None


class TimelyProtocol(H11Protocol):
    """HTTP/1.1 with whoever sends the headers of a request in time: a connection that only drips is closed,
    which uvicorn itself never does.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """A piece has come."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        super().connection_lost(exc)
        self._forget()

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._late is None:
            self._late = self.loop.call_later(HEADERS_S, self._close)

    def _close(self) -> None:
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def serve(config: DeskConfig, listening: Listening) -> None:
    """Serve the desk until the process is asked to end."""
    os.environ.update(config.to_environment())  # each server process reads it
    tls = listening.certificate is not None
    with watched(lambda: answers(listening.host, listening.port, _ASKED, tls=tls)):
        uvicorn.run(APP, **settings(listening))


def settings(listening: Listening) -> dict[str, Any]:  # what uvicorn takes
    """How uvicorn is run."""
    tls = listening.certificate and {
        "ssl_certfile": str(listening.certificate),
        "ssl_keyfile": str(listening.key),
        "ssl_ciphers": _CIPHERS,
    }
    return {
        "factory": True,
        "host": listening.host,
        "port": listening.port,
        "workers": listening.workers,
        "http": TimelyProtocol,
        "ws": "none",
        "h11_max_incomplete_event_size": LONGEST_HEADERS,
        "limit_concurrency": _CONNECTIONS,
        "timeout_keep_alive": _KEPT_OPEN_S,
        "timeout_graceful_shutdown": _ENDING_S,
        "proxy_headers": False,  # the desk reads them itself, where a proxy is named
        "server_header": False,
        "log_level": "warning",
        **(tls or {}),
    }
