"""Accounts: who has one, which passwords are taken, how often one may be tried, and what the log keeps."""

from __future__ import annotations

import sqlite3
import threading
import time
import unicodedata
from dataclasses import replace
from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from sopilot_assets.desk.accounts import (
    Account,
    SignIn,
    add_account,
    change_role,
    has_accounts,
    list_accounts,
    remove_account,
    set_password,
    try_password,
)
from sopilot_assets.desk.attempts import OF_ADDRESS, OF_NAME
from sopilot_assets.desk.database import desk_database, transaction
from sopilot_assets.desk.log import Doer, LogEvent, last_entries
from sopilot_assets.desk.passwords import LONGEST_PASSWORD, hash_of, is_right
from sopilot_assets.desk.roles import Role
from sopilot_assets.desk.sessions import begin_session, session_of
from sopilot_assets.errors import AccountError, StoreError
from sopilot_assets.store.home import Home
from sopilot_assets_tests.counted_calls import counted_calls
from sopilot_assets_tests.desk.conftest import BOSS, NOW, PASSWORD

ADA = Account("ada", Role.ADMIN)
BEN = Account("ben", Role.TRAINEE, "p014")
OTHER = "the lamp is red on Sundays"
DOOR = Doer("", "192.0.2.7", NOW)


@pytest.fixture
def people(home: Home) -> Home:
    """Ada, an administrator, and Ben, a trainee."""
    for account in (ADA, BEN):
        add_account(home, account, password=PASSWORD, by=BOSS)
    return home


def at_the_door(home: Home, who: str, password: str, at: Doer = DOOR) -> Account | None:
    return try_password(home, who, password, at=at).account


def signed_in(home: Home, account: Account) -> str:
    token = begin_session(home, account, by=replace(DOOR, who=account.who))
    assert token is not None
    return token


@pytest.mark.parametrize(
    "weak",
    [
        "short",
        "elevenchars",
        "x" * 12,
        "abababababab",
        "passwordpassword",
        "Password-Password",
        "administrator1234",
        "123456789012",
        "qwertyuiopasdf",
        "abcdefghijklmnop",
        "ponmlkjihgfedcba",
        "a" * (LONGEST_PASSWORD + 1),
        "margaret-margaret",
    ],
)
def test_a_password_that_others_guess_is_not_taken(home: Home, weak: str) -> None:
    with pytest.raises(AccountError, match="the password: expected"):
        add_account(home, Account("margaret", Role.ADMIN), password=weak, by=BOSS)
    assert not has_accounts(home)


@pytest.mark.parametrize(
    "good",
    [
        "correct horse battery",
        "朝の点検は三番の棚から始める",
        "  spaces at the ends  ",
        "🔧" * 3 + "tighten it",
        "x9" * 126 + "abcd",
    ],
)
def test_any_characters_make_a_password_and_none_is_cut_off(home: Home, good: str) -> None:
    add_account(home, ADA, password=good, by=BOSS)
    assert at_the_door(home, "ada", good) == ADA
    assert at_the_door(home, "ada", good[:-1]) is None


def test_a_password_is_the_same_however_a_keyboard_composes_it(home: Home) -> None:
    spoken = "ガイドの二頁目を必ず見ること"
    add_account(home, ADA, password=unicodedata.normalize("NFD", spoken), by=BOSS)
    assert at_the_door(home, "ada", unicodedata.normalize("NFC", spoken)) == ADA


@pytest.mark.parametrize("who", ["", "two words", "a,b", "x" * 65, "a\x00b", "a\u202eb"])
def test_a_name_that_no_event_can_hold_gets_no_account(home: Home, who: str) -> None:
    with pytest.raises(AccountError, match="expected a name"):
        add_account(home, Account(who, Role.ADMIN), password=PASSWORD, by=BOSS)
    assert list_accounts(home) == []


def test_a_name_has_one_account(people: Home) -> None:
    with pytest.raises(AccountError, match="already"):
        add_account(people, Account("ben", Role.ADMIN), password=OTHER, by=BOSS)
    assert list_accounts(people) == [ADA, BEN]


