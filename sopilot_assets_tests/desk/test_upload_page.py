"""Uploads as a person does them: with a phone-sized window, over a server that is restarted."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from sopilot_assets.store.home import Home
from sopilot_assets_tests.desk.process import desk_process
from sopilot_assets_tests.desk.sending import TASK, captured, with_task
from sopilot_assets_tests.video.tiny import write_tiny_video

pytestmark = pytest.mark.whole

PHONE = {"width": 360, "height": 780}


@pytest.fixture
def videos(tmp_path: Path) -> list[Path]:
    return [
        write_tiny_video(tmp_path / f"take_{seed}.mp4", seed=seed, seconds=6, size=(480, 360))
        for seed in (1, 2)
    ]


def said_what_it_shows(page: Page) -> None:
    page.get_by_label("Gold").check()
    expect(page.get_by_text("golds count as one person's")).to_be_visible()
    page.get_by_label("Site").fill("line1")
    page.get_by_label("Person in the picture").fill("p014")
    expect(page.get_by_text("golds count as one person's")).to_be_hidden()


def test_two_videos_land_from_a_phone_although_the_server_is_restarted(
    browser: Browser, home: Home, videos: list[Path]
) -> None:
    recorded = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
    os.utime(videos[0], (recorded.timestamp(), recorded.timestamp()))
    with desk_process(with_task(home)) as desk:
        context = browser.new_context(
            base_url=desk.address, viewport=PHONE, locale="en-GB", timezone_id="Asia/Tokyo"
        )
        page = context.new_page()
        page.goto("/")
        page.get_by_label("Your name or code").fill("ada")
        page.get_by_role("button", name="Go on").click()
        page.goto("/upload")
        page.get_by_label("Choose videos").set_input_files(videos)  # refused until it is said what they show
        expect(page.get_by_role("alert")).to_contain_text("First say what the recordings show")
        said_what_it_shows(page)

        def killed(route: Route) -> None:
            desk.kill()
            route.continue_()

        page.route("**/uploads/*", killed, times=1)
        page.get_by_label("Choose videos").set_input_files(videos)
        expect(page.get_by_text("it goes on by itself").first).to_be_visible()
        desk.start()
        expect(page.get_by_text("2 of 2 files sent")).to_be_visible(timeout=60_000)
        expect(page.get_by_text("Filmed well.")).to_have_count(2, timeout=60_000)
        expect(page.get_by_text("recorded Jan 5, 2026, 5:30")).to_be_visible()
        expect(page.get_by_text("time of recording not known")).to_be_visible()  # it is as old as a copy
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        context.close()
    found = captured(home)
    for video in videos:
        assert found.pop(f"{TASK}/gold/line1/{video.name}") == video.read_bytes()
        facts = json.loads(found.pop(f"{TASK}/gold/line1/{video.name}.json"))
        its = {"recorded_at": "2026-01-05T17:30:00+09:00"} if video is videos[0] else {}
        assert facts == {"person": "p014", **its}
    assert found == {}


def test_after_a_closed_page_the_same_file_goes_on_where_it_stopped(
    browser: Browser, home: Home, videos: list[Path]
) -> None:
    (video, _) = videos
    with desk_process(with_task(home)) as desk:
        context = browser.new_context(base_url=desk.address, locale="en-GB")
        page = context.new_page()
        page.goto("/")
        page.get_by_label("Your name or code").fill("ada")
        page.get_by_role("button", name="Go on").click()
        page.goto("/upload")
        said_what_it_shows(page)
        page.route(
            "**/uploads/*",
            lambda route: route.abort() if route.request.method == "PATCH" else route.continue_(),
        )
        page.get_by_label("Choose videos").set_input_files(video)
        expect(page.get_by_text("it goes on by itself")).to_be_visible()
        page.close(run_before_unload=False)
        page = context.new_page()
        page.goto("/upload")
        expect(page.get_by_text("choose the same file again to go on")).to_be_visible()
        page.get_by_label("Choose videos").set_input_files(video)
        expect(page.get_by_text("Filmed well.")).to_be_visible(timeout=60_000)
        expect(page.locator("#uploads > li")).to_have_count(1)
        context.close()
    assert captured(home)[f"{TASK}/gold/line1/{video.name}"] == video.read_bytes()
