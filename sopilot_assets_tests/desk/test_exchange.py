"""Files of other tools at the desk: looked at, taken, saved."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.capture.promotions import ConfirmedStep
from sopilot_assets.capture.registry import Registry
from sopilot_assets.desk.pages.exchange import FILE_BYTES, ROUTES
from sopilot_assets.desk.roles import Role
from sopilot_assets.exchange.formats import FORMATS
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets_tests.desk.browser import chromium, served
from sopilot_assets_tests.desk.conftest import signed_in
from sopilot_assets_tests.desk.marked_home import TASK, confirm, counting, events, said
from sopilot_assets_tests.desk.test_marking_in_a_browser import opened, person

Steps = tuple[ConfirmedStep, ...]
ADDRESS = f"/golds/sheets/{TASK}"
JSON_PLEASE = {"accept": "application/json"}


def test_a_file_is_looked_at_before_it_is_taken_and_saved_in_every_format(
    unmarked: tuple[Home, dict[str, Steps]],
) -> None:
    home, true = unmarked
    browser, key = signed_in(home), sorted(true)[0]
    assert browser.get(ADDRESS).status_code == 422  # no gold has steps yet
    for gold, steps in true.items():
        confirm(browser, gold, said(steps))
    for form, known in FORMATS.items():
        saved = browser.get(ADDRESS, params={"format": form.value, "gold": key})
        assert saved.headers["content-disposition"] == f'attachment; filename="{key}-steps{known.suffix}"'
        look = browser.post(f"{ADDRESS}/look?gold={key}", content=saved.content, headers=JSON_PLEASE).json()
        (found,) = look["golds"]
        assert (found["key"], found["new"], found["most_s"]) == (key, False, 0.0), form
    project = browser.get(ADDRESS, params={"format": "boris"}).json()
    project["observations"]["gold_001.mp4"]["events"][1][0] += 0.25
    project["observations"]["gold_001.mp4"]["events"][2][0] += 0.25
    content = json.dumps(project).encode()
    look = browser.post(f"{ADDRESS}/look?name=a%0A%3Cb%3E.boris", content=content, headers=JSON_PLEASE).json()
    assert [(one["name"], one["new"], one["most_s"]) for one in look["golds"]] == [
        ("gold_001.mp4", True, pytest.approx(0.25)),
        ("gold_002.mp4", False, 0.0),
        ("gold_003.mp4", False, 0.0),
    ]
    assert len(events(home)) == 3
    taken = browser.post(f"{ADDRESS}?name=monday.boris", content=content, headers=JSON_PLEASE).json()
    assert taken == {"taken": ["gold_001.mp4"], "same": ["gold_002.mp4", "gold_003.mp4"]}
    assert events(home)[-1].proposed_by == "boris: monday.boris"


def test_a_file_is_named_after_a_gold_of_any_name(unmarked: tuple[Home, dict[str, Steps]]) -> None:
    home, true = unmarked
    browser, key = signed_in(home), sorted(true)[0]
    row = Registry.read(home)[PartitionKey.parse(key)].row
    videos_ledger(home).append([{**row, "original_name": "手本.mp4"}], run_id="r", written_at="2100-01-01")
    confirm(browser, key, said(true[key]))
    saved = browser.get(ADDRESS, params={"gold": "手本.mp4"})
    name = quote("手本.mp4-steps.csv")
    assert saved.headers["content-disposition"] == f"attachment; filename*=utf-8''{name}"


def test_what_cannot_be_taken_is_told_in_the_language_of_the_person(
    unmarked: tuple[Home, dict[str, Steps]],
) -> None:
    home, _ = unmarked
    browser = signed_in(home)
    browser.post("/language", data={"language": "ja"})
    name = quote("手順.xml")
    for path in (ADDRESS, f"{ADDRESS}/look"):
        told = browser.post(f"{path}?name={name}", content=b"<!DOCTYPE a><annotations/>", headers=JSON_PLEASE)
        assert (told.status_code, "手順.xml の 1 行目：文書型宣言" in told.json()["error"]) == (422, True)
        large = browser.post(path, content=b"x" * (FILE_BYTES + 1), headers=JSON_PLEASE)
        assert large.status_code == 413
    assert browser.get(ADDRESS, params={"format": "<x>"}).status_code == 422
    assert events(home) == []


@pytest.mark.parametrize("role", [Role.TRAINEE, Role.RATER])
def test_files_are_for_trainers_only(home: Home, role: Role) -> None:
    browser = signed_in(home, "zoe", role)
    for route in ROUTES:
        path = route.path.replace("{task}", TASK)
        assert browser.request(route.methods[0], path).status_code == 403, path


@pytest.mark.whole
def test_steps_of_a_file_are_a_proposal_on_the_timeline_until_they_are_confirmed(
    unmarked: tuple[Home, dict[str, Steps]], tmp_path: Path
) -> None:
    home, true = unmarked
    key = sorted(true)[0]
    rows = [f"{key},{one.step},{one.start_s + 0.001},{one.end_s + 0.001}" for one in true[key]]
    file = tmp_path / "marked.csv"
    file.write_text("\n".join(["video;step;start;end", *rows]).replace(",", ";"), "utf-8")
    with chromium() as browser, served(home) as address:
        page = person(browser, address, "ada").pages[0]
        page.goto("/golds")
        page.locator("[data-sheet] input[type=file]").set_input_files(file)
        page.get_by_role("link", name="Look at the timeline").click()
        page.locator("#desk[data-ready]").wait_for()
        page.locator("#state", has_text="These steps come from marked.csv. They are not confirmed").wait_for()
        assert page.locator("#table tr.proposed").count() == len(true[key])
        page.get_by_role("button", name="Drop my changes").click()
        page.locator("#desk[data-ready]").wait_for()
        page = opened(page.context, key)
        page.locator("#file").set_input_files(file)
        page.locator("#state", has_text="These steps come from marked.csv.").wait_for()
        assert events(home) == []
        page.locator("#confirm").click()
        page.locator("#state.done", has_text="Confirmed.").wait_for()
    (event,) = events(home)
    assert (event.proposed_by, event.proposed) == ("steps.csv", event.steps)
    assert counting(home, key)[0].end_s == pytest.approx(true[key][0].end_s + 0.001)
