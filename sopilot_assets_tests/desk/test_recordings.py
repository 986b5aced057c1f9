"""The list of recordings at the desk, its pictures, and who sees what of it."""

from __future__ import annotations

import shutil

import pytest

from sopilot_assets.desk.pages.recordings import address_of, asked_for, stamp
from sopilot_assets.desk.roles import Role
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, Source
from sopilot_assets.stations.recording_list import ListFilter, ListOrder
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import DeviationType
from sopilot_assets_tests.desk.conftest import NOW, of_role, signed_in


def test_the_list_shows_every_recording_with_its_result(judged: Home) -> None:
    page = signed_in(judged).get("/recordings").text
    for one in (*of_role(judged, "gold"), *of_role(judged, "trainee")):
        assert f'href="/recordings/{one.key}"' in page
        assert f'src="/thumbnails/{one.key}.jpg"' in page
    assert '<b class="figures">6</b>' in page
    assert "Missing step" in page


def test_an_empty_home_says_what_to_do(home: Home) -> None:
    browser = signed_in(home)
    page = browser.get("/recordings").text
    assert "No recordings yet" in page
    assert 'href="/upload"' in page
    assert "録画はまだありません" in browser.get("/recordings", headers={"accept-language": "ja"}).text
    own = signed_in(home, "wanda", Role.TRAINEE, "p1").get("/recordings").text
    assert "No recordings of yours yet" in own
    assert 'href="/upload"' in own  # of their own person code


def test_a_filter_that_finds_nothing_leads_back_to_all(judged: Home) -> None:
    page = signed_in(judged).get("/recordings?q=nothing-of-that-name").text
    assert "No recording matches" in page
    assert 'value="nothing-of-that-name"' in page


def test_what_is_searched_for_is_no_markup(judged: Home) -> None:
    page = signed_in(judged).get("/recordings", params={"q": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page=99999999999999999999", "decision=all", "since=yesterday"]
)
def test_what_cannot_be_asked_for_is_left_out(judged: Home, query: str) -> None:
    assert signed_in(judged).get(f"/recordings?{query}").text.count('class="recording"') == 6


def test_the_same_filter_has_the_same_address() -> None:
    wanted = ListFilter(
        text="take 7",
        decision="fail",
        deviation=DeviationType.FREEZE,
        since="2026-01-01",
        contested=True,
        order=ListOrder.PERSON,
    )
    address = address_of(wanted, page=3)
    query = dict(pair.split("=") for pair in address.partition("?")[2].split("&"))
    assert asked_for({**query, "q": "take 7"}) == wanted
    assert address.endswith("&page=3")
    assert address_of(ListFilter()) == "/recordings"


def test_a_worker_finds_only_their_own(judged: Home) -> None:
    mine, *others = of_role(judged, "trainee")
    page = signed_in(judged, "wanda", Role.TRAINEE, mine.person).get("/recordings").text
    assert str(mine.key) in page
    for one in (*others, *of_role(judged, "gold")):
        assert (str(one.key) in page) is (one.person == mine.person)


def test_a_rater_finds_no_result_of_what_they_have_yet_to_label(judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    rater = signed_in(judged, "bob", Role.RATER)
    page = rater.get("/recordings").text
    assert one.original_name not in page
    assert page.count("Not labelled by you yet") == 3
    at = NOW.isoformat()
    said = Draft(
        task_id=one.task_id,
        key=str(one.key),
        who="bob",
        at=at,
        source=Source.BLIND_HUMAN,
        critical_expected=True,
    )
    append_events(judged, [said], run_id="bob", written_at=at)
    assert one.original_name in rater.get("/recordings").text


def test_a_thumbnail_is_made_once_and_one_that_cannot_be_made_has_a_stand_in(unseen: Home) -> None:
    one, other, *_ = of_role(unseen, "trainee")
    (local_path(unseen.videos) / other.stored_name).write_bytes(b"no video" * 100)
    browser = signed_in(unseen)
    made = browser.get(f"/thumbnails/{one.key}.jpg")
    assert (made.status_code, made.headers["content-type"]) == (200, "image/jpeg")
    assert "max-age" in made.headers["cache-control"]
    (local_path(unseen.videos) / one.stored_name).unlink()  # it is not read again
    assert browser.get(f"/thumbnails/{one.key}.jpg").content == made.content
    for _ in range(2):
        assert browser.get(f"/thumbnails/{other.key}.jpg").headers["content-type"] == "image/svg+xml"


def test_the_stamp_is_another_one_once_something_happened(judged: Home) -> None:
    browser = signed_in(judged)
    before = browser.get("/changes").json()["stamp"]
    assert browser.get("/changes").json()["stamp"] == before == stamp(judged)
    shutil.rmtree(local_path(judged.ledgers) / "scores")
    assert browser.get("/changes").json()["stamp"] != before


def test_what_waits_to_be_judged_says_so_and_the_page_watches(judged: Home) -> None:
    browser = signed_in(judged)
    assert "data-waits" not in browser.get("/recordings").text
    shutil.rmtree(local_path(judged.ledgers) / "scores")
    page = browser.get("/recordings").text
    assert page.count("Waits to be judged") == 6
    assert "data-waits" in page