def test_nothing_that_was_changed_leaves_a_session(people: Home) -> None:
    changes = (
        lambda: change_role(people, "ben", Role.RATER, person="p014", by=BOSS),
        lambda: set_password(people, "ben", OTHER, by=BOSS),
        lambda: remove_account(people, "ben", by=BOSS),
    )
    for change in changes:
        (ben,) = (one for one in list_accounts(people) if one.who == "ben")
        token, adas = signed_in(people, ben), signed_in(people, ADA)
        change()
        assert session_of(people, token, at=NOW) is None
        assert session_of(people, adas, at=NOW) == ADA
    assert at_the_door(people, "ben", OTHER) is None


def test_whoever_only_said_who_they_are_signs_in_once_there_are_accounts(home: Home) -> None:
    token = signed_in(home, Account("eve", Role.ADMIN))
    assert session_of(home, token, at=NOW) == Account("eve", Role.ADMIN)
    add_account(home, ADA, password=PASSWORD, by=BOSS)
    assert session_of(home, token, at=NOW) is None
    remove_account(home, "ada", by=BOSS)
    assert session_of(home, token, at=NOW) is None


def test_no_session_begins_for_an_account_that_changed_meanwhile(people: Home) -> None:
    found = at_the_door(people, "ben", PASSWORD)
    change_role(people, "ben", Role.RATER, person=None, by=BOSS)
    assert found is not None
    assert begin_session(people, found, by=DOOR) is None
    remove_account(people, "ben", by=BOSS)
    assert begin_session(people, found, by=DOOR) is None


def test_the_last_administrator_stays(people: Home) -> None:
    with pytest.raises(AccountError, match="only administrator"):
        change_role(people, "ada", Role.TRAINER, person=None, by=BOSS)
    with pytest.raises(AccountError, match="only administrator"):
        remove_account(people, "ada", by=BOSS)
    assert list_accounts(people) == [ADA, BEN]
    remove_account(people, "ben", by=BOSS)
    remove_account(people, "ada", by=BOSS)
    assert not has_accounts(people)


def test_what_is_about_nobody_changes_nothing(people: Home) -> None:
    for change in (
        lambda: change_role(people, "eve", Role.ADMIN, person=None, by=BOSS),
        lambda: set_password(people, "eve", OTHER, by=BOSS),
        lambda: remove_account(people, "eve", by=BOSS),
    ):
        with pytest.raises(AccountError, match="there is none of this name"):
            change()
    assert list_accounts(people) == [ADA, BEN]


def test_a_thousand_wrong_passwords_wait_and_cost_no_comparison(people: Home) -> None:
    def wrong(number: int) -> SignIn:
        return try_password(people, "ada", f"wrong password {number}", at=DOOR)

    tries = [wrong(number) for number in range(1000)]
    assert [one.account for one in tries] == [None] * 1000
    assert sum(one.wait_s == 0 for one in tries) == OF_NAME.at_once
    made = counted_calls(lambda: wrong(1001))
    assert (made[try_password.__qualname__], made[is_right.__qualname__]) == (1, 0)
    assert try_password(people, "ada", PASSWORD, at=DOOR).wait_s == OF_NAME.every_s


def test_who_tries_a_name_from_elsewhere_does_not_make_its_person_wait(people: Home) -> None:
    usual = replace(DOOR, address="192.0.2.50")
    assert at_the_door(people, "ada", PASSWORD, usual) == ADA
    for number in range(50):
        attacker = replace(DOOR, address=f"198.51.100.{number}")
        try_password(people, "ada", "wrong password", at=attacker)
    assert try_password(people, "ada", PASSWORD, at=replace(DOOR, address="203.0.113.9")).wait_s > 0
    assert at_the_door(people, "ada", PASSWORD, usual) == ADA


def test_an_address_cannot_try_many_names(people: Home) -> None:
    tries = [try_password(people, f"name{number}", PASSWORD, at=DOOR).wait_s for number in range(60)]
    assert sum(wait_s == 0 for wait_s in tries) == OF_ADDRESS.at_once
    near = [f"2001:db8::{number:x}" for number in range(1, 60)]
    tries = [try_password(people, one, PASSWORD, at=replace(DOOR, address=one)).wait_s for one in near]
    assert sum(wait_s == 0 for wait_s in tries) == OF_ADDRESS.at_once


def test_a_right_password_does_not_count(people: Home) -> None:
    for _ in range(3 * OF_NAME.at_once):
        assert at_the_door(people, "ada", PASSWORD) == ADA


