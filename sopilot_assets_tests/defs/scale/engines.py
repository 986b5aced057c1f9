"""Real PostgreSQL and Redis servers on loopback, started for the tests and ended with them.

Whoever sets ``SOPILOT_ENGINES=required`` (`.ci/run` does) wants a failure where they cannot be had; elsewhere
the tests are skipped.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis

REQUIRED = "SOPILOT_ENGINES"
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Engines:
    """The addresses of both servers, passwords included."""

    postgres_url: str
    broker_url: str

    @property
    def environment(self) -> dict[str, str]:
        """What the profile `scale` reads from the environment."""
        return {"SOPILOT_POSTGRES_URL": self.postgres_url, "SOPILOT_BROKER_URL": self.broker_url}


@contextmanager
def engines() -> Iterator[Engines]:
    """Both servers, empty."""
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        yield Engines(postgres, stack.enter_context(redis_server()))


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a new PostgreSQL cluster with one empty database."""
    initdb, postgres = program("initdb"), program("postgres")
    password, port, user = secrets.token_hex(16), free_port(), unprivileged()
    with folder_of(user) as folder:
        (folder / "password").write_text(password, encoding="utf-8")
        subprocess.run(
            [
                *(initdb, "--pgdata", folder / "data", "--username=sopilot", "--auth=scram-sha-256"),
                *(f"--pwfile={folder / 'password'}", "--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            **user,
            cwd=folder,
            check=True,
            capture_output=True,
        )
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [postgres, "-D", folder / "data", *options, "-c", "fsync=off"],
                **user,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        address = f"sopilot:{password}@127.0.0.1:{port}/postgres"
        with ended(server, signal.SIGINT):
            wait_until_answers(server, lambda: psycopg2.connect(f"postgresql://{address}").close())
            yield f"postgresql+psycopg2://{address}"


def unprivileged() -> dict[str, Any]:
    """Who runs PostgreSQL, which refuses to run as root: Debian's own user for it, or nobody."""
    if os.geteuid() != 0:
        return {}
    users = {user.pw_name: user for user in pwd.getpwall()}
    chosen = users.get("postgres") or users["nobody"]
    return {"user": chosen.pw_uid, "group": chosen.pw_gid, "extra_groups": []}


@contextmanager
def folder_of(user: Mapping[str, Any]) -> Iterator[Path]:
    """A folder that the user owns; not below pytest's, which only its owner may enter."""
    with tempfile.TemporaryDirectory(prefix="sopilot-postgres-", ignore_cleanup_errors=True) as name:
        if user:
            os.chown(name, user["user"], user["group"])
        yield Path(name)


@contextmanager
def redis_server() -> Iterator[str]:
    """The URL of an empty Redis server that keeps nothing on disk."""
    password, port = secrets.token_hex(16), free_port()
    with tempfile.TemporaryDirectory(prefix="sopilot-redis-") as folder:
        server = subprocess.Popen(
            [
                *(program("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--dir", folder),
                *("--requirepass", password, "--save", "", "--appendonly", "no"),
            ],
            stdout=subprocess.DEVNULL,
        )
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        with ended(server, signal.SIGTERM):
            wait_until_answers(server, lambda: ping(url))
            yield url


def ping(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.ping()


def program(name: str) -> str:
    """The path of a server's program; Debian keeps PostgreSQL's out of the search path."""
    found = shutil.which(name)
    by_version = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version)
    if found is None and by_version:
        found = str(by_version[-1])
    if found is None:
        said = f"{name} is not installed; on Debian: apt-get install postgresql redis-server"
        (pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip)(said)
    return found


def _version(path: Path) -> int:
    return int(re.sub(r"\D", "", path.parents[1].name) or 0)


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_answers(server: subprocess.Popen[bytes], ask: Callable[[], None]) -> None:
    """Return when ``ask`` raises nothing; fail when the server ends or stays silent."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            return ask()
        except (psycopg2.OperationalError, redis.RedisError) as error:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{server.args!r} does not answer (exit code {server.returncode}): {error}")
            time.sleep(0.05)


@contextmanager
def ended(process: subprocess.Popen[bytes], how: signal.Signals) -> Iterator[None]:
    """Whatever happens meanwhile, the process is gone afterwards."""
    try:
        yield
    finally:
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
