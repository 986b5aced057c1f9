"""The page of a recording at the desk: its result, its video, and what people say."""

from __future__ import annotations

import re
import shutil

import pytest

from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.desk.roles import Role
from sopilot_assets.labels.chain import append_events, read_chain
from sopilot_assets.labels.contests import contested
from sopilot_assets.labels.events import Draft, RaterVerdict, Source
from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.stations.review_now import score_row_of
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.desk.conftest import NOW, of_role, signed_in


def row_id(page: str) -> str:
    found = re.search(r'name="row" value="([0-9a-f]+)"', page)
    assert found is not None
    return found[1]


def test_the_page_has_what_the_file_has_with_addresses_in_place_of_data(judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    page = signed_in(judged).get(f"/recordings/{one.key}").text
    for part in (f'src="/media/{one.key}"', 'id="seek"', 'class="cards"', 'id="data"', "review/review.js"):
        assert part in page
    assert "data:video" not in page
    assert "data:image" not in page
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style", page)
    assert re.findall(r"<script(?![^>]*(?:src=|application/json))", page) == []


def test_it_does_not_need_the_file_and_shows_golds_too(judged: Home) -> None:
    shutil.rmtree(local_path(judged.reviews))
    browser = signed_in(judged)
    for one in (*of_role(judged, "gold"), *of_role(judged, "trainee")):
        assert 'id="stage"' in browser.get(f"/recordings/{one.key}").text


@pytest.mark.parametrize("language", ["en", "ja"])
def test_it_says_what_the_file_lacks_and_what_helps(judged: Home, language: str) -> None:
    one = of_role(judged, "trainee")[0]
    page = signed_in(judged).get(f"/recordings/{one.key}").text
    assert 'class="soft lacking"' not in page
    flags = f"damaged,too_dark,same_bytes_as:{of_role(judged, 'trainee')[1].key}"
    videos_ledger(judged).append([{**one.row, "flags": flags}], run_id="r", written_at="2100-01-01")
    page = signed_in(judged).get(f"/recordings/{one.key}", headers={"accept-language": language}).text
    said = re.findall(r'<p class="soft lacking">(.*?)</p>', page)
    assert len(said) == 2
    for text, part in zip(
        said, {"en": ("is missing", "Add light"), "ja": ("欠けて", "照明")}[language], strict=True
    ):
        assert part in text


@pytest.mark.parametrize("language", ["en", "ja"])
def test_it_is_in_one_language(judged: Home, language: str) -> None:
    one = of_role(judged, "trainee")[0]
    page = signed_in(judged).get(f"/recordings/{one.key}", headers={"accept-language": language}).text
    assert ("What was recognised" in page) is (language == "en")
    assert ("認識された手順" in page) is (language == "ja")
    assert "Result / 結果" not in page


def test_what_is_said_is_in_the_history_and_in_the_chain(judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    browser, address = signed_in(judged), f"/recordings/{one.key}"
    row = row_id(browser.get(address).text)
    finding = {"row": row, "kind": "finding", "finding": "0", "agree": "no", "note": "hidden by the hand"}
    assert browser.post(f"{address}/say", data=finding).headers["location"] == f"{address}#said"
    whole = {"row": row, "kind": "whole", "verdict": "agree", "critical": "no"}
    assert browser.post(f"{address}/say", data=whole).status_code == 303
    page = browser.get(address).text
    finding, whole_page = page.partition('id="answers-1"')[0], page.partition('id="said"')[2]
    assert "<q>hidden by the hand</q>" in finding
    assert "<q>hidden by the hand</q>" in whole_page
    assert "agrees with the result" in page
    assert 'id="agree-0-no" aria-pressed="true"' in page
    events = read_chain(judged, one.task_id)
    assert [event.source for event in events] == [Source.HUMAN, Source.HUMAN]
    last = events[-1]
    assert (last.who, last.verdict, last.critical_expected) == ("ada", RaterVerdict.AGREE, False)
    assert last.deviations[0].agree is False
    assert browser.post(f"{address}/say", data=whole).status_code == 303
    assert len(read_chain(judged, one.task_id)) == 2


def test_a_worker_contests_with_a_reason_and_a_trainer_answers(judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    address = f"/recordings/{one.key}"
    worker = signed_in(judged, "wanda", Role.TRAINEE, one.person)
    row = row_id(worker.get(address).text)
    contest = {"row": row, "kind": "whole", "verdict": "disagree"}
    assert worker.post(f"{address}/say", data=contest).status_code == 422
    assert read_chain(judged, one.task_id) == []
    worker.post(f"{address}/say", data={**contest, "note": "I wiped it at 0:12"})
    assert [(told.who, told.note) for told in contested(judged)[str(one.key)]] == [
        ("wanda", "I wiped it at 0:12")
    ]
    assert "I wiped it at 0:12" in worker.get(address).text
    assert "I wiped it at 0:12" in judged.review(one.key).read_text(encoding="utf-8")
    trainer = signed_in(judged, "tom", Role.TRAINER)
    assert "Contested: a person says" in trainer.get(address).text
    assert "I wiped it at 0:12" in trainer.get("/").text
    trainer.post(f"{address}/say", data={"row": row, "kind": "settle", "critical": "no", "note": "you did"})
    assert contested(judged) == {}
    page = worker.get(address).text
    assert "Contested: a person says" not in page
    assert "you did" in page


def test_a_trainer_who_contests_waits_for_somebody_else_where_there_is_one(judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    address = f"/recordings/{one.key}"
    tom, answer = signed_in(judged, "tom", Role.TRAINER), {"kind": "settle", "critical": "no"}
    said = {"row": row_id(tom.get(address).text)}
    tom.post(f"{address}/say", data={**said, "kind": "whole", "verdict": "disagree"})
    assert "nobody else here may answer" in tom.get(address).text
    signed_in(judged, "rae", Role.RATER)
    other = signed_in(judged, "ann", Role.TRAINER)
    page = tom.get(address).text
    assert "somebody else has to answer" in page
    assert 'id="settle-no"' not in page
    assert 'id="settle-no"' in other.get(address).text
    refused = tom.post(f"{address}/say", data={**said, **answer}, headers={"accept": "application/json"})
    assert (refused.status_code, "somebody else" in refused.json()["error"]) == (422, True)
    other.post(f"{address}/say", data={**said, "kind": "whole", "verdict": "disagree"})
    tom.post(f"{address}/say", data={**said, **answer})
    assert contested(judged) == {}, "all who may answer contest it"


def test_who_said_the_opposite_of_somebody_is_not_asked_to_settle_it_until_they_take_it_back(
    judged: Home,
) -> None:
    one = of_role(judged, "trainee")[0]
    address = f"/recordings/{one.key}"
    tom, ann = (signed_in(judged, who, Role.TRAINER) for who in ("tom", "ann"))
    worker = signed_in(judged, "wanda", Role.TRAINEE, one.person)
    said = {"row": row_id(tom.get(address).text), "kind": "whole"}
    worker.post(f"{address}/say", data={**said, "verdict": "disagree", "note": "I did it"})
    assert 'id="settle-no"' in tom.get(address).text
    tom.post(f"{address}/say", data={**said, "critical": "yes"})
    ann.post(f"{address}/say", data={**said, "critical": "no"})
    assert "a third person has to answer" in tom.get(address).text
    assert 'id="settle-no"' not in tom.get(address).text
    assert 'id="critical-unsure"' in tom.get(address).text
    tom.post(f"{address}/say", data={**said, "critical": "unsure"})
    assert 'id="settle-no"' in tom.get(address).text
    tom.post(f"{address}/say", data={**said, "kind": "settle", "critical": "no"})
    assert contested(judged) == {}


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "whole", "verdict": "agree"},
        {"kind": "whole", "note": "only a comment"},
        {"kind": "whole", "verdict": "disagree", "critical": "no", "note": "x"},
        {"kind": "finding", "finding": "0", "agree": "no"},
        {"kind": "settle", "critical": "no"},
    ],
)
def test_a_worker_says_nothing_else(judged: Home, said: dict[str, str]) -> None:
    one = of_role(judged, "trainee")[0]
    worker = signed_in(judged, "wanda", Role.TRAINEE, one.person)
    row = row_id(worker.get(f"/recordings/{one.key}").text)
    assert worker.post(f"/recordings/{one.key}/say", data={"row": row, **said}).status_code == 403
    assert read_chain(judged, one.task_id) == []


def test_a_rater_does_not_settle(judged: Home) -> None:
    one = of_role(judged, "gold")[0]
    rater = signed_in(judged, "bob", Role.RATER)
    row = row_id(rater.get(f"/recordings/{one.key}").text)
    said = {"row": row, "kind": "settle", "critical": "no"}
    assert rater.post(f"/recordings/{one.key}/say", data=said).status_code == 403


def test_what_is_said_of_a_result_that_changed_is_refused_with_what_changed(judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    browser = signed_in(judged)
    row = row_id(browser.get(f"/recordings/{one.key}").text)
    known = score_row_of(judged, one.key)
    assert known is not None
    newer = {name: known[name] for name in COLUMNS} | {"decision": "pass", "score": 99.0}
    scores_ledger(judged).append([newer], run_id="again", written_at=NOW.isoformat())
    answer = browser.post(
        f"/recordings/{one.key}/say",
        data={"row": row, "kind": "whole", "verdict": "agree"},
        headers={"accept": "application/json"},
    )
    assert answer.status_code == 422
    assert "“Pass” now" in answer.json()["error"]
    assert read_chain(judged, one.task_id) == []


@pytest.mark.parametrize("finding", ["", "-1", "99", "x", "²"])
def test_a_finding_that_is_not_there_is_refused(judged: Home, finding: str) -> None:
    one = of_role(judged, "trainee")[0]
    browser = signed_in(judged)
    row = row_id(browser.get(f"/recordings/{one.key}").text)
    said = {"row": row, "kind": "finding", "finding": finding, "agree": "yes"}
    assert browser.post(f"/recordings/{one.key}/say", data=said).status_code == 422


def test_script_in_a_comment_is_text(judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    browser = signed_in(judged)
    row = row_id(browser.get(f"/recordings/{one.key}").text)
    note = "</script><script>alert(1)</script>"
    browser.post(
        f"/recordings/{one.key}/say", data={"row": row, "kind": "whole", "verdict": "disagree", "note": note}
    )
    for path in (f"/recordings/{one.key}", "/"):
        assert "<script>alert" not in browser.get(path).text


def test_a_worker_gets_nothing_of_anothers_recording(judged: Home) -> None:
    mine = of_role(judged, "trainee")[0]
    worker = signed_in(judged, "wanda", Role.TRAINEE, mine.person)
    others = [one for one in of_role(judged, "trainee") if one.person != mine.person]
    for key in [str(one.key) for one in others] + ["filter_change-t-000000000000", "..%2f..", "x"]:
        for path in (f"/recordings/{key}", f"/media/{key}", f"/media/{key}/state", f"/thumbnails/{key}.jpg"):
            assert worker.get(path).status_code == 404
        assert worker.get(f"/stills/{key}/100.jpg").status_code == 404
        assert worker.post(f"/recordings/{key}/say", data={"kind": "whole"}).status_code == 404
    for one in of_role(judged, "gold"):
        own = one.person == mine.person
        assert worker.get(f"/recordings/{one.key}").status_code == (200 if own else 404)
        assert worker.get(f"/media/{one.key}/state").status_code == 200  # it is played beside their own
    nobody = signed_in(judged, "nora", Role.TRAINEE)
    for one in (*of_role(judged, "gold"), *of_role(judged, "trainee")):
        assert nobody.get(f"/recordings/{one.key}").status_code == 404
        assert nobody.get(f"/media/{one.key}").status_code == 404


def test_a_worker_is_not_told_who_is_filmed_in_a_gold(judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    address = f"/recordings/{one.key}"
    persons = {str(gold.person) for gold in of_role(judged, "gold")} - {str(one.person)}
    worker = signed_in(judged, "wanda", Role.TRAINEE, one.person).get(address).text
    trainer = signed_in(judged, "tom", Role.TRAINER).get(address).text
    assert [person for person in persons if f"· {person}" in worker] == []
    assert [person for person in persons if f"· {person}" in trainer] != []


def test_a_rater_watches_what_they_have_to_label_without_its_result(judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    rater = signed_in(judged, "bob", Role.RATER)
    page = rater.get(f"/recordings/{one.key}").text
    assert f'src="/media/{one.key}"' in page
    for hidden in (one.original_name, str(one.person), "Missing step", 'id="data"', 'name="row"'):
        assert hidden not in page
    row = score_row_of(judged, one.key)
    assert row is not None
    said = {"row": str(row["row_id"]), "kind": "whole", "verdict": "agree"}
    assert rater.post(f"/recordings/{one.key}/say", data=said).status_code == 404
    label = Draft(
        task_id=one.task_id,
        key=str(one.key),
        who="bob",
        at=NOW.isoformat(),
        source=Source.BLIND_HUMAN,
        critical_expected=True,
    )
    append_events(judged, [label], run_id="bob", written_at=NOW.isoformat())
    assert 'id="data"' in rater.get(f"/recordings/{one.key}").text


def test_a_recording_without_a_result_is_played_and_waits(judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    browser = signed_in(judged)
    shutil.rmtree(local_path(judged.ledgers) / "scores")
    page = browser.get(f"/recordings/{one.key}").text
    assert "Waits to be judged" in page
    assert f'src="/media/{one.key}"' in page
    assert browser.post(f"/recordings/{one.key}/say", data={"kind": "whole", "note": "x"}).status_code == 422


def test_videos_come_in_ranges_once_they_are_made(unseen: Home) -> None:
    one = of_role(unseen, "trainee")[0]
    browser = signed_in(unseen)
    assert browser.get(f"/media/{one.key}").status_code == 503
    state = browser.get(f"/media/{one.key}/state").json()
    assert state["ready"] is True  # the first request had it made
    whole = browser.get(f"/media/{one.key}")
    stored = (local_path(unseen.videos) / one.stored_name).read_bytes()
    assert whole.content == stored
    part = browser.get(f"/media/{one.key}", headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, stored[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(stored)}"
    beyond = browser.get(f"/media/{one.key}", headers={"range": f"bytes={len(stored)}-"})
    assert beyond.status_code == 416


def test_where_the_task_masks_a_region_the_page_says_so_and_plays_a_copy(unseen: Home) -> None:
    one = of_role(unseen, "trainee")[0]
    browser = signed_in(unseen)
    assert "Grey covers faces" not in browser.get(f"/recordings/{one.key}").text
    path = local_path(unseen.tasks) / f"{one.task_id}.yaml"
    filled = "masked_regions: [{left: 0.8, top: 0, width: 0.2, height: 0.3}]"
    path.write_text(path.read_text("utf-8").replace("masked_regions: []", filled), "utf-8")
    assert "Grey covers faces" in browser.get(f"/recordings/{one.key}").text
    browser.get(f"/media/{one.key}/state")
    played = browser.get(f"/media/{one.key}")
    assert played.headers["content-type"] == "video/mp4"
    assert played.content != (local_path(unseen.videos) / one.stored_name).read_bytes()


def test_a_video_that_cannot_be_read_says_why(unseen: Home) -> None:
    one = of_role(unseen, "trainee")[0]
    (local_path(unseen.videos) / one.stored_name).write_bytes(b"no video" * 100)
    browser = signed_in(unseen)
    browser.get(f"/media/{one.key}/state")
    state = browser.get(f"/media/{one.key}/state").json()
    assert state["failed"] is True
    assert str(unseen.root) not in state["text"]
    assert browser.get(f"/media/{one.key}").status_code == 422


def test_pictures_of_moments_are_served_also_past_the_end(unseen: Home) -> None:
    one = of_role(unseen, "trainee")[0]
    browser = signed_in(unseen)
    for at_ms in (0, 1234, 10**9):
        assert browser.get(f"/stills/{one.key}/{at_ms}.jpg").headers["content-type"] == "image/jpeg"
    assert browser.get(f"/stills/{one.key}/-5.jpg").status_code == 404


def test_nobody_who_is_not_signed_in_gets_anything(judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    browser = signed_in(judged)
    browser.post("/sign-out")
    paths = (
        "/recordings",
        f"/recordings/{one.key}",
        f"/media/{one.key}",
        f"/thumbnails/{one.key}.jpg",
        "/changes",
    )
    assert {browser.get(path).status_code for path in paths} == {303}
    assert browser.post(f"/recordings/{one.key}/say", data={}).status_code == 401


def test_a_recording_leads_a_trainer_to_what_else_its_person_did(judged: Home) -> None:
    one, gold = of_role(judged, "trainee")[0], of_role(judged, "gold")[0]
    page = signed_in(judged, "tom", Role.TRAINER).get(f"/recordings/{one.key}").text
    address = f"/people/results?person={one.person}&amp;task={one.task_id}"
    assert f'href="{address}"' in page
    assert "/people/results" not in signed_in(judged, "tom").get(f"/recordings/{gold.key}").text
    assert "/people" not in signed_in(judged, "rae", Role.RATER).get(f"/recordings/{gold.key}").text


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_without_end_is_none(judged: Home, digits: int) -> None:
    browser, number, one = signed_in(judged), "9" * digits, of_role(judged, "trainee")[0]
    for path in ("/recordings?page=", "/people?page=", f"/tasks/{one.task_id}/edit?from="):
        assert browser.get(f"{path}{number}").status_code == 200
    assert browser.get(f"/stills/{one.key}/{number}.jpg").status_code == 404
    said = browser.post(f"/recordings/{one.key}/say", data={"kind": "finding", "finding": number})
    assert said.status_code == 422
