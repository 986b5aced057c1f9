"""What people try who are not meant to: every address of the desk, without a session, with the wrong role,
from another site; forged sessions, headers and paths; script in every field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from sopilot_assets.desk.accounts import list_accounts
from sopilot_assets.desk.app import create_app, routes
from sopilot_assets.desk.bodies import LONGEST_BODY
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.guards import LONGEST_HEADERS, POLICY, SAFE
from sopilot_assets.desk.log import LogEvent, last_entries
from sopilot_assets.desk.roles import Role
from sopilot_assets.desk.routing import DeskRoute
from sopilot_assets.store.home import Home
from sopilot_assets_tests.desk.conftest import HERE, NOW, PASSWORD, of_role, signed_in, visitor

PUBLIC = "https://desk.example.org"
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'{{7*7}}"
OPEN_TO_ALL = {("/sign-in", "GET"), ("/sign-in", "POST"), ("/language", "POST")}
EVERY = [(route, method) for route in routes() for method in route.methods]
NAMED = [f"{method} {route.path}" for route, method in EVERY]
GUARDED = [(route, method) for route, method in EVERY if route.roles is not None]
WRONG_ROLES = [
    (route, method, role) for route, method in GUARDED for role in Role if role not in (route.roles or ())
]


def path_of(route: DeskRoute) -> str:
    """The path with something in the place of each parameter."""
    numbered = re.sub(r"\{[^}]+:(int|float)\}", "1", route.path)
    return re.sub(r"\{[^}]+\}", "filter_change-t-1f3a9c2b7d04", numbered)


def elsewhere(home: Home, *, config: DeskConfig | None = None, client: str = "192.0.2.7") -> TestClient:
    """A browser on another machine."""
    base = PUBLIC if config is not None and config.secure else HERE
    return TestClient(
        create_app(config or DeskConfig(home), clock=lambda: NOW),
        base_url=base,
        headers={"origin": base, "accept": "text/html"},
        client=(client, 50000),
        follow_redirects=False,
    )


def test_only_what_is_meant_for_all_is_open_to_all() -> None:
    assert {(route.path, method) for route, method in EVERY if route.roles is None} == OPEN_TO_ALL


@pytest.mark.parametrize(("route", "method"), GUARDED, ids=[f"{one[1]} {one[0].path}" for one in GUARDED])
def test_without_a_session_nothing_is_answered(home: Home, route: DeskRoute, method: str) -> None:
    signed_in(home)
    browser = visitor(home)
    for cookies in (
        {},
        {"sopilot_desk_8000": "0" * 43},
        {"sopilot_desk_8000": "' or 1=1 --"},
        {"__Host-sopilot_8000": "x"},
    ):
        browser.cookies.clear()
        browser.cookies.update(cookies)
        answer = browser.request(method, path_of(route))
        if method in ("GET", "HEAD"):
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/sign-in?then=/")
        else:
            assert answer.status_code == 401


@pytest.mark.parametrize(
    ("route", "method", "role"), WRONG_ROLES, ids=[f"{one[2]} {one[1]} {one[0].path}" for one in WRONG_ROLES]
)
def test_with_the_wrong_role_nothing_is_answered(
    home: Home, route: DeskRoute, method: str, role: Role
) -> None:
    signed_in(home)
    before = list_accounts(home)
    browser = signed_in(home, "mallory", role)
    assert (
        browser.request(method, path_of(route), data={"who": "mallory", "role": "admin"}).status_code == 403
    )
    assert [one for one in list_accounts(home) if one.who != "mallory"] == before


CHANGING = [(route, method) for route, method in EVERY if method not in SAFE]


@pytest.mark.parametrize(("route", "method"), CHANGING, ids=[f"{one[1]} {one[0].path}" for one in CHANGING])
def test_from_another_site_nothing_is_changed(home: Home, route: DeskRoute, method: str) -> None:
    browser = signed_in(home)
    lies = (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": HERE, "sec-fetch-site": "cross-site"},
        {"origin": HERE, "sec-fetch-site": "same-site"},
        {"origin": ""},
    )
    for lie in lies:
        answer = browser.request(method, path_of(route), headers=lie, data={"who": "ada", "role": "rater"})
        assert answer.status_code == 403, lie
    del browser.headers["origin"]
    assert browser.request(method, path_of(route)).status_code == 403
    assert browser.get("/account").status_code == 200, "still signed in, as what she was"


@pytest.mark.parametrize(("route", "method"), EVERY, ids=NAMED)
def test_every_answer_has_the_headers(home: Home, route: DeskRoute, method: str) -> None:
    answer = visitor(home).request(method, path_of(route))
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert "unsafe" not in POLICY


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "localhost:8000@evil.example"]
)
def test_another_host_name_is_refused(home: Home, host: str) -> None:
    assert visitor(home).get("/sign-in", headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    "header",
    [
        {"x-forwarded-for": "127.0.0.1"},
        {"x-forwarded-host": "evil.example"},
        {"x-forwarded-proto": "https"},
        {"forwarded": "for=127.0.0.1"},
        {"x-real-ip": "127.0.0.1"},
        {"via": "1.1 somebody"},
        {"x-long": "x" * LONGEST_HEADERS},
    ],
    ids=lambda header: next(iter(header)),
)
def test_what_says_that_a_proxy_sends_it_is_refused_where_none_is(home: Home, header: dict[str, str]) -> None:
    assert visitor(home).get("/sign-in", headers=header).status_code == 403
    assert elsewhere(home).get("/sign-in", headers=header).status_code == 403


@pytest.mark.parametrize("client", ["192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7", "0.0.0.0"])
def test_another_machine_gets_nothing_without_accounts_nor_without_tls(home: Home, client: str) -> None:
    assert "TLS" in elsewhere(home, client=client).get("/sign-in").text
    signed_in(home)
    assert elsewhere(home, client=client).get("/sign-in").status_code == 403
    assert elsewhere(home, client=client).get("/static/desk.css").status_code == 403


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_answered(home: Home, client: str) -> None:
    assert elsewhere(home, client=client).get("/sign-in").status_code == 200


@pytest.mark.parametrize("behind_proxy", [True, False])
def test_over_tls_other_machines_are_answered_once_there_are_accounts(home: Home, behind_proxy: bool) -> None:
    browser = elsewhere(home, config=DeskConfig(home, PUBLIC, behind_proxy))
    refused = browser.get("/sign-in")
    assert (refused.status_code, "nobody has an account" in refused.text) == (403, True)
    signed_in(home)
    answer = browser.get("/sign-in")
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    session = browser.post("/sign-in", data={"who": "ada", "password": PASSWORD}).headers["set-cookie"]
    assert session.startswith("__Host-sopilot=")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(session.split("; "))
    assert "domain" not in session.lower()
    assert browser.get("/").status_code == 200


def test_behind_a_proxy_only_the_last_address_that_it_says_is_believed(home: Home) -> None:
    signed_in(home)
    browser = elsewhere(home, config=DeskConfig(home, PUBLIC, True), client="127.0.0.1")
    told = {"x-forwarded-for": "127.0.0.1, 198.51.100.4"}
    browser.post("/sign-in", data={"who": "ada", "password": "wrong password"}, headers=told)
    assert last_entries(home, limit=1)[0].address == "198.51.100.4"
    told = {"x-forwarded-for": "198.51.100.4, <script>"}
    browser.post("/sign-in", data={"who": "ada", "password": "wrong password"}, headers=told)
    assert last_entries(home, limit=1)[0].address == "127.0.0.1"


def test_a_session_id_from_outside_is_never_taken(home: Home) -> None:
    signed_in(home)
    browser = visitor(home)
    browser.cookies.set("sopilot_desk_8000", "chosen-by-somebody-else")
    answer = browser.post("/sign-in", data={"who": "ada", "password": PASSWORD})
    assert "chosen-by-somebody-else" not in answer.headers["set-cookie"]
    other = visitor(home)
    other.cookies.set("sopilot_desk_8000", "chosen-by-somebody-else")
    assert other.get("/").status_code == 303


def test_signing_in_again_ends_the_session_before(home: Home) -> None:
    browser = signed_in(home)
    kept = dict(browser.cookies)
    browser.post("/sign-in", data={"who": "ada", "password": PASSWORD})
    assert dict(browser.cookies) != kept
    other = visitor(home)
    other.cookies.update(kept)
    assert other.get("/").status_code == 303


@pytest.mark.parametrize("then", ["/recordings", "/recordings?task=tea&page=2", "/recordings/録画"])
def test_after_signing_in_one_is_where_one_wanted_to_be(home: Home, then: str) -> None:
    browser = visitor(home)
    asked = browser.get(f"/account?next={quote(then)}")
    form = browser.get(asked.headers["location"])
    *_, value = map(unescape, re.findall(r'name="then" value="([^"]*)"', form.text))
    answer = browser.post("/sign-in", data={"who": "ada", "then": value})
    assert answer.headers["location"] == f"/account?next={quote(then)}"


@pytest.mark.parametrize(
    "then",
    [
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "https:evil.example",
        "/\r\nSet-Cookie: a=b",
        "\\/evil",
    ],
)
@pytest.mark.parametrize("form", ["/sign-in", "/language"])
def test_no_form_leads_elsewhere(home: Home, then: str, form: str) -> None:
    answer = visitor(home).post(form, data={"who": "ada", "language": "ja", "then": then})
    assert answer.headers["location"] == "/"
    assert "a=b" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../database.py",
        "/static/%2e%2e/database.py",
        "/static/..%2f..%2fdatabase.py",
        "/static//etc/passwd",
        "/static/review/../../../settings.py",
        "/static/%00",
        "/desk/desk.sqlite",
        "/../desk/desk.sqlite",
        "/accounts/../desk.sqlite",
        "/%2e%2e/%2e%2e/etc/passwd",
    ],
)
def test_a_path_leads_nowhere_else(home: Home, path: str) -> None:
    answer = signed_in(home).get(path)
    assert answer.status_code in (303, 404), answer.text
    assert "SQLite format" not in answer.text
    assert "root:" not in answer.text


class Tags(HTMLParser):
    """The tags of a page, and attributes by which script could run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripts.append(dict(attrs).get("src") or "inline")
        self.handlers += [
            name for name, value in attrs if name.startswith("on") or (value or "").startswith("javascript:")
        ]
        self.handlers += ["style" for name, _ in attrs if name == "style"]


