"""Where a system has no POSIX, a home can be read, and whatever would write says why it does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from sopilot_assets.capture.registry import Registry
from sopilot_assets.dossier.package import build_dossier
from sopilot_assets.dossier.signing import new_key
from sopilot_assets.store.home import Home
from sopilot_assets.store.listing import removing_from
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.desk.conftest import signed_in
from sopilot_assets_tests.dossier.made_up import study_inputs

pytestmark = pytest.mark.whole

WITHOUT = """
import os, select, signal, socket, sys, time
import multiprocessing.context, subprocess  # Python's own, which ask for these names on Linux

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in {"fcntl", "resource", "pwd", "grp", "termios", "pty"}:
            raise ImportError(f"no module {name}", name=name)

for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Blocked())
for module, names in {
    os: "fork forkpty killpg setsid pread pwrite memfd_create register_at_fork fchdir sysconf O_NOFOLLOW",
    select: "poll epoll",
    signal: "SIGKILL SIGCHLD SIGXCPU",
    socket: "send_fds recv_fds",
    time: "CLOCK_BOOTTIME clock_gettime",
}.items():
    for name in names.split():
        delattr(module, name)
"""

COMMANDS = """
import json
from typer.testing import CliRunner
from sopilot_assets.cli import app

answers = []
for words in json.loads(sys.argv[1]):
    done = CliRunner().invoke(app, words)
    answers.append([done.exit_code, done.output, repr(done.exception)])
print(json.dumps(answers))
"""

PAGES = """
import json
from starlette.testclient import TestClient
from sopilot_assets.desk.app import create_app
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.store.home import Home
from sopilot_assets_tests.desk.conftest import HERE, NOW

home, cookies, *addresses = json.loads(sys.argv[1])
app = create_app(DeskConfig(Home.at(home)), clock=lambda: NOW)
desk = TestClient(app, base_url=HERE, cookies=cookies, follow_redirects=False)
answers = [desk.get(address) for address in addresses]
print(json.dumps([[answer.status_code, answer.text] for answer in answers]))
"""


@pytest.fixture(scope="module")
def read_home(original: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A scored home out of whose ledgers somebody has removed files, so that there are locks to list with."""
    home = Home.at(shutil.copytree(str(original.root), tmp_path_factory.mktemp("read") / "home"))
    for ledger in local_path(home.ledgers).iterdir():
        with removing_from(ledger):
            pass
    return home


@pytest.fixture(scope="module")
def commands(read_home: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    """What commands answer in a process without POSIX: exit code, output and error of each."""
    folder = tmp_path_factory.mktemp("dossier")
    for name, data in build_dossier(study_inputs(), new_key(folder / "keys")).files.items():
        (folder / "one" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "one" / name).write_bytes(data)
    home, trainee = ["--home", str(read_home.root)], trainee_of(read_home)
    asked = [
        ["score", "list", "--json", *home],
        ["recording", "show", trainee, *home],
        ["dossier", "verify", str(folder / "one")],
        ["recording", "correct", trainee, "--person", "p9", *home],
    ]
    names = [" ".join(words[:2]) for words in asked]
    return dict(zip(names, answers_of(COMMANDS, asked), strict=True))


def answers_of(script: str, asked: object) -> list[list[object]]:
    """What a process without POSIX answers."""
    environment = {**os.environ, "USER": "ada"}
    words = [sys.executable, "-c", WITHOUT + script, json.dumps(asked)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found: list[list[object]] = json.loads(done.stdout.splitlines()[-1])
    return found


def trainee_of(home: Home) -> str:
    return next(str(key) for key in Registry.read(home).recordings if "-t-" in str(key))


@pytest.mark.parametrize("name", ["score list", "recording show", "dossier verify"])
def test_what_only_reads_answers(commands: dict[str, list[object]], name: str) -> None:
    code, output, error = commands[name]
    assert code == 0, f"{output}{error}"


def test_all_scores_are_read(commands: dict[str, list[object]]) -> None:
    assert len(json.loads(str(commands["score list"][1]))) == 6


def test_what_would_write_says_what_it_needs(commands: dict[str, list[object]]) -> None:
    code, output, error = commands["recording correct"]
    assert code != 0
    assert "POSIX" in f"{output}{error}"
    assert "WSL 2" in f"{output}{error}"


def test_the_desk_shows_its_pages(read_home: Home) -> None:
    prepare_home(read_home)
    cookies = dict(signed_in(read_home).cookies)
    addresses = ["/recordings", f"/recordings/{trainee_of(read_home)}"]
    answers = answers_of(PAGES, [str(read_home.root), cookies, *addresses])
    assert [status for status, _ in answers] == [200, 200], answers