def test_tries_at_the_same_time_get_no_more(people: Home) -> None:
    waits: list[int] = []
    threads = [
        threading.Thread(target=lambda: waits.append(try_password(people, "ada", "wrong!", at=DOOR).wait_s))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(wait_s == 0 for wait_s in waits) == OF_NAME.at_once


def test_a_clock_that_goes_back_locks_nobody_out(people: Home) -> None:
    future = replace(DOOR, at=NOW + timedelta(days=300))
    for _ in range(OF_NAME.at_once):
        try_password(people, "ada", "wrong password", at=future)
    assert try_password(people, "ada", PASSWORD, at=DOOR).wait_s <= OF_NAME.every_s


def test_an_unknown_name_takes_as_long_as_a_wrong_password(real_hashes: None) -> None:
    def spent_s(kept: str | None) -> float:
        is_right(kept, "wrong password")
        began_s = time.process_time()
        is_right(kept, "wrong password")
        return time.process_time() - began_s

    known, unknown = (min(spent_s(kept) for _ in range(3)) for kept in (hash_of(PASSWORD), None))
    assert known / 2 < unknown < known * 2


def test_hashes_are_made_as_rfc_9106_says(real_hashes: None) -> None:
    assert hash_of(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_hash_of_older_parameters_is_made_anew(people: Home) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with transaction(people) as database:
        database.execute("update accounts set password_hash = ? where who = 'ada'", (weak,))
    assert at_the_door(people, "ada", PASSWORD) == ADA
    with transaction(people) as database:
        (kept,) = database.execute("select password_hash from accounts where who = 'ada'").fetchone()
    assert kept != weak
    assert at_the_door(people, "ada", PASSWORD) == ADA


def test_the_log_says_who_did_what_and_is_only_added_to(people: Home) -> None:
    try_password(people, "ada", "wrong password", at=DOOR)
    try_password(people, "my secret, in the wrong field", PASSWORD, at=DOOR)
    remove_account(people, "ben", by=replace(BOSS, who="ada"))
    newest = [(one.event, one.by, one.about, one.address) for one in last_entries(people, limit=4)]
    assert newest == [
        (LogEvent.REMOVED, "ada", "ben", "127.0.0.1"),
        (LogEvent.WRONG_PASSWORD, "", "", "192.0.2.7"),
        (LogEvent.WRONG_PASSWORD, "", "ada", "192.0.2.7"),
        (LogEvent.ADDED, "boss", "ben", "127.0.0.1"),
    ]
    before = last_entries(people)
    for change in (
        "delete from log",
        "update log set about = 'eve'",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="only added to"), transaction(people) as database:
            database.execute(change)
    assert last_entries(people) == before


def test_no_password_and_no_token_lies_in_the_database(people: Home) -> None:
    token = signed_in(people, ADA)
    try_password(people, "ada", "a wrong one, typed", at=DOOR)
    data = b"".join(path.read_bytes() for path in desk_database(people).parent.iterdir())
    for secret in (token, PASSWORD, "a wrong one, typed"):
        assert secret.encode() not in data
    assert desk_database(people).stat().st_mode & 0o077 == 0
    assert desk_database(people).parent.stat().st_mode & 0o077 == 0


def test_a_database_of_the_first_version_keeps_its_accounts(home: Home) -> None:
    path = desk_database(home)
    path.parent.mkdir()
    with sqlite3.connect(path) as first:
        first.execute(
            "create table accounts (who text primary key, role text not null, person text, "
            "language text, password_hash text not null, created_at text not null) strict"
        )
        first.execute("create table sessions (token_hash text primary key, who text not null)")
        first.execute(
            "insert into accounts values ('ada', 'admin', null, null, ?, ?)", (hash_of(PASSWORD), str(NOW))
        )
        first.execute("pragma user_version = 1")
    first.close()
    assert at_the_door(home, "ada", PASSWORD) == ADA
    add_account(home, BEN, password=OTHER, by=BOSS)
    assert list_accounts(home) == [ADA, BEN]


def test_a_damaged_database_is_named_with_what_to_do(home: Home) -> None:
    path = desk_database(home)
    path.parent.mkdir()
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(StoreError, match=r"desk\.sqlite: expected the desk's database"):
        has_accounts(home)


def test_many_processes_may_be_the_first(home: Home) -> None:
    failures: list[Exception] = []

    def first() -> None:
        try:
            has_accounts(home)
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=first) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