def pages_with_script(home: Home) -> Iterator[str]:
    """What the forms show when every field holds script."""
    yield visitor(home).post("/sign-in", data=dict.fromkeys(("who", "password", "then"), SCRIPT)).text
    admin = signed_in(home)
    yield visitor(home).post("/sign-in", data=dict.fromkeys(("who", "password", "then"), SCRIPT)).text
    short = "<b>x</b>"
    fields = {"who": short, "person": short, "password": PASSWORD, "role": "rater"}
    assert admin.post("/accounts", data=fields).status_code == 303
    for path in ("/accounts", "/accounts/role", "/accounts/password", "/accounts/remove", "/account"):
        names = ("who", "role", "person", "password", "old", "new", "again")
        yield admin.post(path, data=dict.fromkeys(names, SCRIPT)).text
    yield admin.get("/accounts").text
    yield admin.get(f"/account?changed={quote(SCRIPT)}").text
    yield admin.get(f"/{quote(SCRIPT, safe='')}").text
    yield visitor(home).get(f"/sign-in?then={quote(SCRIPT)}").text


def test_script_in_any_field_is_text(home: Home) -> None:
    for page in pages_with_script(home):
        tags = Tags(page)
        assert [src for src in tags.scripts if not src.startswith("/static/")] == []
        assert tags.handlers == []
        assert "<b>x</b>" not in page
        assert "49" not in re.sub(r"\d{4}-\d\d-\d\d[^<]*", "", page)


