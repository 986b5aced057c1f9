"""The desk on a port: TLS, slow clients, several processes, and processes that are killed."""

from __future__ import annotations

import datetime as dt
import http.client
import ipaddress
import multiprocessing
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sopilot_assets.desk import server
from sopilot_assets.desk.accounts import Account, add_account, list_accounts, try_password
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.log import LogEvent, last_entries
from sopilot_assets.desk.roles import Role
from sopilot_assets.desk.server import Listening
from sopilot_assets.store.home import Home
from sopilot_assets_tests.desk.browser import served
from sopilot_assets_tests.desk.conftest import BOSS, PASSWORD

pytestmark = pytest.mark.whole


@contextmanager
def listening(home: Home, address: str | None = None, **given: Path) -> Iterator[int]:
    """The port of a desk in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    config = DeskConfig(home, address and f"{address}:{port}")
    process = multiprocessing.get_context("spawn").Process(
        target=server.serve,
        args=(config, Listening("127.0.0.1", port, **given)),  # type: ignore[arg-type]
    )
    process.start()
    try:
        until_open(port)
        yield port
    finally:
        process.terminate()
        process.join(20)


def until_open(port: int) -> None:
    deadline_s = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of its own for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = tmp_path / "desk.pem", tmp_path / "desk.key"
    cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_path, key_path


def test_it_speaks_tls_of_today(home: Home, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    add_account(home, Account("ada", Role.ADMIN), password=PASSWORD, by=BOSS)
    with listening(home, "https://localhost", certificate=cert, key=key) as port:
        trusting = ssl.create_default_context(cafile=str(cert))
        with closing(
            http.client.HTTPSConnection("localhost", port, context=trusting, timeout=20)
        ) as connection:
            connection.request("GET", "/sign-in")
            answer = connection.getresponse()
            answer.read()
        assert answer.status == 200
        assert answer.getheader("strict-transport-security") == "max-age=31536000"
        old = ssl.create_default_context(cafile=str(cert))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with (
            socket.create_connection(("localhost", port)) as plain,
            old.wrap_socket(plain, server_hostname="localhost") as older,
        ):
            assert "GCM" in str(older.cipher()) or "CHACHA" in str(older.cipher())


def test_a_client_that_only_drips_is_cut_off(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADERS_S", 0.5)
    with served(home, http=server.TimelyProtocol) as address:
        port = int(address.rpartition(":")[2])
        for begun in (
            b"",
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1",
            b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /",
        ):
            with socket.create_connection(("127.0.0.1", port), 10) as client:
                client.sendall(begun)
                heard = b""
                while piece := client.recv(1 << 16):
                    heard += piece
            assert (b"200 OK" in heard) == (b"sign-in" in begun)
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as quick:
            for _ in range(3):
                quick.request("GET", "/sign-in")
                assert quick.getresponse().read()
                time.sleep(0.3)


def test_headers_that_never_end_are_cut_off(home: Home) -> None:
    with served(
        home, http=server.TimelyProtocol, h11_max_incomplete_event_size=server.LONGEST_HEADERS
    ) as address:
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ")
            heard = b""
            try:
                for _ in range(100):
                    client.sendall(b"x" * (8 << 10))
                heard = client.recv(1 << 16)
            except ConnectionError:
                heard = heard or b"400"
        assert b"400" in heard


def _make_accounts(root: str, told: str) -> None:
    """Make one account after the other, and say of each that it is made."""
    home = Home.at(root)
    with Path(told).open("a", buffering=1) as confirmed:
        for number in range(10_000):
            add_account(home, Account(f"p{os.getpid()}_{number}", Role.RATER), password=PASSWORD, by=BOSS)
            confirmed.write(f"p{os.getpid()}_{number}\n")


def _quick_accounts(root: str, told: str) -> None:
    from argon2 import PasswordHasher

    from sopilot_assets.desk import passwords

    setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))  # noqa: B010
    _make_accounts(root, told)


def test_kills_lose_nothing_that_was_confirmed(home: Home, tmp_path: Path) -> None:
    told = tmp_path / "confirmed"
    told.touch()
    spawn = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    for pause_s in (0.05, 0.11, 0.17, 0.23, 0.31):
        makers: list[BaseProcess] = [
            spawn.Process(target=_quick_accounts, args=(str(home.root), str(told))) for _ in range(2)
        ]
        before = told.stat().st_size
        for maker in makers:
            maker.start()
        deadline_s = time.monotonic() + 60
        while told.stat().st_size == before:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        time.sleep(pause_s)
        for maker in makers:
            os.kill(maker.pid or 0, signal.SIGKILL)
            maker.join()
    confirmed = told.read_text().split()
    made = [one.who for one in list_accounts(home)]
    assert set(confirmed) <= set(made)
    assert len(made) - len(confirmed) <= 10, "at most the one that each was making when it was killed"
    logged = [one.about for one in last_entries(home, limit=100_000) if one.event is LogEvent.ADDED]
    assert sorted(logged) == sorted(made)
    assert try_password(home, confirmed[-1], PASSWORD, at=BOSS).account is not None
