"""Who is at the desk, and until when."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from markupsafe import escape
from starlette.testclient import TestClient

from sopilot_assets.desk.app import create_app
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.database import desk_database
from sopilot_assets.desk.sessions import IDLE, LONGEST
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.desk.conftest import HERE, NOW, PASSWORD, signed_in, visitor


def test_without_accounts_it_asks_who_you_are_and_no_password(home: Home) -> None:
    browser = visitor(home)
    assert browser.get("/").headers["location"] == "/sign-in?then=/"
    assert 'type="password"' not in browser.get("/sign-in").text
    assert browser.post("/sign-in", data={"who": "ada"}).headers["location"] == "/"
    assert "ada" in browser.get("/").text


@pytest.mark.parametrize("who", ["", "two words", "a,b", "x" * 65, "a\x00b"])
def test_a_name_that_no_event_can_hold_is_not_taken(home: Home, who: str) -> None:
    answer = visitor(home).post("/sign-in", data={"who": who})
    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers


def test_with_accounts_a_wrong_password_lets_nobody_in(home: Home) -> None:
    signed_in(home, "ada")
    browser = visitor(home)
    for who, password in (("ada", "wrong password!"), ("bob", PASSWORD), ("ada", "")):
        answer = browser.post("/sign-in", data={"who": who, "password": password})
        assert (answer.status_code, "set-cookie" in answer.headers) == (422, False)
    assert browser.get("/").status_code == 303


def test_a_session_ends_by_signing_out_also_for_who_kept_the_cookie(home: Home) -> None:
    browser = signed_in(home)
    kept = dict(browser.cookies)
    left = browser.post("/sign-out")
    assert (left.status_code, left.headers["clear-site-data"]) == (303, '"cache"')
    other = visitor(home)
    other.cookies.update(kept)
    assert other.get("/").status_code == 303


@pytest.mark.parametrize("later", [IDLE + timedelta(seconds=1), LONGEST + timedelta(seconds=1)])
def test_a_session_ends_by_itself(home: Home, later: timedelta) -> None:
    browser = signed_in(home)
    app = create_app(DeskConfig(home), clock=lambda: NOW + later)
    afterwards = TestClient(app, base_url=HERE, cookies=dict(browser.cookies), follow_redirects=False)
    assert afterwards.get("/", headers={"accept": "text/html"}).status_code == 303


@pytest.mark.parametrize("path", ["/", "/no_such_page"])
def test_a_damaged_database_is_said_to_who_is_signed_in(home: Home, path: str) -> None:
    browser = signed_in(home)
    file = desk_database(home)
    for left in file.parent.glob(f"{file.name}-*"):
        left.unlink()
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    answer = browser.get(path)
    assert answer.status_code == 422
    assert "desk.sqlite: expected the desk&#39;s database" in answer.text


@pytest.mark.parametrize(
    "then", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x"]
)
def test_it_leads_nowhere_else_after_signing_in(home: Home, then: str) -> None:
    answer = visitor(home).post("/sign-in", data={"who": "ada", "then": then})
    assert answer.headers["location"] == "/"


def test_two_desks_on_one_host_leave_each_other_signed_in(tmp_path: Path) -> None:
    names: set[str] = set()
    for port in (8000, 8001):
        home = Home.at(tmp_path / str(port))
        prepare_home(home)
        desk = TestClient(
            create_app(DeskConfig(home), clock=lambda: NOW), base_url=f"http://127.0.0.1:{port}"
        )
        desk.post("/sign-in", data={"who": "ada"}, headers={"x-sopilot": "1"}, follow_redirects=False)
        names.update(desk.cookies.keys())
    assert names == {"sopilot_desk_8000", "sopilot_desk_8001"}


MARKUP = '"><script>alert(1)</script>'


def test_what_was_typed_is_there_to_be_sent_again_after_the_session_ended(home: Home) -> None:
    signed_in(home)
    browser, typed = visitor(home), {"name": "Lid check", "step_name": ["Open", MARKUP]}
    page = browser.post("/tasks/-/new", data=typed)
    assert page.status_code == 401
    for name, value in (("name", "Lid check"), ("step_name", "Open"), ("step_name", str(escape(MARKUP)))):
        assert f'<input type="hidden" name="{name}" value="{value}">' in page.text
    assert MARKUP not in page.text
    assert 'action="/tasks/-/new"' in page.text


@pytest.mark.parametrize("path", ["/account", "/accounts", "/accounts/password"])
def test_a_password_is_never_shown_again(home: Home, path: str) -> None:
    signed_in(home)
    page = visitor(home).post(path, data={"who": "ada", "password": PASSWORD, "new": PASSWORD})
    assert (page.status_code, PASSWORD in page.text) == (401, False)


def test_a_script_is_told_that_nobody_is_signed_in(home: Home) -> None:
    signed_in(home)
    headers = {"accept": "application/json", "accept-language": "ja"}
    told = visitor(home).post("/tasks/-/new", data={"name": "x"}, headers=headers)
    assert told.status_code == 401
    assert "サインイン" in told.json()["error"]


def test_the_language_is_kept(home: Home) -> None:
    browser = visitor(home)
    assert 'lang="en"' in browser.get("/sign-in").text
    browser.post("/language", data={"language": "ja"})
    assert "お名前" in browser.get("/sign-in").text
