"""Tokens: made, shown once, kept as hashes, ended; and their page."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from sopilot_assets.desk.accounts import Account, add_account, change_role, remove_account
from sopilot_assets.desk.database import desk_database
from sopilot_assets.desk.log import LogEvent, last_entries
from sopilot_assets.desk.roles import Role
from sopilot_assets.desk.tokens import (
    LONGEST_DAYS,
    PREFIX,
    Scope,
    add_token,
    list_tokens,
    present_token,
    remove_token,
)
from sopilot_assets.errors import AccountError
from sopilot_assets.store.home import Home
from sopilot_assets_tests.desk.conftest import BOSS, NOW, PASSWORD, signed_in

DOOR = replace(BOSS, who="")
LATER = replace(DOOR, at=NOW + timedelta(days=30))


def token(home: Home, name: str = "mes", *scopes: Scope, days: int = 30, owner: str | None = None) -> str:
    return add_token(home, name, scopes or [Scope.RESULTS], days=days, owner=owner, by=BOSS)


def admins(home: Home, *names: str) -> None:
    for who in names:
        add_account(home, Account(who, Role.ADMIN), password=PASSWORD, by=BOSS)


def test_a_token_holds_until_it_expires(home: Home) -> None:
    made = token(home)
    found = present_token(home, made, at=DOOR).token
    assert found is not None
    assert (found.name, found.scopes, found.owner) == ("mes", {Scope.RESULTS}, None)
    assert present_token(home, made, at=replace(LATER, at=LATER.at - timedelta(seconds=1))).token is not None
    assert present_token(home, made, at=LATER).token is None
    assert last_entries(home)[0].event is LogEvent.WRONG_TOKEN
    assert last_entries(home)[0].about == "mes"


def test_when_it_was_used_is_noted_once_a_minute(home: Home) -> None:
    made = token(home)
    assert list_tokens(home)[0].used_at is None
    for seconds, noted in ((0, 0), (59, 0), (61, 61)):
        present_token(home, made, at=replace(DOOR, at=NOW + timedelta(seconds=seconds)))
        assert list_tokens(home)[0].used_at == (NOW + timedelta(seconds=noted)).isoformat()


def test_the_database_does_not_hold_the_token(home: Home) -> None:
    made = token(home)
    assert len(made) > 40
    for path in desk_database(home).parent.iterdir():
        assert made.removeprefix(PREFIX).encode() not in path.read_bytes()


def test_a_removed_token_is_over_at_once(home: Home) -> None:
    made = token(home)
    remove_token(home, "mes", by=BOSS)
    assert present_token(home, made, at=DOOR).token is None
    assert [one.event for one in last_entries(home)] == [
        LogEvent.WRONG_TOKEN,
        LogEvent.TOKEN_REMOVED,
        LogEvent.TOKEN_ADDED,
    ]
    with pytest.raises(AccountError, match="none of this name"):
        remove_token(home, "mes", by=BOSS)


@pytest.mark.parametrize("leaves", ["removed", "no administrator"])
def test_the_tokens_of_who_leaves_end(home: Home, leaves: str) -> None:
    admins(home, "ada", "eve")
    hers, others = token(home, "hers", owner="eve"), token(home, "his", owner="ada")
    if leaves == "removed":
        remove_account(home, "eve", by=BOSS)
    else:
        change_role(home, "eve", Role.TRAINER, person=None, by=BOSS)
    assert present_token(home, hers, at=DOOR).token is None
    assert present_token(home, others, at=DOOR).token is not None
    assert [one.name for one in list_tokens(home)] == ["his"]


@pytest.mark.parametrize(
    ("name", "scopes", "days", "owner"),
    [
        ("", [Scope.RESULTS], 30, None),
        ("a b", [Scope.RESULTS], 30, None),
        ("mes", [], 30, None),
        ("mes", [Scope.RESULTS], 0, None),
        ("mes", [Scope.RESULTS], LONGEST_DAYS + 1, None),
        ("mes", [Scope.RESULTS], 30, "nobody"),
        ("mes", [Scope.RESULTS], 30, "tim"),
    ],
)
def test_what_is_no_token_is_refused(
    home: Home, name: str, scopes: list[Scope], days: int, owner: str | None
) -> None:
    add_account(home, Account("tim", Role.TRAINER), password=PASSWORD, by=BOSS)
    with pytest.raises(AccountError):
        add_token(home, name, scopes, days=days, owner=owner, by=BOSS)
    assert list_tokens(home) == []


def test_a_name_is_given_once(home: Home) -> None:
    token(home)
    with pytest.raises(AccountError, match="already"):
        token(home)


def test_wrong_tokens_have_a_pace_and_right_ones_none(home: Home) -> None:
    made = token(home)
    tries = [present_token(home, f"{PREFIX}{number}", at=DOOR) for number in range(40)]
    assert [one.wait_s > 0 for one in tries] == [False] * 30 + [True] * 10
    assert tries[-1].wait_s == 10
    assert present_token(home, made, at=DOOR).token is not None
    wrong = [one for one in last_entries(home, limit=1000) if one.event is LogEvent.WRONG_TOKEN]
    assert len(wrong) == 30, "tries that wait do not fill the log"
    signed_in(home)  # signing in from the same address has a count of its own


def test_tokens_are_made_shown_once_and_removed_on_their_page(home: Home) -> None:
    browser = signed_in(home)
    fields = {"name": "mes", "days": "90", "scope_results": "yes", "scope_persons": "yes"}
    answer = browser.post("/accounts/tokens", data=fields)
    made = re.search(r"<code>(sopilot_[^<]+)</code>", answer.text)
    assert made is not None
    assert answer.headers["cache-control"] == "no-store"
    found = present_token(home, made[1], at=DOOR).token
    assert found is not None
    assert (found.owner, found.scopes) == ("ada", {Scope.RESULTS, Scope.PERSONS})
    assert made[1] not in browser.get("/accounts/tokens").text
    assert "token made" in browser.get("/accounts").text
    again = browser.post("/accounts/tokens", data={**fields, "days": "91"})
    assert (again.status_code, 'value="91"' in again.text) == (422, True)
    assert browser.post("/accounts/tokens/remove", data={"name": "mes"}).status_code == 303
    assert list_tokens(home) == []
    assert browser.post("/accounts/tokens/remove", data={"name": "mes"}).status_code == 422


def test_without_accounts_there_are_no_tokens_of_people(home: Home) -> None:
    from sopilot_assets_tests.desk.conftest import visitor

    browser = visitor(home)
    browser.post("/sign-in", data={"who": "ada"})
    assert "Nobody has an account yet" in browser.get("/accounts/tokens").text
    fields = {"name": "mes", "days": "90", "scope_results": "yes"}
    assert browser.post("/accounts/tokens", data=fields).status_code == 422
    assert list_tokens(home) == []


def test_a_database_of_before_keeps_its_accounts_and_sessions(home: Home) -> None:
    import sqlite3

    browser = signed_in(home)
    with sqlite3.connect(desk_database(home)) as connection:
        connection.execute("drop table tokens")
        connection.execute("pragma user_version = 2")
    assert browser.get("/accounts/tokens").status_code == 200
    assert token(home, owner="ada")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_page_of_the_api_tells_every_endpoint(home: Home, language: str) -> None:
    from sopilot_assets.desk.api.endpoints import ENDPOINTS

    page = signed_in(home).get("/api", headers={"accept-language": language}).text
    for one in ENDPOINTS:
        assert f"/api/v1{one.path}" in page
        assert (one.title.ja if language == "ja" else one.title.en) in page
