"""Steps of golds, marked at the desk: what the pages say, what is taken, and who may."""

from __future__ import annotations

import pytest

from sopilot_assets.capture.promotions import ConfirmedStep
from sopilot_assets.capture.registry import Registry
from sopilot_assets.desk.pages.exchange import FILE_BYTES
from sopilot_assets.desk.pages.marking import ROUTES
from sopilot_assets.desk.roles import Role
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.tasks import Step
from sopilot_assets.tasks.saving import open_task, save_task
from sopilot_assets_tests.desk.conftest import NOW, signed_in, visitor
from sopilot_assets_tests.desk.marked_home import TASK, confirm, counting, events, inputs, said
from sopilot_assets_tests.stations.test_gold_marks import moved

Steps = tuple[ConfirmedStep, ...]


def test_the_list_says_which_golds_lack_steps_and_then_who_marked_them(
    unmarked: tuple[Home, dict[str, Steps]],
) -> None:
    home, true = unmarked
    browser = signed_in(home)
    page = browser.get("/golds").text
    assert "3 of 3 golds have no steps yet" in page
    for key, steps in true.items():
        assert confirm(browser, key, said(steps)).json()["new"] is True
    page = browser.get("/golds").text
    assert "All golds have steps." in page
    assert page.count(">ada<") >= 3
    assert {event.who for event in events(home)} == {"ada"}
    browser.post("/language", data={"language": "ja"})
    assert "すべてのお手本に手順の時刻があります。" in browser.get("/golds").text
    opened = open_task(home, TASK)
    steps = (*opened.task.steps, Step(id="sign", name="Sign", name_ja="署名する"))
    wanted = opened.task.model_copy(update={"steps": steps})
    save_task(home, TASK, wanted, base=opened.base, who="ada", why="a test", at=NOW)
    page = browser.get("/golds").text
    assert "すべてのお手本に手順の時刻があります。" not in page
    assert "署名する" in page


def test_confirming_says_how_many_recordings_are_judged_again_and_which_gold_is_next(
    unmarked: tuple[Home, dict[str, Steps]],
) -> None:
    home, true = unmarked
    browser, (key, *_) = signed_in(home), sorted(true)
    answer = confirm(browser, key, said(true[key])).json()
    assert answer["scored"] == len(Registry.read(home).active(TASK)) == 6
    assert answer["next"].startswith(f"/golds/{TASK}-g-")
    again = confirm(browser, key, said(true[key])).json()
    assert (again["new"], again["based_on"]) == (False, answer["based_on"])
    assert len(events(home)) == 1


def test_two_at_once_get_a_clear_message_and_lose_nothing(unmarked: tuple[Home, dict[str, Steps]]) -> None:
    home, true = unmarked
    ann, bob, key = signed_in(home, "ann"), signed_in(home, "bob"), sorted(true)[0]
    first = confirm(ann, key, said(true[key])).json()
    second = confirm(bob, key, said(moved(true[key], 0.4)))
    assert second.status_code == 409
    told = second.json()
    assert "ann confirmed its steps meanwhile" in told["error"]
    assert told["counts"]["who"] == "ann"
    assert told["based_on"] == first["based_on"]
    assert counting(home, key) == true[key]
    assert confirm(bob, key, said(moved(true[key], 0.4), told["based_on"])).status_code == 200
    assert [event.who for event in events(home)] == ["ann", "bob"]


def test_whoever_marks_independently_sees_nothing_of_others_and_is_compared(
    unmarked: tuple[Home, dict[str, Steps]],
) -> None:
    home, true = unmarked
    ann, bob, key = signed_in(home, "ann"), signed_in(home, "bob"), sorted(true)[0]
    confirm(ann, key, said(true[key]))
    was = inputs(home).fingerprint
    page = bob.get(f"/golds/{key}/steps?alone").text
    assert '"counts": null' in page
    assert not any(text in page for text in ('"ann"', ">ann<", "data-event"))
    confirm(bob, key, said(moved(true[key], 0.5), independent=True))
    assert inputs(home).fingerprint == was
    page = ann.get(f"/golds/{key}/steps").text
    assert "at most 0.50 s from what counts" in page
    assert "begins +0.00 s, ends +0.50 s" in page
    assert "0.00 s" in ann.get("/golds").text  # the median of all borders, of which two differ


