"""What people do at the desk, and then find, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from sopilot_assets.store.home import Home
from sopilot_assets_tests.desk.browser import served

pytestmark = pytest.mark.whole


@pytest.fixture
def page(browser: Browser, home: Home) -> Iterator[Page]:
    with served(home) as address:
        context = browser.new_context(base_url=address, locale="en-GB")
        yield context.new_page()
        context.close()


def test_a_person_says_who_they_are_and_is_there(page: Page) -> None:
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.goto("/")
    page.get_by_label("Your name or code").fill("ada")
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("heading", name="Today").wait_for()
    page.get_by_role("button", name="日本語").click()
    page.get_by_role("heading", name="今日").wait_for()
    assert troubles == []


def test_the_enter_that_ends_a_word_in_japanese_stays_in_its_field(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Your name or code").fill("ada")
    page.get_by_role("button", name="Go on").click()
    page.goto("/tasks/-/new")
    name = page.locator("#steps input:not([type=hidden])").first
    name.focus()
    for composing, row in ((True, 0), (False, 1)):
        event = {"key": "Enter", "isComposing": composing, "bubbles": True, "cancelable": True}
        name.dispatch_event("keydown", event)
        rows = "[...document.getElementById('steps').children]"
        assert page.evaluate(f"{rows}.findIndex((row) => row.contains(document.activeElement))") == row
