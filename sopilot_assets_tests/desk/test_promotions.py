"""Recordings that become golds at the desk: what the pages say, what is taken, and how it is taken back."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from starlette.testclient import TestClient

from sopilot_assets.capture.promotions import confirmed_steps, promoted_golds, promotions_chain
from sopilot_assets.capture.registry import Recording
from sopilot_assets.desk.roles import Role
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, Source
from sopilot_assets.reference.ledger import COLUMNS as REFERENCE_COLUMNS
from sopilot_assets.reference.ledger import reference_rows, references_ledger
from sopilot_assets.scoring.ledger import COLUMNS as SCORE_COLUMNS
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.chain import NO_EVENT
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets_tests.desk.conftest import NOW, of_role, signed_in

TASK = "filter_change"
JSON = {"accept": "application/json"}


def called_right(home: Home, *recordings: Recording, critical: bool = False) -> None:
    """Two people label these blind."""
    drafts = [
        Draft(
            task_id=TASK,
            key=str(one.key),
            who=who,
            at="2026-02-20T08:00:00+00:00",
            source=Source.BLIND_HUMAN,
            critical_expected=critical,
        )
        for one in recordings
        for who in ("ann", "bob")
    ]
    append_events(home, drafts, run_id="labels", written_at="2026-02-20T08:00:00+00:00")


@pytest.fixture
def candidate(judged: Home) -> Recording:
    """The trainee recording that shows all steps and is called right."""
    *_, one = of_role(judged, "trainee")
    called_right(judged, one)
    return one


def sent(proposal: Mapping[str, object], **more: object) -> dict[str, str]:
    """The form that the page posts."""
    shown = {"steps": proposal["steps"], "by": proposal["by"]}
    fields = {"steps": shown["steps"], "based_on": NO_EVENT, "proposed": shown, "why": "looked at", **more}
    return {"said": json.dumps(fields)}


def promote(browser: TestClient, one: Recording, **more: object):  # type: ignore[no-untyped-def]
    """The answer to promoting it with its proposed steps."""
    proposal = browser.get(f"/promotions/{one.key}/proposal", headers=JSON).json()
    return browser.post(f"/promotions/{one.key}", data=sent(proposal, **more), headers=JSON)


def test_the_list_says_who_called_it_right_and_what_it_would_lift(judged: Home, candidate: Recording) -> None:
    browser = signed_in(judged)
    page = browser.get("/promotions").text
    assert "Can become golds (1)" in page
    assert f"{candidate.person} is in no gold: the golds show 3 people now, and 4 with it." in page
    assert "recordings from site_a are left to a person." in page
    assert "ann, bob" in page
    browser.post("/language", data={"language": "ja"})
    assert "お手本の作業者が 3 人から 4 人に増えます" in browser.get("/promotions").text
    assert "can become golds" not in browser.get("/").text
    assert "お手本にできる録画 1 件" in browser.get("/").text


def test_an_empty_list_says_how_a_recording_comes_there(judged: Home, home: Home) -> None:
    assert "None waits." in signed_in(judged).get("/promotions").text
    assert "There is no gold yet." in signed_in(home).get("/promotions").text


def test_a_candidate_is_promoted_with_the_steps_that_the_page_showed(
    judged: Home, candidate: Recording
) -> None:
    browser = signed_in(judged, "tess", Role.TRAINER)
    page = browser.get(f"/promotions/{candidate.key}").text
    assert f"Make {candidate.original_name} a gold" in page
    assert f'"address": "/promotions/{candidate.key}"' in page
    assert len(browser.get(f"/promotions/{candidate.key}/film", headers=JSON).json()["frames_ms"]) > 10
    assert browser.get(f"/promotions/{candidate.key}/strip").headers["content-type"] == "image/jpeg"
    form = sent(browser.get(f"/promotions/{candidate.key}/proposal", headers=JSON).json())
    answer = browser.post(f"/promotions/{candidate.key}", data=form, headers=JSON)
    assert answer.json() == {
        "new": True,
        "based_on": promotions_chain(judged).read(TASK)[0].event_id,
        "scored": 6,
        "next": None,
    }
    (event,) = promotions_chain(judged).read(TASK)
    assert (event.who, event.why) == ("tess", "looked at")
    assert event.steps_from.endswith(", confirmed at the desk")
    again = browser.post(f"/promotions/{candidate.key}", data=form, headers=JSON).json()
    assert again["new"] is False
    page = browser.get("/promotions").text
    assert "Promoted (1)" in page
    assert "Then this shows before and after." in page
    assert browser.get(f"/promotions/{candidate.key}").headers["location"] == f"/golds/{candidate.key}/steps"


def test_corrected_steps_are_kept_and_said_to_be_corrected(judged: Home, candidate: Recording) -> None:
    browser = signed_in(judged)
    proposal = browser.get(f"/promotions/{candidate.key}/proposal", headers=JSON).json()
    steps = [dict(one) for one in proposal["steps"]]
    steps[0]["start_s"] = 0.25
    assert promote(browser, candidate, steps=steps).json()["new"] is True
    assert confirmed_steps(judged, TASK)[str(candidate.key)][0].start_s == 0.25
    page = browser.get(f"/promotions/history/{TASK}").text
    assert "steps corrected at the desk" in page
    assert page.count("filmed as a gold") == 3


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"why": " "}, "理由を 1〜500 文字で入力してください。"),
        ({"why": "x" * 501}, "理由を 1〜500 文字で入力してください。"),
        ({"steps": []}, "手順が一つも記録されていません"),
    ],
)
def test_what_cannot_be_promoted_is_refused_in_the_persons_language_and_nothing_changes(
    judged: Home, candidate: Recording, more: dict[str, object], why: str
) -> None:
    browser = signed_in(judged)
    browser.post("/language", data={"language": "ja"})
    answer = promote(browser, candidate, **more)
    assert answer.status_code == 422
    assert why in answer.json()["error"]
    assert promotions_chain(judged).read(TASK) == []


def test_a_recording_that_nobody_calls_right_is_no_candidate(judged: Home) -> None:
    (one, *_) = of_role(judged, "trainee")
    browser = signed_in(judged)
    answer = browser.get(f"/promotions/{one.key}")
    assert answer.status_code == 422
    assert "nobody labeled it blind" in answer.text
    for path in ("film", "strip", "proposal", "trial"):
        assert browser.get(f"/promotions/{one.key}/{path}", headers=JSON).status_code == 422
    called_right(judged, one, critical=True)
    said = sent({"steps": [], "by": ""})
    assert "saw a critical deviation" in browser.post(f"/promotions/{one.key}", data=said).text


def test_taking_back_needs_a_reason_and_says_what_follows(judged: Home, candidate: Recording) -> None:
    browser = signed_in(judged)
    promote(browser, candidate)
    address = f"/promotions/{candidate.key}/demote"
    refused = browser.post(address, data={"why": " "})
    assert refused.status_code == 422
    assert "Say why it is taken back." in refused.text
    long = browser.post(address, data={"why": "x" * 501})
    assert long.status_code == 422
    assert "x" * 501 in long.text, "what was typed is still there"
    assert str(candidate.key) in promoted_golds(judged)
    done = browser.post(address, data={"why": "the cap was left open"})
    assert done.headers["location"] == f"/promotions?back={candidate.key}"
    page = browser.get(done.headers["location"]).text
    assert f"{candidate.original_name} is a trainee&#39;s recording again. 6 recordings will be" in page
    assert promoted_golds(judged) == {}
    page = browser.get(f"/promotions/history/{TASK}").text
    assert "the cap was left open" in page


def test_before_and_after_are_shown_once_recordings_were_judged_again(
    judged: Home, candidate: Recording
) -> None:
    browser = signed_in(judged)
    promote(browser, candidate)
    reference = {**reference_rows(judged)[TASK], "reference_id": "r2", "promoted": str(candidate.key)}
    references_ledger(judged).append(
        [{name: reference[name] for name in REFERENCE_COLUMNS}],
        run_id="r2",
        written_at=NOW.replace(minute=31).isoformat(),
    )
    assert "3 recordings are being judged again." in browser.get("/promotions").text
    rows = [row for row in plain_rows(scores_ledger(judged).latest()) if row["role"] == "trainee"]
    again = [
        {**{name: row[name] for name in SCORE_COLUMNS}, "reference_id": "r2", "decision": "fail"}
        for row in rows
        if row["key"] != str(candidate.key)
    ]
    scores_ledger(judged).append(again, run_id="s2", written_at=NOW.replace(minute=32).isoformat())
    for path in ("/promotions", f"/promotions/history/{TASK}"):
        page = browser.get(path).text
        assert "The same 2 recordings by" in page
        assert "2 / 2" in page
        assert "So few people say little" in page


def test_the_history_of_a_task_that_is_not_there_says_so(judged: Home) -> None:
    assert signed_in(judged).get("/promotions/history/tea").status_code == 404