def test_proposals_come_from_change_points_and_then_from_marked_golds(
    unmarked: tuple[Home, dict[str, Steps]],
) -> None:
    home, true = unmarked
    browser, (first, second, third) = signed_in(home), sorted(true)
    proposal = browser.get(f"/golds/{first}/proposal").json()
    assert (proposal["by"], len(proposal["steps"])) == ("change points", len(true[first]))
    for key in (first, second):
        confirm(browser, key, said(true[key]))
    proposal = browser.get(f"/golds/{third}/proposal").json()
    ids = (PartitionKey.parse(key).video_id for key in (first, second))
    assert proposal["by"] == f"golds {', '.join(ids)}"


def test_the_film_has_the_real_times_of_all_pictures_and_the_video_comes_in_ranges(
    unmarked: tuple[Home, dict[str, Steps]],
) -> None:
    home, true = unmarked
    browser, key = signed_in(home), sorted(true)[0]
    film = browser.get(f"/golds/{key}/film").json()
    row = Registry.read(home)[PartitionKey.parse(key)].row
    assert len(film["frames_ms"]) == row["frame_count"]
    assert film["frames_ms"][:3] == [0, 167, 333]
    assert film["itself"] is True
    assert browser.get(f"/media/{key}/state").json()["ready"] is False  # asking has it made
    assert browser.get(f"/media/{key}/state").json()["ready"] is True
    part = browser.get(f"/media/{key}", headers={"range": "bytes=10-19"})
    assert (part.status_code, len(part.content)) == (206, 10)
    assert browser.get(f"/golds/{key}/strip").content[:3] == b"\xff\xd8\xff"


def test_a_sheet_is_written_and_taken_with_faults_named_by_line(
    unmarked: tuple[Home, dict[str, Steps]],
) -> None:
    home, true = unmarked
    browser, address = signed_in(home), f"/golds/sheets/{TASK}"
    json_please = {"accept": "application/json"}
    for key, steps in true.items():
        confirm(browser, key, said(steps))
    sheet = browser.get(address)
    assert sheet.headers["content-disposition"] == f'attachment; filename="{TASK}-steps.csv"'
    wrong = sheet.text.replace("wipe_seat", "wipe_set", 1)
    refused = browser.post(address, content=wrong.encode(), headers=json_please)
    assert refused.status_code == 422
    assert "CSV, line 5, column step" in refused.json()["error"]
    assert len(events(home)) == 3
    moved = sheet.text.replace(",0.0,", ",0.2,", 1)
    assert len(browser.post(address, content=moved.encode(), headers=json_please).json()["taken"]) == 1
    assert events(home)[-1].proposed_by == "steps.csv"
    large = browser.post(address, content=b"x" * (FILE_BYTES + 1), headers=json_please)
    assert large.status_code == 413


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"said": "[]"},
        {"said": '{"steps": [], "based_on": "x"}'},
        {"said": '{"steps": [{"step": "a", "start_s": -1, "end_s": 2}], "based_on": ""}'},
        {"said": '{"steps": "<script>", "based_on": ""}'},
    ],
)
def test_what_is_no_list_of_steps_is_refused_and_nothing_changes(
    unmarked: tuple[Home, dict[str, Steps]], fields: dict[str, str]
) -> None:
    home, true = unmarked
    assert confirm(signed_in(home), sorted(true)[0], fields).status_code == 422
    assert events(home) == []


@pytest.mark.parametrize(
    "key", ["filter_change-g-000000000000", "..%2f..%2fetc", "nothing", "a-t-0123456789ab"]
)
def test_what_is_no_gold_has_no_page(home: Home, key: str) -> None:
    browser = signed_in(home)
    for page in ("steps", "film", "video", "strip", "proposal"):
        assert browser.get(f"/golds/{key}/{page}").status_code in (404, 422)
    assert browser.get("/golds/sheets/nothing").status_code == 422


@pytest.mark.parametrize("role", [Role.TRAINEE, Role.RATER])
def test_golds_are_marked_by_trainers_only(home: Home, role: Role) -> None:
    browser = signed_in(home, "zoe", role)
    for route in ROUTES:
        path = route.path.replace("{key}", "filter_change-g-000000000000").replace("{task}", TASK)
        assert browser.request(route.methods[0], path).status_code == 403, path
        assert visitor(home).request(route.methods[0], path).status_code in (303, 401), path


def test_without_a_gold_it_says_what_to_do(home: Home) -> None:
    page = signed_in(home).get("/golds").text
    assert "There is no gold yet" in page
    assert 'href="/upload"' in page
