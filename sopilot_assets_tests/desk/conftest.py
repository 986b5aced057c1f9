"""The desk of an empty home, and people who are signed in at it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser
from starlette.testclient import TestClient

from sopilot_assets.capture.promotions import ConfirmedStep
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.desk import passwords
from sopilot_assets.desk.accounts import Account, add_account, list_accounts
from sopilot_assets.desk.app import create_app
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.log import Doer
from sopilot_assets.desk.roles import Role
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.media import make_stills, make_video, thumbnail_ms
from sopilot_assets.stations.review_now import result_now, stills_shown
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.desk.browser import chromium
from sopilot_assets_tests.desk.marked_home import unmarked_home
from sopilot_assets_tests.made_once import MadeOnce

HERE = "http://127.0.0.1:8000"
NOW = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)
PASSWORD = "the door is green on Mondays"
BOSS = Doer("boss", "127.0.0.1", NOW)
"""Who makes accounts in tests."""


@pytest.fixture
def real_hashes() -> None:
    """Passwords are hashed as they are in use, which takes a while."""


@pytest.fixture(autouse=True)
def quick_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed with parameters that cost next to nothing, unless a test says otherwise."""
    passwords._nobodys.cache_clear()
    if "real_hashes" not in request.fixturenames:
        quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        monkeypatch.setattr(passwords, "_HASHER", quick)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home that `sopilot home init` made."""
    home = Home.at(tmp_path / "home")
    prepare_home(home)
    return home


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def unmarked(embedded_original: Home, tmp_path: Path) -> tuple[Home, dict[str, tuple[ConfirmedStep, ...]]]:
    """A home whose golds have no steps yet, and their true steps by key."""
    return unmarked_home(embedded_original, tmp_path)


def visitor(home: Home) -> TestClient:
    """A browser that is not signed in."""
    app = create_app(DeskConfig(home), clock=lambda: NOW)
    headers = {"origin": HERE, "accept": "text/html"}
    return TestClient(app, base_url=HERE, headers=headers, follow_redirects=False)


def signed_in(home: Home, who: str = "ada", role: Role = Role.ADMIN, person: str | None = None) -> TestClient:
    """A browser in which a person is signed in; makes their account where they have none."""
    browser = visitor(home)
    if who not in {account.who for account in list_accounts(home)}:
        add_account(home, Account(who, role, person), password=PASSWORD, by=BOSS)
    answer = browser.post("/sign-in", data={"who": who, "password": PASSWORD})
    assert answer.status_code == 303
    return browser


@pytest.fixture(scope="session")
def pictured_original(made_once: MadeOnce, original: Home) -> Home:
    """The judged home with the pictures and videos that its list and pages show; to be copied."""
    return Home.at(made_once.get("pictured", lambda folder: _pictured(folder, original)))


def _pictured(folder: Path, original: Home) -> Path:
    home = Home.at(shutil.copytree(str(original.root), folder / "home"))
    recordings = list(Registry.read(home).recordings.values())
    make_stills(home, [(one, thumbnail_ms(one.duration_s)) for one in recordings])
    for one in recordings:
        told = result_now(home, one.key)
        make_stills(home, [] if told is None else stills_shown(told, one))
        make_video(home, one)
    return folder / "home"


@pytest.fixture
def judged(pictured_original: Home, tmp_path: Path) -> Home:
    """A home with three golds and three trainee recordings, all of them judged and looked at before."""
    return Home.at(shutil.copytree(str(pictured_original.root), tmp_path / "judged"))


@pytest.fixture
def unseen(judged: Home) -> Home:
    """The same before anybody looked at it: no picture and no video is made."""
    shutil.rmtree(local_path(judged.proxies))
    return judged


def of_role(home: Home, role: str) -> list[Recording]:
    """The recordings of a role, those first of whom most is reported."""
    scores = {str(row["key"]): row for row in plain_rows(scores_ledger(home).latest())}
    found = [one for one in Registry.read(home).recordings.values() if one.role == role]
    return sorted(found, key=lambda one: -len(str(scores[str(one.key)]["deviations"])))
