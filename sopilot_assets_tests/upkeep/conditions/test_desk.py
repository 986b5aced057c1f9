"""What doctor says of the desk: its accounts, and who can reach it."""

from __future__ import annotations

import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sopilot_assets.desk.accounts import Account, add_account, change_role, has_accounts
from sopilot_assets.desk.database import desk_database, transaction
from sopilot_assets.desk.log import Doer
from sopilot_assets.desk.roles import Role
from sopilot_assets.desk.tokens import Scope, add_token, remove_token
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import publish_text
from sopilot_assets.upkeep.backup.create import create_backup
from sopilot_assets.upkeep.backup.repository import open_repository
from sopilot_assets.upkeep.backup.restore import restore
from sopilot_assets.upkeep.conditions.condition import Condition, Fine
from sopilot_assets.upkeep.conditions.desk import desk_accounts, desk_reach, desk_tokens
from sopilot_assets.upkeep.conditions.questions import Question, ask
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets.upkeep.setting_up import prepare_home

NOW = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)
BOSS = Doer("boss", "", NOW)
PASSWORD = "the door is green on Mondays"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path / "home")
    prepare_home(home)
    return home


def told(question: Question, home: Home) -> tuple[Condition | Fine, ...]:
    return ask(question, Situation(home, NOW, {})).told


def test_a_home_without_a_desk_is_fine(home: Home) -> None:
    (fine,) = told(desk_accounts, home)
    assert isinstance(fine, Fine)
    assert not desk_database(home).exists(), "looking changes nothing"
    has_accounts(home)
    (fine,) = told(desk_accounts, home)
    assert fine.what == "nobody has one; it answers this machine only"


def test_accounts_that_others_can_read_or_nobody_looks_after_are_told(home: Home) -> None:
    add_account(home, Account("ada", Role.ADMIN), password=PASSWORD, by=BOSS)
    assert [one.what for one in told(desk_accounts, home)] == ["1 may sign in"]
    with transaction(home) as database:
        database.execute("update accounts set role = 'trainer'")
    desk_database(home).chmod(0o644)
    whats = [one.what for one in told(desk_accounts, home)]
    assert ["can be read by other accounts" in whats[0], "nobody is administrator" in whats[1]] == [
        True,
        True,
    ]
    change_role(home, "ada", Role.ADMIN, person=None, by=BOSS)
    desk_database(home).chmod(0o600)
    assert isinstance(told(desk_accounts, home)[0], Fine)


def test_a_damaged_database_is_a_problem(home: Home) -> None:
    has_accounts(home)
    desk_database(home).write_bytes(b"SQLite format 3\0" + b"\xff" * 9000)
    (problem,) = told(desk_accounts, home)
    assert isinstance(problem, Condition)
    assert "nobody can sign in" in problem.what


def test_a_desk_that_others_reach_needs_accounts(home: Home) -> None:
    for address, accounts, fine in (
        ("127.0.0.1", False, True),
        ("0.0.0.0", False, False),
        ("0.0.0.0", True, True),
    ):
        if accounts:
            add_account(home, Account("ada", Role.ADMIN), password=PASSWORD, by=BOSS)
        with closing(socket.create_server((address, 0))) as server:
            port = server.getsockname()[1]
            publish_text(home.root / "settings.yaml", f"limits: {{desk_ports: [{port}]}}\n")
            (one,) = told(desk_reach, home)
            assert isinstance(one, Fine) == fine, one
            assert f"{address}" in one.what


def test_accounts_are_in_the_backup_while_people_sign_in(home: Home, tmp_path: Path) -> None:
    add_account(home, Account("ada", Role.ADMIN), password=PASSWORD, by=BOSS)
    with transaction(home) as at_work:
        at_work.execute("insert into places values ('ada', '192.0.2.7', '2026')")
        assert create_backup(home, str(tmp_path / "backup"), now=NOW).is_sound
    repository = open_repository(str(tmp_path / "backup"))
    restore(repository, repository.snapshot_names()[-1], tmp_path / "new", now=NOW)
    back = Home.at(tmp_path / "new")
    assert has_accounts(back)
    assert desk_database(back).stat().st_mode & 0o777 == 0o600
    assert desk_database(back).parent.stat().st_mode & 0o777 == 0o700
    with transaction(back) as database:
        assert database.execute("select count(*) from places").fetchone()[0] == 0


def test_a_token_that_expires_soon_is_said(home: Home) -> None:
    assert told(desk_tokens, home) == (Fine("desk", "tokens", "no other program reads results"),)
    for name, days in (("mes", 90), ("lms", 14)):
        add_token(home, name, [Scope.RESULTS], days=days, owner=None, by=BOSS)
    (soon,) = told(desk_tokens, home)
    assert (soon.subject, soon.what) == ("token lms", "the token lms expires on 2026-03-09")
    later = Situation(home, NOW + timedelta(days=15), {})
    (over,) = ask(desk_tokens, later).told
    assert over.what == "the token lms has expired"
    remove_token(home, "lms", by=BOSS)
    assert told(desk_tokens, home) == (Fine("desk", "tokens", "1 hold"),)