@pytest.mark.parametrize("field", ["who", "person", "role", "password"])
def test_odd_bytes_in_a_form_break_nothing(home: Home, field: str) -> None:
    admin = signed_in(home)
    given = {"who": "ben", "person": "p1", "role": "rater", "password": PASSWORD}
    for odd in ("\x00", "\u202etxt", "x" * 5000, "a\r\nb"):
        answer = admin.post("/accounts", data={**given, field: odd})
        assert answer.status_code in (303, 422)
    assert {one.who for one in list_accounts(home)} <= {"ada", "ben"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/recordings?page={}", 200),
        ("/people?page={}", 200),
        ("/stills/filter_change-t-1f3a9c2b7d04/{}.jpg", 404),
    ],
)
def test_a_number_of_thousands_of_digits_breaks_nothing(judged: Home, path: str, status: int) -> None:
    assert signed_in(judged).get(path.format("9" * 5000)).status_code == status


def test_a_finding_by_a_number_of_thousands_of_digits_is_none(judged: Home) -> None:
    (one, *_) = of_role(judged, "trainee")
    fields = {"kind": "finding", "finding": "9" * 5000, "agree": "no", "note": "it was seated"}
    assert signed_in(judged).post(f"/recordings/{one.key}/say", data=fields).status_code == 422


def test_a_form_that_is_too_long_is_refused_before_it_is_read(home: Home) -> None:
    browser = visitor(home)
    lie = browser.post("/sign-in", content=b"who=ada", headers={"content-length": str(10 << 30)})
    assert lie.status_code == 413
    assert "1024 KiB" in lie.text

    def drip() -> Iterator[bytes]:
        for _ in range(2 * LONGEST_BODY >> 16):
            yield b"x" * (1 << 16)

    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert browser.post("/sign-in", content=drip(), headers=kind).status_code == 413


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
)
def test_a_form_that_is_none_is_refused(home: Home, kind: str) -> None:
    content = b'--x\r\nContent-Disposition: form-data; name="who"; filename="a"\r\n\r\nada\r\n--x--\r\n'
    answer = visitor(home).post("/sign-in", content=content, headers={"content-type": kind})
    assert answer.status_code in (400, 422)
    assert "set-cookie" not in answer.headers


def test_a_thousand_wrong_passwords_at_the_page(home: Home) -> None:
    signed_in(home)
    browser = visitor(home)
    codes = [
        browser.post("/sign-in", data={"who": "ada", "password": f"wrong password {number}"}).status_code
        for number in range(300)
    ]
    assert codes == [422] * 5 + [429] * 295
    answer = browser.post("/sign-in", data={"who": "ada", "password": PASSWORD})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert "Wait 60 s" in answer.text
    wrong = [one for one in last_entries(home, limit=1000) if one.event is LogEvent.WRONG_PASSWORD]
    assert len(wrong) == 5, "tries that wait do not fill the log"


def test_what_is_not_there_says_so_in_both_languages(home: Home) -> None:
    browser = visitor(home)
    assert browser.get("/nothing").status_code == 404
    assert "There is no such page." in browser.get("/nothing").text
    assert "このページはありません。" in browser.get("/nothing", headers={"accept-language": "ja"}).text
    assert browser.put("/sign-in").status_code == 405
