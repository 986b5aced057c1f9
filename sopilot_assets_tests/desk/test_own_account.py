"""One's own account and everybody's accounts, in the browser."""

from __future__ import annotations

import re

from sopilot_assets.desk.accounts import Account, list_accounts, try_password
from sopilot_assets.desk.log import Doer, LogEvent, last_entries
from sopilot_assets.desk.roles import Role
from sopilot_assets.settings import settings_path
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import publish_text
from sopilot_assets.tasks import Step, new_task
from sopilot_assets.tasks.history import task_file
from sopilot_assets_tests.desk.conftest import NOW, PASSWORD, signed_in, visitor

NEW = "the lamp is red on Sundays"
CHANGE = {"old": PASSWORD, "new": NEW, "again": NEW}
DOOR = Doer("", "192.0.2.9", NOW)


def test_a_person_changes_their_password_and_is_signed_out_elsewhere(home: Home) -> None:
    here, elsewhere = signed_in(home), signed_in(home)
    changed = here.post("/account", data=CHANGE)
    assert changed.headers["location"] == "/account?changed=yes"
    assert "The password is changed." in here.get("/account?changed=yes").text
    assert elsewhere.get("/").status_code == 303
    assert try_password(home, "ada", PASSWORD, at=DOOR).account is None
    assert try_password(home, "ada", NEW, at=DOOR).account is not None


def test_without_the_present_password_none_is_changed(home: Home) -> None:
    browser = signed_in(home)
    wrong = browser.post("/account", data={**CHANGE, "old": "not the present one"})
    assert (wrong.status_code, "The present password is wrong." in wrong.text) == (422, True)
    differ = browser.post("/account", data={**CHANGE, "again": f"{NEW}!"})
    assert (differ.status_code, "differ" in differ.text) == (422, True)
    weak = browser.post("/account", data={"old": PASSWORD, "new": "short", "again": "short"})
    assert (weak.status_code, "expected 12 to 256 characters" in weak.text) == (422, True)
    for _ in range(5):
        browser.post("/account", data={**CHANGE, "old": "not the present one"})
    assert browser.post("/account", data=CHANGE).status_code == 429
    assert browser.get("/account").status_code == 200
    assert last_entries(home, limit=1)[0].event is LogEvent.WRONG_PASSWORD


def test_without_accounts_there_is_no_password_to_change(home: Home) -> None:
    browser = visitor(home)
    browser.post("/sign-in", data={"who": "ada"})
    assert 'type="password"' not in browser.get("/account").text
    assert 'href="/accounts"' in browser.get("/account").text


def test_the_first_account_is_an_administrators(home: Home) -> None:
    browser = visitor(home)
    browser.post("/sign-in", data={"who": "ada"})
    fields = {"who": "ada", "password": PASSWORD, "person": ""}
    refused = browser.post("/accounts", data={**fields, "role": "trainer"})
    assert (refused.status_code, "the first account" in refused.text) == (422, True)
    assert browser.post("/accounts", data={**fields, "role": "admin"}).status_code == 303
    assert browser.get("/accounts").headers["location"] == "/sign-in?then=/accounts"
    assert list_accounts(home) == [Account("ada", Role.ADMIN)]


def test_an_administrator_looks_after_accounts(home: Home) -> None:
    admin = signed_in(home)
    made = {"who": " ben ", "role": "trainee", "person": "p014", "password": PASSWORD}
    assert admin.post("/accounts", data=made).status_code == 303
    ben = signed_in(home, "ben")
    assert ben.get("/").status_code == 200
    admin.post("/accounts/role", data={"who": "ben", "role": "rater", "person": ""})
    assert Account("ben", Role.RATER) in list_accounts(home)
    assert ben.get("/").status_code == 303
    admin.post("/accounts/password", data={"who": "ben", "password": NEW})
    assert try_password(home, "ben", NEW, at=DOOR).account == Account("ben", Role.RATER)
    page = admin.get("/accounts").text
    said = [re.sub(r"<[^>]+>", "", one).strip() for one in re.findall(r"<strong>.*?</span>", page)]
    assert said[:2] == ["password changed ben", "role changed ben"]
    admin.post("/accounts/remove", data={"who": "ben"})
    assert [one.who for one in list_accounts(home)] == ["ada"]


def test_what_cannot_be_done_says_why_in_the_persons_language(home: Home) -> None:
    admin = signed_in(home)
    answer = admin.post("/accounts/remove", data={"who": "eve"}, headers={"accept-language": "ja"})
    assert (answer.status_code, "その名前のアカウントはありません。" in answer.text) == (422, True)
    assert admin.post("/accounts/role", data={"who": "ada", "role": "boss"}).status_code == 422


def test_the_desk_and_dagster_lead_to_each_other_for_who_works_with_both(home: Home) -> None:
    assert "http://127.0.0.1:3000" in signed_in(home).get("/").text
    assert "http://127.0.0.1:3000" not in signed_in(home, "ben", Role.TRAINEE).get("/").text


def test_everybody_reads_why_they_are_filmed(home: Home) -> None:
    words = "privacy: {purpose: Training on line 3, legal_basis: Agreement 7, contact: hr@example.org}\n"
    publish_text(settings_path(home), words)
    new_task(home.root, "tea", name="Tea", steps=[Step(id="boil", name="Boil")])
    source = task_file(home, "tea")
    text = source.read_text("utf-8").replace("  purpose: null ", "  purpose: 'Audit <b>of tea</b>' ")
    publish_text(source, text.replace("keep_videos_days: null", "keep_videos_days: 30"))
    browser = signed_in(home)
    account = browser.get("/account").text
    for told in ("Purpose of filming", "Training on line 3", "Agreement 7", "hr@example.org"):
        assert told in account
    upload = browser.get("/upload").text
    assert "Audit &lt;b&gt;of tea&lt;/b&gt;" in upload
    assert "for 30 days after the last decision" in upload
    publish_text(settings_path(home), "privacy: {}\n")
    assert "Purpose of filming" not in browser.get("/account").text
