"""What people do with recordings at the desk, and then find, in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from sopilot_assets.labels.chain import read_chain
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.desk.browser import served, wait_until
from sopilot_assets_tests.desk.conftest import of_role

pytestmark = pytest.mark.whole

PATIENCE_MS = 30_000


@pytest.fixture
def page(browser: Browser, judged: Home) -> Iterator[Page]:
    """A page at which ada is signed in, of a browser that must not complain."""
    troubles: list[str] = []
    with served(judged) as address:
        context = browser.new_context(base_url=address, locale="en-GB")
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto("/")
        page.get_by_label("Your name or code").fill("ada")
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("heading", name="Today").wait_for()
        yield page
        context.close()
    assert troubles == []


def test_a_trainer_looks_jumps_to_a_finding_disagrees_and_finds_it_in_the_history(
    page: Page, judged: Home
) -> None:
    one = of_role(judged, "trainee")[0]
    page.get_by_role("link", name="Recordings").click()
    page.get_by_role("link", name=one.original_name).click()
    wait_until(page, "document.getElementById('trainee-video').readyState >= 2")
    page.locator("#deviation-0 .jump").click()
    wait_until(page, "document.querySelector('#deviation-0[aria-current]') !== null")
    there = page.evaluate("document.getElementById('trainee-video').currentTime")
    page.locator("#whole-note").fill("not sent yet")
    page.locator("#agree-0-no").click()
    expect(page.locator("#agree-0-no")).to_have_attribute("aria-pressed", "true", timeout=PATIENCE_MS)
    expect(page.locator("#agree-0-no")).to_be_focused()
    expect(page.locator("#whole-note")).to_have_value("not sent yet")
    page.locator("#answers-0 summary").click()
    page.get_by_label("Comment on this finding").first.fill("np, hidden by the hand")  # keys of the player
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("np, hidden by the hand", timeout=PATIENCE_MS)
    assert page.evaluate("document.getElementById('trainee-video').currentTime") == there
    assert [event.who for event in read_chain(judged, one.task_id)] == ["ada", "ada"]


def test_a_result_that_was_contested_says_so_at_once_and_leads_there_from_today(
    page: Page, judged: Home
) -> None:
    one = of_role(judged, "trainee")[0]
    page.goto(f"/recordings/{one.key}")
    page.get_by_label("Disagree (contest it)").check()
    page.locator("#whole-note").fill("it was done at the end")
    page.locator("#keep").click()
    expect(page.locator("#contested")).to_contain_text("it was done at the end", timeout=PATIENCE_MS)
    page.get_by_role("link", name="Today").click()
    page.get_by_role("link", name=one.original_name).first.click()
    page.get_by_role("button", name="No", exact=True).click()
    expect(page.locator("#contested")).not_to_contain_text("it was done", timeout=PATIENCE_MS)
    expect(page.locator("#said")).to_contain_text("answers who contests")


def test_what_is_said_while_the_desk_does_not_answer_stays_on_the_page(page: Page, judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    page.goto(f"/recordings/{one.key}")
    page.get_by_label("Disagree (contest it)").check()
    page.locator("#whole-note").fill("it was done at the end")
    page.evaluate("() => { fetch = () => Promise.reject(new TypeError('no connection')); }")
    page.locator("#keep").click()
    expect(page.locator("#said .refused")).to_contain_text("still here", timeout=PATIENCE_MS)
    expect(page.locator("#whole-note")).to_have_value("it was done at the end")
    assert read_chain(judged, one.task_id) == []


def test_the_list_is_filtered_by_keyboard_and_its_address_says_how(page: Page, judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    page.goto("/recordings")
    page.keyboard.press("/")
    page.keyboard.type(one.original_name)
    page.keyboard.press("Enter")
    page.wait_for_url("**/recordings?*q=*")
    expect(page.locator(".recording")).to_have_count(1)
    page.keyboard.press("/")
    page.keyboard.press("Tab")
    page.keyboard.press("P")  # Pass
    page.wait_for_url("**decision=pass*")
    expect(page.get_by_text("No recording matches.")).to_be_visible()


def test_what_is_judged_meanwhile_shows_by_itself(page: Page, judged: Home) -> None:
    scores = local_path(judged.ledgers) / "scores"
    shutil.move(scores, scores.with_name("scores_later"))
    page.goto("/recordings")
    expect(page.get_by_text("Waits to be judged")).to_have_count(6)
    page.evaluate("window.stays = true")
    shutil.move(scores.with_name("scores_later"), scores)
    expect(page.get_by_text("Waits to be judged")).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.locator(".recording").get_by_text("Missing step").first).to_be_visible()
    assert page.evaluate("window.stays") is True


def test_videos_that_are_yet_to_be_made_are_asked_for_once_they_are_there(page: Page, unseen: Home) -> None:
    page.goto(f"/recordings/{of_role(unseen, 'trainee')[0].key}")
    assert page.locator("video[data-src]").count() > 0
    wait_until(page, "document.getElementById('preparing').hidden")
    wait_until(page, "[...document.querySelectorAll('video')].every((one) => one.readyState >= 2)")
