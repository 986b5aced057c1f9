"""Today: what waits for each person, one click away."""

from __future__ import annotations

import shutil
from datetime import timedelta

from markupsafe import escape
from starlette.testclient import TestClient

from sopilot_assets.capture.ledgers import quarantine_ledger
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.registry import Recording
from sopilot_assets.desk.app import create_app
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.roles import Role
from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.stations.review_now import score_row_of
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.desk.conftest import HERE, NOW, of_role, signed_in


def test_an_empty_home_leads_to_the_first_procedure(home: Home) -> None:
    page = signed_in(home).get("/").text
    assert "There is no procedure yet" in page
    assert 'href="/tasks/-/new"' in page


def left_to_a_person(home: Home) -> Recording:
    """A trainee's recording whose newest result says that somebody has to look."""
    one = of_role(home, "trainee")[0]
    row = score_row_of(home, one.key)
    assert row is not None
    newer = {name: row[name] for name in COLUMNS} | {"decision": "needs_review", "cause": "suspected"}
    scores_ledger(home).append([newer], run_id="again", written_at="2026-01-01T00:00:00+00:00")
    return one


def test_recordings_to_look_at_are_named_with_what_is_suspected_and_one_click_away(judged: Home) -> None:
    one = left_to_a_person(judged)
    page = signed_in(judged).get("/").text
    assert f'href="/recordings/{one.key}"' in page
    assert "Needs review" in page


def test_recordings_are_told_with_their_procedure_where_there_are_several(judged: Home) -> None:
    left_to_a_person(judged)
    browser = signed_in(judged)
    told = '<span class="soft">Filter change</span>'
    assert told not in browser.get("/").text
    tasks = local_path(judged.tasks)
    other = (tasks / "filter_change.yaml").read_text("utf-8").replace("filter_change", "other_work")
    (tasks / "other_work.yaml").write_text(other, "utf-8")
    assert told in browser.get("/").text


def test_results_of_the_reference_before_are_said_to_be_on_their_way(judged: Home) -> None:
    browser = signed_in(judged)
    assert "being brought up to date" not in browser.get("/").text
    older = {"reference": {"reference_id": "0" * 16}, "task": {"task_fingerprint": "0" * 64}}
    for number, changed in enumerate(({}, {}, older["task"])):
        row = score_row_of(judged, of_role(judged, "trainee")[number].key)
        assert row is not None
        newer = {name: row[name] for name in COLUMNS} | older["reference"] | changed
        scores_ledger(judged).append([newer], run_id=f"r{number}", written_at="2026-01-01T00:00:00+00:00")
    page = browser.get("/").text
    assert "2 results are being brought up to date with the golds as they are now." in page
    assert " data-waits" in page


def test_golds_without_steps_lead_to_marking_them(judged: Home) -> None:
    browser = signed_in(judged)
    before = browser.get("/").text
    assert "Golds without steps" not in before
    assert "brought up to date" not in before
    (local_path(judged.steps_csv("filter_change"))).unlink()
    page = browser.get("/").text
    assert "Golds without steps" in page
    assert "brought up to date by themselves" in page
    assert " data-waits" in page
    assert 'href="/golds"' in page


def test_what_intake_refused_is_told_with_the_reason_and_what_to_do(judged: Home) -> None:
    row: dict[str, Cell] = {
        "quarantine_id": "0123456789ab:x",
        "sha256": "0" * 64,
        "capture_path": "filter_change/trainee/site_a/dark.mp4",
        "original_name": "dark<b>.mp4",
        "stored_name": "dark.mp4",
        "size_bytes": 3,
        "reason": Reason.TOO_DARK.value,
        "detail": "",
    }
    quarantine_ledger(judged).append([row], run_id="x", written_at="2026-01-01T00:00:00+00:00")
    page = signed_in(judged).get("/").text
    assert "dark&lt;b&gt;.mp4" in page
    text = Reason.TOO_DARK.text
    assert escape(text.do_english) in page
    assert text.do_japanese in signed_in(judged, "aki").get("/", headers={"accept-language": "ja"}).text


def test_what_was_not_judged_is_counted_and_watched(judged: Home) -> None:
    browser = signed_in(judged)
    assert "data-waits" not in browser.get("/").text
    shutil.rmtree(local_path(judged.ledgers) / "scores")
    page = browser.get("/").text
    assert 'href="/recordings?decision=not_judged"' in page
    assert "data-waits" in page


def test_progress_is_shown_against_the_targets(judged: Home) -> None:
    page = signed_in(judged).get("/").text
    assert "3 / 20" in page
    assert "3 / 50" in page


def test_a_worker_sees_their_own_newest_results_and_nothing_else(judged: Home) -> None:
    one = of_role(judged, "trainee")[0]
    page = signed_in(judged, "wanda", Role.TRAINEE, one.person).get("/").text
    assert str(one.key) in page
    assert "Progress" not in page
    for other in (*of_role(judged, "trainee"), *of_role(judged, "gold")):
        assert (str(other.key) in page) is (other.person == one.person)


def test_it_says_what_changed_since_the_visit_before_this_one(judged: Home) -> None:
    now = [NOW]
    app = create_app(DeskConfig(judged), clock=lambda: now[0])
    browser = TestClient(app, base_url=HERE, headers={"origin": HERE, "accept": "text/html"})
    browser.post("/sign-in", data={"who": "ada"})
    assert "Since you were here" not in browser.get("/").text
    now[0] += timedelta(minutes=5)
    assert "Since you were here" not in browser.get("/").text
    now[0] += timedelta(hours=2)
    assert "nothing changed" in browser.get("/").text
    one = of_role(judged, "trainee")[0]
    row = score_row_of(judged, one.key)
    assert row is not None
    said = {"row": str(row["row_id"]), "kind": "whole", "verdict": "disagree", "note": "no"}
    browser.post(f"/recordings/{one.key}/say", data=said)
    now[0] += timedelta(seconds=5)
    assert "1 times somebody said something" in browser.get("/").text


def test_a_cookie_that_says_nonsense_is_no_visit(judged: Home) -> None:
    browser = signed_in(judged)
    browser.get("/")
    name = next(name for name in browser.cookies if name.startswith("sopilot_visit_"))
    browser.cookies.clear()
    browser.post("/sign-in", data={"who": "ada", "password": "the door is green on Mondays"})
    browser.cookies.set(name, "<script>~9999")
    assert browser.get("/").status_code == 200
