"""What a rater does by keys alone, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Dialog, Page

from sopilot_assets.labels.chain import read_chain
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import publish_text
from sopilot_assets_tests.desk.browser import served, wait_until
from sopilot_assets_tests.desk.conftest import of_role

pytestmark = pytest.mark.whole

PLAYS = "document.getElementById('video')?.currentTime > 0.3 && !document.getElementById('save').disabled"


def pressed(page: Page, key: str) -> None:
    """Press a key that leads to another recording, and wait until that plays by itself."""
    before = page.url
    page.keyboard.press(key)
    page.wait_for_url(lambda url: url != before and "-t-" in url)
    wait_until(page, PLAYS)


def test_a_rater_labels_by_keys_alone_and_corrects_the_last_one(browser: Browser, judged: Home) -> None:
    publish_text(judged.root / "settings.yaml", "audit:\n  share: 1.0\n")
    task_id = of_role(judged, "trainee")[0].task_id
    with served(judged) as address:
        page = browser.new_context(base_url=address, locale="en-GB").new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto("/")
        page.get_by_label("Your name or code").fill("ann")
        page.get_by_role("button", name="Go on").click()
        page.goto("/label")
        pressed(page, "Enter")
        page.keyboard.press("Enter")
        assert "Answer first" in page.locator("#state").inner_text()
        for key in "d11":  # a missing step, the first one, at this moment
            page.keyboard.press(key)
        page.keyboard.press("1")
        page.keyboard.press("n")
        page.keyboard.type("1 d s")
        page.keyboard.press("Escape")
        first = page.url
        pressed(page, "Enter")
        page.keyboard.press("2")
        pressed(page, "Enter")
        pressed(page, "b")
        page.keyboard.press("3")
        pressed(page, "Enter")
        assert faults == []
        page.context.close()
    said = read_chain(judged, task_id)
    assert [event.critical_expected for event in said] == [True, False, None]
    (seen,) = said[0].seen
    assert first.endswith(said[0].key)
    assert (seen.type.value, len(seen.steps), said[0].note) == ("missing_step", 1, "1 d s")
    assert seen.at_s is not None
    assert seen.at_s > 0
    assert said[1].key == said[2].key


def test_who_leaves_with_something_unsaved_is_asked(browser: Browser, judged: Home) -> None:
    publish_text(judged.root / "settings.yaml", "audit:\n  share: 1.0\n")
    with served(judged) as address:
        page = browser.new_context(base_url=address, locale="en-GB").new_page()
        page.goto("/")
        page.get_by_label("Your name or code").fill("ann")
        page.get_by_role("button", name="Go on").click()
        page.goto("/label")
        pressed(page, "Enter")
        asked: list[str] = []

        def stay(dialog: Dialog) -> None:
            asked.append(dialog.type)
            dialog.dismiss()

        page.on("dialog", stay)
        for key in "d11":
            page.keyboard.press(key)
        here = page.url
        page.keyboard.press("s")
        wait_until(page, "document.querySelectorAll('#seen li').length === 1")
        page.wait_for_timeout(200)
        assert (page.url, asked) == (here, ["beforeunload"])
        page.keyboard.press("Backspace")
        page.wait_for_timeout(200)
        pressed(page, "s")
        assert asked == ["beforeunload"]
        page.context.close()
