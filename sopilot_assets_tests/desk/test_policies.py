"""Policies at the desk: what decides, what it promises, and how it is adopted and withdrawn."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from sopilot_assets.desk.roles import Role
from sopilot_assets.scoring.ledger import COLUMNS as SCORE_COLUMNS
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.studies.adoptions import adoptions
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.desk.conftest import NOW, signed_in
from sopilot_assets_tests.evidence.made_up_study import TASK, write_study


@pytest.fixture
def studied(ready_dossier: Home, tmp_path: Path) -> Home:
    """A home with a study whose dossier is ready, and one that was never run."""
    home = Home.at(shutil.copytree(str(ready_dossier.root), tmp_path / "studied"))
    prepare_home(home)
    write_study(home, "autumn")
    return home


def adopt(browser: TestClient, reason: str = "all gates passed"):  # type: ignore[no-untyped-def]
    """The answer to adopting the policy of the study."""
    return browser.post("/policies/adopt/summer", data={"reason": reason})


def test_the_page_says_what_decides_and_which_studies_could_be_adopted(studied: Home) -> None:
    browser = signed_in(studied)
    page = browser.get("/policies").text
    assert "the golds&#39; own rule" in page
    assert "Its gates passed." in page
    assert "By too few people for a statement about others." in page
    assert "Cannot be adopted: it has no result yet" in " ".join(page.split())
    assert "Verify and adopt" in page
    browser.post("/language", data={"language": "ja"})
    page = browser.get("/policies").text
    assert "お手本による基準" in page
    assert "まだ結果がありません" in page


def test_a_policy_is_verified_adopted_shown_and_withdrawn(studied: Home) -> None:
    browser = signed_in(studied)
    page = browser.get("/policies/adopt/summer").text
    assert "Every hash, figure and gate of the dossier was computed again and agrees." in page
    assert "Of people with a critical recording at most 30 % have one missed, with 80 % confidence" in page
    assert "False alarms:" in page
    assert adopt(browser).headers["location"] == f"/policies?done={TASK}#t-{TASK}"
    (event,) = adoptions(studied).read(TASK)
    assert (event.who, event.reason, event.at) == ("ada", "all gates passed", NOW.isoformat())
    page = browser.get(f"/policies?done={TASK}").text
    assert event.policy_id in page
    assert "at most 30 % have one missed" in page
    assert "No new recording has passed since it was adopted." in page
    assert "decides for filter_change already" in browser.get("/policies/adopt/summer").text
    assert browser.post(f"/policies/withdraw/{TASK}", data={"reason": ""}).status_code == 422
    browser.post(f"/policies/withdraw/{TASK}", data={"reason": "another camera"})
    assert [one.happened.value for one in adoptions(studied).read(TASK)] == ["adopted", "withdrawn"]
    page = browser.get("/policies").text
    assert "another camera" in page
    assert "the golds&#39; own rule" in page


def test_without_a_reason_nothing_is_adopted_and_what_was_typed_stays(studied: Home) -> None:
    browser = signed_in(studied)
    assert adopt(browser, " ").status_code == 422
    long = adopt(browser, "x" * 501)
    assert long.status_code == 422
    assert "x" * 501 in long.text
    assert adoptions(studied).tasks() == []


def test_a_dossier_that_does_not_verify_is_refused_in_both_languages(studied: Home) -> None:
    (cases,) = local_path(studied.dossiers / "summer").glob("*/rows/cases.csv")
    cases.write_text(cases.read_text().replace("fail", "pass", 1))
    browser = signed_in(studied)
    assert "comparisons do not agree" in browser.get("/policies/adopt/summer").text
    browser.post("/language", data={"language": "ja"})
    answer = adopt(browser)
    assert answer.status_code == 422
    assert "か所が一致しません" in answer.text
    assert adoptions(studied).tasks() == []


def test_only_administrators_act_and_trainees_do_not_even_read(studied: Home) -> None:
    signed_in(studied)
    trainer = signed_in(studied, "tess", Role.TRAINER)
    assert adopt(trainer).status_code == 403
    assert "An administrator can adopt it." in trainer.get("/policies/adopt/summer").text
    assert "Withdraw the policy" not in trainer.get("/policies").text
    assert signed_in(studied, "ray", Role.RATER).get("/policies").status_code == 200
    assert signed_in(studied, "ben", Role.TRAINEE, "p0001").get("/policies").status_code == 403


def test_a_condition_that_is_gone_and_a_lost_dossier_are_said(studied: Home) -> None:
    browser = signed_in(studied)
    adopt(browser)
    shutil.rmtree(local_path(studied.dossiers))
    assert "Its dossier is gone, or is not the one that was adopted." in browser.get("/policies").text
    path = local_path(studied.tasks) / f"{TASK}.yaml"
    path.write_text(
        path.read_text().replace("pass_score: 90", "pass_score: 91").replace("version: 1", "version: 2")
    )
    page = browser.get("/policies").text
    assert "does not decide any more" in page
    assert "the task is not the one it was fitted on" in page
    browser.post("/language", data={"language": "ja"})
    assert "手順書が検証のときと違います" in browser.get("/policies").text


def test_once_a_policy_decided_a_result_the_list_says_of_every_one_what_did(studied: Home) -> None:
    browser = signed_in(studied)
    assert "the golds&#39; own rule" not in browser.get("/recordings").text
    (row, *_) = plain_rows(scores_ledger(studied).latest())
    by_policy = {**{name: row[name] for name in SCORE_COLUMNS}, "decided_by": "policy x1"}
    scores_ledger(studied).append([by_policy], run_id="x", written_at="2026-03-05T08:00:00+00:00")
    page = browser.get("/recordings").text
    assert page.count("adopted policy x1") == 1
    assert page.count("the golds&#39; own rule") == page.count('class="recording"') - 1 > 40


def test_the_page_of_accounts_says_whose_policies_are(home: Home) -> None:
    browser = signed_in(home)
    assert "a trainer does all but accounts and policies" in browser.get("/accounts").text
    browser.post("/language", data={"language": "ja"})
    assert "指導員はアカウントの管理とポリシーの採用・取り下げ以外" in browser.get("/accounts").text
