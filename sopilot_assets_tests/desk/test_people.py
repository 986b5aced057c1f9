"""People at the desk: the list, a person's results, and who may see whose."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sopilot_assets.desk.roles import Role
from sopilot_assets.people import persons
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import Step, new_task
from sopilot_assets_tests.desk.browser import chromium, served
from sopilot_assets_tests.desk.conftest import signed_in
from sopilot_assets_tests.desk.test_accessible import faults
from sopilot_assets_tests.people.made_up import SKIPPED, record

ODD = "a/b?c=#<b>x</b>&d"


@pytest.fixture
def gaskets(home: Home) -> Home:
    """A home with recordings of a learner, of somebody with few, and of one with an odd code."""
    steps = [Step(id="oil", name="Oil the gasket", name_ja="油を塗る"), Step(id="close", name="Close it")]
    new_task(home.root, "gasket", name="Gasket", steps=steps)
    learner = ["fail"] * 6 + ["pass"] * 14
    record(
        home,
        "p1",
        learner,
        found={0: [SKIPPED], 1: [SKIPPED]},
        days=2,
        seconds=[40 / (n + 1) ** 0.3 for n in range(20)],
    )
    record(home, "p2", ["pass", "needs_review"], unknown=[1])
    record(home, ODD, ["pass"])
    record(home, None, ["pass"])
    return home


def test_the_list_leads_to_each_person_whatever_their_code(gaskets: Home) -> None:
    browser = signed_in(gaskets)
    page = browser.get("/people").text
    assert "count as nobody&#39;s: 1." in page
    links = re.findall(r'class="person" href="([^"]*)"', page)
    assert len(links) == 3
    for link in links:
        answer = browser.get(link.replace("&amp;", "&"))
        assert answer.status_code == 200
        assert "<b>x</b>" not in answer.text


def test_a_page_says_what_is_known_and_where_to_look(gaskets: Home) -> None:
    page = signed_in(gaskets).get("/people/results?person=p1").text
    assert "Of the last 10 decided recordings 10 passed." in page
    assert "between 72 and 100 %" in page
    assert "In 2 of 20 recordings, 0 of the last 5." in page
    assert len(re.findall(r'href="/recordings/gasket-t-[0-9a-f]{12}#deviation-0"', page)) == 2
    assert "It gets faster: about 40 s at the beginning, about 16 s now" in page
    assert "lately 4.2 s" in page
    assert "golds 4.0–8.0 s" in page
    assert page.count('class="mark pass"') > 14


def test_with_few_recordings_it_says_so_and_draws_no_curve(gaskets: Home) -> None:
    browser = signed_in(gaskets)
    page = browser.get("/people/results?person=p2").text
    assert "Too few recordings to say how it develops: 1 decided, a curve needs 10." in page
    assert "1 of them have no time of recording" in page
    assert "polyline" not in page
    japanese = browser.get("/people/results?person=p2", headers={"accept-language": "ja"}).text
    assert "推移はまだ分かりません" in japanese


def test_a_trainee_sees_their_own_results_and_nobody_elses(gaskets: Home) -> None:
    browser = signed_in(gaskets, "ben", Role.TRAINEE, "p2")
    assert 'href="/people/results"' in browser.get("/").text
    page = browser.get("/people/results")
    assert (page.status_code, "My results" in page.text) == (200, True)
    assert "p1" not in page.text
    assert browser.get("/people/results?person=p2&task=gasket").status_code == 200
    for other in ("p1", "P2", "p2 ", "nobody", "%00"):
        answer = browser.get(f"/people/results?person={other}")
        assert answer.status_code == 404, other
        assert "20" not in re.sub(r"<[^>]*>", "", answer.text)
    assert browser.get("/people/results?person=p2&task=valve").status_code == 404
    assert browser.get("/people").status_code == 403


def test_a_trainee_without_a_code_has_no_results(gaskets: Home) -> None:
    browser = signed_in(gaskets, "eve", Role.TRAINEE)
    page = browser.get("/people/results")
    assert (page.status_code, "No recordings of yours yet" in page.text) == (200, True)
    assert browser.get("/people/results?person=p1").status_code == 404


def test_raters_get_none_of_it(gaskets: Home) -> None:
    browser = signed_in(gaskets, "rae", Role.RATER)
    assert browser.get("/people").status_code == 403
    assert browser.get("/people/results?person=p1").status_code == 403
    assert "/people" not in browser.get("/").text


def test_who_is_not_there_is_not_found_and_without_a_person_one_chooses(gaskets: Home) -> None:
    browser = signed_in(gaskets)
    assert browser.get("/people/results?person=p9").status_code == 404
    assert browser.get("/people/results").headers["location"] == "/people"
    assert "Nobody matches." in browser.get("/people?q=p9&task=<script>&page=x").text


def test_the_list_has_pages_that_keep_what_was_asked(gaskets: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persons, "PER_PAGE", 1)
    browser = signed_in(gaskets)
    first = browser.get("/people?q=P&task=gasket").text
    assert 'rel="prev"' not in first
    (link,) = re.findall(r'rel="next" href="([^"]*)"', first)
    last = browser.get(link.replace("&amp;", "&")).text
    assert 'class="person" href="/people/results?person=p2&amp;task=gasket"' in last
    assert 'rel="next"' not in last
    assert 'rel="prev"' in last


@pytest.mark.whole
@pytest.mark.parametrize(("locale", "scheme", "width"), [("en-GB", "light", 1920), ("ja-JP", "dark", 360)])
def test_nobody_is_shut_out_of_a_persons_page(gaskets: Home, locale: str, scheme: Any, width: int) -> None:
    with chromium() as browser, served(gaskets) as address:
        context = browser.new_context(
            base_url=address,
            locale=locale,
            color_scheme=scheme,
            viewport={"width": width, "height": 800},
        )
        page = context.new_page()
        page.goto("/people/results?person=p1")
        page.locator("input[name=who]").fill("ada")
        page.locator("button.main").click()
        page.locator(".plot").first.wait_for()
        page.locator("details summary").last.click()
        assert faults(page) == []
        assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        page.locator(".plot .mark.pass").first.click(force=True)
        page.wait_for_url("**/recordings/gasket-t-*")
