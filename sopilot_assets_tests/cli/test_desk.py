"""`sopilot desk` serves only where it may, and `sopilot desk user` looks after accounts."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sopilot_assets.cli import app
from sopilot_assets.desk.accounts import list_accounts, try_password
from sopilot_assets.desk.log import Doer, last_entries
from sopilot_assets.desk.roles import Role
from sopilot_assets.desk.tokens import present_token
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.desk.conftest import NOW, PASSWORD

pytestmark = pytest.mark.whole


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def user_add(home: Home, *words: str, password: str = PASSWORD) -> Result:
    words = ("--home", str(home.root), "desk", "user", "add", *words)
    return CliRunner().invoke(app, words, input=f"{password}\n", env={"COLUMNS": "200"})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path / "home")
    prepare_home(home)
    return home


def test_accounts_are_made_listed_changed_and_removed(home: Home) -> None:
    assert "nobody has an account" in sopilot(home, "desk", "user", "list").stdout
    assert user_add(home, "ada", "--role", "admin").exit_code == 0
    assert user_add(home, "ben", "--role", "trainee", "--person", "p014").exit_code == 0
    assert rows(home, "desk", "user", "list") == [
        {"who": "ada", "role": "admin", "person": None},
        {"who": "ben", "role": "trainee", "person": "p014"},
    ]
    sopilot(home, "desk", "user", "role", "ben", "rater")
    (_, ben) = list_accounts(home)
    assert (ben.role, ben.person) == (Role.RATER, "p014")
    sopilot(home, "desk", "user", "remove", "ben")
    assert [one.who for one in list_accounts(home)] == ["ada"]
    assert last_entries(home)[0].address == "command line"
    assert try_password(home, "ada", PASSWORD, at=Doer("", "", NOW)).account is not None


def test_a_password_is_no_argument_and_appears_nowhere(home: Home) -> None:
    result = user_add(home, "ada", "--role", "admin")
    assert PASSWORD not in result.output
    assert user_add(home, "eve", "--role", "admin", "--password", PASSWORD).exit_code == 2
    result = user_add(home, "eve", "--role", "admin", password="passwordpassword")
    assert (result.exit_code, "passwordpassword" in result.output) == (1, False)
    assert user_add(home, "eve", "--role", "admin", password="").exit_code == 1
    assert [one.who for one in list_accounts(home)] == ["ada"]


def test_who_makes_no_administrator_first_is_told(home: Home) -> None:
    assert "nobody is administrator" in user_add(home, "ben", "--role", "trainee").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "needs TLS"),
        (["--host", "192.0.2.1"], "needs TLS"),
        (["--behind-proxy", "https://desk.example.org"], "nobody has an account"),
        (["--behind-proxy", "http://desk.example.org"], "expected an address such as https://"),
        (["--behind-proxy", "https://desk.example.org", "--public-name", "x"], "leave out"),
        (["--tls-cert", "desk.pem"], "expected both"),
        (["--tls-cert", "no.pem", "--tls-key", "no.key"], "expected a file in PEM form"),
    ],
)
def test_it_refuses_to_be_open_wider_than_it_should(home: Home, words: list[str], said: str) -> None:
    result = sopilot(home, "desk", "serve", "--no-daemon", "--port", free_port(), *words, exit_code=1)
    assert said in " ".join(result.stderr.split())
    assert "Open http" not in result.stdout


def test_with_accounts_it_still_needs_tls(home: Home) -> None:
    user_add(home, "ada", "--role", "admin")
    assert "needs TLS" in sopilot(home, "desk", "--host", "0.0.0.0", "--no-daemon", exit_code=1).stderr


def test_a_port_that_is_taken_is_an_error_before_an_address_is_named(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = sopilot(home, "desk", "--no-daemon", "--port", port, exit_code=1)
    assert "Open http" not in found.stdout
    assert f"127.0.0.1:{port}: expected a port that is free" in found.stderr


def test_alone_it_serves_with_a_daemon_and_both_end_together(tmp_path: Path) -> None:
    home, port = Home.at(tmp_path / "empty"), free_port()
    words = [
        sys.executable,
        "-m",
        "sopilot_assets.cli",
        "--home",
        str(home.root),
        "desk",
        "--port",
        str(port),
    ]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        until(lambda: answers(port), 60)
        until(lambda: children(process.pid) != [], 60)
        daemons = children(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        printed = process.communicate(timeout=120)[0]
    assert process.returncode == 0, printed
    assert f"Open http://127.0.0.1:{port}" in printed
    assert not any(Path(f"/proc/{pid}").exists() for pid in daemons)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/sign-in", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def children(pid: int) -> list[int]:
    found = subprocess.run(
        ["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False
    )
    return [int(word) for word in found.stdout.split() if Path(f"/proc/{word}").exists()]


def until(wanted: object, limit_s: float) -> None:
    deadline_s = time.monotonic() + limit_s
    while not wanted():  # type: ignore[operator]
        assert time.monotonic() < deadline_s
        time.sleep(0.3)


def test_tokens_are_made_listed_and_removed(home: Home) -> None:
    made = sopilot(home, "desk", "token", "add", "mes", "--scope", "results", "--scope", "persons")
    token = made.stdout.strip()
    assert present_token(home, token, at=Doer("", "", datetime.now(UTC))).token is not None
    (row,) = rows(home, "desk", "token", "list")
    assert (row["name"], row["scopes"], row["owner"], row["expired"]) == (
        "mes",
        "persons, results",
        None,
        False,
    )
    assert token not in sopilot(home, "desk", "token", "list").output
    sopilot(home, "desk", "token", "add", "mes", "--scope", "results", exit_code=1)
    sopilot(home, "desk", "token", "remove", "mes")
    assert rows(home, "desk", "token", "list") == []
