"""What a trainer does on the marking page, and then finds, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from sopilot_assets.capture.promotions import ConfirmedStep
from sopilot_assets.store.home import Home
from sopilot_assets_tests.desk.browser import served, wait_until
from sopilot_assets_tests.desk.marked_home import counting, events

pytestmark = pytest.mark.whole

FRAME_S = 1 / 6
Steps = tuple[ConfirmedStep, ...]


def person(browser: Browser, address: str, who: str) -> BrowserContext:
    """A person at a browser of their own."""
    context = browser.new_context(base_url=address, locale="en-GB")
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Your name or code").fill(who)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("heading", name="Today").wait_for()
    return context


def opened(context: BrowserContext, key: str, *, alone: bool = False) -> Page:
    """The marking page of a gold, ready; a fault of a script fails the test."""
    page = context.pages[0]
    page.on("pageerror", _fail)
    page.goto(f"/golds/{key}/steps{'?alone' if alone else ''}")
    page.locator("#desk[data-ready]").wait_for()
    return page


def _fail(error: object) -> None:
    raise AssertionError(f"a script failed: {error}")


def to_second(page: Page, time_s: float) -> None:
    """Show the frame at a time, as dragging along the timeline does."""
    track = page.locator(".track")
    box, end_ms = track.bounding_box(), page.evaluate("document.querySelector('video').duration * 1000")
    assert box is not None
    track.click(position={"x": box["width"] * time_s * 1000 / end_ms, "y": 30})
    wait_until(page, "!document.querySelector('video').seeking")


def message(page: Page, text: str) -> None:
    page.locator("#state", has_text=text).wait_for()


def test_a_key_goes_from_border_to_border_wherever_they_lie_within_a_frame(
    browser: Browser, unmarked: tuple[Home, dict[str, Steps]]
) -> None:
    home, true = unmarked
    key = sorted(true)[0]
    with served(home) as address:
        page = opened(person(browser, address, "ada"), key)
        for name in ("Loosen the housing with the wrench", "Lift off the cover"):
            typed = page.get_by_label(f"{name} ends at")
            minutes, seconds = typed.input_value().split(":")
            typed.fill(f"{minutes}:{int(float(seconds) / FRAME_S) * FRAME_S + 0.1:.3f}")
            typed.press("Tab")
        page.get_by_role("heading").first.click()
        to_second(page, 0)
        seen = []
        for _ in true[key]:
            page.keyboard.press("b")
            page.wait_for_timeout(150)
            seen.append(page.evaluate("document.activeElement.ariaLabel"))
        assert len(set(seen)) == len(seen), seen


def test_a_gold_is_marked_by_keys_nudged_taken_back_confirmed_and_found(
    browser: Browser, unmarked: tuple[Home, dict[str, Steps]]
) -> None:
    home, true = unmarked
    key = sorted(true)[0]
    with served(home) as address:
        page = opened(person(browser, address, "ada"), key)
        message(page, "made where the picture changes most")
        assert page.locator(".mark.proposed").count() == len(true[key])
        for number, step in enumerate(true[key], start=1):
            to_second(page, step.start_s + FRAME_S / 2)
            page.keyboard.press(str(number))
        message(page, "Not confirmed yet")
        page.get_by_role("slider").nth(1).focus()
        before = page.get_by_role("slider").nth(1).get_attribute("aria-valuenow")
        page.keyboard.press("ArrowRight")
        assert float(page.get_by_role("slider").nth(1).get_attribute("aria-valuenow") or 0) == pytest.approx(
            float(before or 0) + FRAME_S, abs=0.002
        )
        page.keyboard.press("Control+z")
        assert page.get_by_role("slider").nth(1).get_attribute("aria-valuenow") == before
        typed = page.get_by_label("Lift off the cover ends at")
        was = typed.input_value()
        typed.fill("99:00")
        typed.press("Tab")
        assert typed.get_attribute("aria-invalid") == "true"
        typed.fill(f"{true[key][1].end_s + 0.1:.2f}".replace(".", ","))
        typed.press("Tab")
        assert typed.input_value() != was
        assert page.evaluate("document.activeElement.ariaLabel").startswith("Remove Lift off")
        page.keyboard.press("Control+z")
        assert typed.input_value() == was
        page.keyboard.press("Control+Shift+z")
        page.keyboard.press("Control+z")
        page.keyboard.press("Escape")
        page.get_by_role("heading").first.click()
        page.keyboard.press("Enter")
        message(page, "Confirmed. 6 recordings will be judged again.")
        page.get_by_role("link", name="All golds").first.click()
        page.get_by_role("cell", name="ada").wait_for()
    found = counting(home, key)
    assert [one.step for one in found] == [one.step for one in true[key]]
    for one, other in zip(found, true[key], strict=True):
        assert abs(one.start_s - other.start_s) <= FRAME_S * 1.5
    (event,) = events(home)
    assert (event.who, event.proposed_by, len(event.proposed)) == ("ada", "change points", len(true[key]))


def test_a_draft_survives_a_closed_page_and_a_server_that_is_gone(
    browser: Browser, unmarked: tuple[Home, dict[str, Steps]]
) -> None:
    home, true = unmarked
    key = sorted(true)[0]
    with served(home) as address:
        context = person(browser, address, "ada")
        page = opened(context, key)
        to_second(page, 9.0)
        page.keyboard.press("Backspace")
        drawn = page.locator(".mark").all_inner_texts()
        context.route("**/steps", lambda route: route.abort())
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Confirm all the same").click()
        message(page, "The desk does not answer. Your marks are kept in this browser")
        context.unroute("**/steps")
        page.reload()
        page.locator("#desk[data-ready]").wait_for()
        message(page, "Your unfinished work is here again")
        assert page.locator(".mark").all_inner_texts() == drawn
        drop = page.get_by_role("button", name="Drop my changes")
        page.once("dialog", lambda dialog: dialog.dismiss())
        drop.click()
        assert page.locator(".mark").all_inner_texts() == drawn
        page.once("dialog", lambda dialog: dialog.accept())
        drop.click()
        message(page, "These are proposals")
    assert events(home) == []


def test_two_people_at_once_are_told_and_choose(
    browser: Browser, unmarked: tuple[Home, dict[str, Steps]]
) -> None:
    home, true = unmarked
    key = sorted(true)[0]
    with served(home) as address:
        ann = opened(person(browser, address, "ann"), key)
        bob = opened(person(browser, address, "bob"), key)
        ann.keyboard.press("Enter")
        message(ann, "Confirmed.")
        bob.get_by_role("slider").nth(1).focus()
        bob.keyboard.press("ArrowRight")
        bob.keyboard.press("Enter")
        bob.get_by_text("ann confirmed this gold while you marked it. Your marks are kept.").wait_for()
        bob.get_by_role("button", name="Keep mine, and look at them again").click()
        bob.get_by_role("button", name="Confirm all steps").click()
        message(bob, "Confirmed.")
    assert [event.who for event in events(home)] == ["ann", "bob"]
    assert events(home)[1].based_on == events(home)[0].event_id


MODEL = """async () => {
  const m = await import("/static/marking_model.js");
  const none = [];
  let marks = m.begin(none, 0, 0, 10000);
  marks = m.begin(marks, 1, 4000, 10000);
  const two = marks;
  const gap = m.endHere(m.begin(marks, 0, 6000, 10000), 8000);
  const earlier = m.begin(two, 1, 3000, 10000);
  const border = m.borders(two)[1];
  const edits = new m.Edits(two);
  edits.to(m.moveBorder(two, border, 4040, 10000, 1));
  edits.undo();
  const frames = [0, 40, 85, 120];
  const { keepDraft, keptDraft } = await import("/static/marking_store.js");
  const whose = { who: "ann", key: "none" };
  keepDraft(whose, { marks: [0, 1, 2].map((step) => ({ step })) }, ["open", "wipe", "fill"]);
  const keptBy = (ids) => keptDraft(whose, ids)?.marks.map((one) => ids[one.step]);
  return {
    kept: [["open", "wipe", "fill"], ["open", "oil", "wipe", "fill"], ["fill", "oil"], ["oil"]].map(keptBy),
    two, gap, earlier, moved: m.moveBorder(two, border, 99999, 10000, 1), undone: edits.marks,
    typed: m.retimed(two, 1, 2000, 9000, 10000), impossible: m.retimed(two, 1, 0, 9000, 10000),
    frames: [m.frameFrom(frames, 85, 1), m.frameFrom(frames, 100, -1), m.frameFrom(frames, 0, -1)],
    snapped: m.snapped(frames, 60, 160),
    times: ["1:06.4", "66,4", "0:01:06", "1:75", "x"].map(m.timeIn), text: m.timeText(66400),
    warned: m.warnings(
      [{ step: 1, start: 0, end: 60000 }, { step: 0, start: 60000, end: 61000 }],
      [{ id: "a", after: [] }, { id: "b", after: ["a"] }, { id: "c", after: [] }],
      { a: 1, b: 10 },
    ).map((one) => [one.kind, one.step]),
  };
}"""


def test_the_rules_of_marking(browser: Browser, home: Home) -> None:
    def mark(step: int, start: int, end: int) -> dict[str, object]:
        return {"step": step, "start": start, "end": end, "proposed": False}

    with served(home) as address:
        page = person(browser, address, "ada").pages[0]
        found = page.evaluate(MODEL)
    assert found["two"] == [mark(0, 0, 4000), mark(1, 4000, 10000)]
    assert found["gap"] == [mark(0, 0, 4000), mark(1, 4000, 6000), mark(0, 6000, 8000)]
    assert found["earlier"] == [mark(0, 0, 3000), mark(1, 3000, 10000)]
    assert found["moved"] == [mark(0, 0, 9999), mark(1, 9999, 10000)]
    assert found["undone"] == found["two"]
    assert found["typed"] == [mark(0, 0, 2000), mark(1, 2000, 9000)]
    assert found["impossible"] is None
    assert found["frames"] == [120, 40, 0]
    assert found["snapped"] == 40
    assert found["times"] == [66400, 66400, 66000, None, None]
    assert found["text"] == "1:06.400"
    # a draft knows its steps, whatever became of the procedure meanwhile
    assert found["kept"] == [["open", "wipe", "fill"], ["open", "wipe", "fill"], ["fill"], None]
    assert found["warned"] == [["long", 1], ["missing", 2], ["order", 1]]
