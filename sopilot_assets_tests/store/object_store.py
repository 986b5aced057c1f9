"""An S3-compatible object store on loopback: moto's server, with one empty bucket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from s3fs import S3FileSystem

BUCKET = "sopilot"
START_S = 60.0
_MADE_UP = "testing"


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """Where the store is; the environment names it to every process that inherits it."""

    endpoint: str

    @property
    def url(self) -> str:
        """The URL of a home in the store."""
        return f"s3://{BUCKET}/home"

    @property
    def environment(self) -> dict[str, str]:
        """What S3 clients read."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": _MADE_UP,
            "AWS_SECRET_ACCESS_KEY": _MADE_UP,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextmanager
def object_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """A store with one empty bucket, found by this process and its children through the environment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    store = ObjectStore(f"http://127.0.0.1:{port}")
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    server = subprocess.Popen(
        [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)],
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(server, store.endpoint)
        S3FileSystem.clear_instance_cache()  # clients of an earlier store know only its address
        S3FileSystem().mkdir(BUCKET)
        yield store
    finally:
        server.kill()
        server.wait()


def _wait(server: subprocess.Popen[bytes], endpoint: str) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            return urlopen(f"{endpoint}/moto-api/", timeout=5).close()
        except (URLError, OSError) as error:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"moto's server does not answer (exit code {server.returncode}): {error}")
            time.sleep(0.1)
