"""The desk of an empty home, and people who are signed in at it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from sopilot_assets.desk import passwords
from sopilot_assets.desk.accounts import Account, add_account, list_accounts
from sopilot_assets.desk.app import create_app
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.log import Doer
from sopilot_assets.desk.roles import Role
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import prepare_home

HERE = "http://127.0.0.1:8000"
NOW = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)
PASSWORD = "the door is green on Mondays"
BOSS = Doer("boss", "127.0.0.1", NOW)
"""Who makes accounts in tests."""

Visitor = Callable[[Home], TestClient]


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
