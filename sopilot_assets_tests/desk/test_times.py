"""The pages of times: what shift leads and method engineers read, and take with them."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest

from sopilot_assets.desk.roles import Role
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import load_task
from sopilot_assets.times.figures import TimesFilter, cycle_figures
from sopilot_assets.times.reading import read_times
from sopilot_assets_tests.desk.conftest import signed_in


def takt(home: Home, takt_s: float) -> None:
    """Give the task a takt time."""
    path = Path(local_path(home.tasks / "filter_change.yaml"))
    text = path.read_text("utf-8").replace("takt_s: null\n", "")
    path.write_text(f"{text}takt_s: {takt_s}\n", "utf-8")


def test_a_home_without_recordings_says_what_to_do(home: Home) -> None:
    page = signed_in(home).get("/times").text
    assert "No times yet" in page
    assert 'href="/upload"' in page


def test_the_list_leads_to_each_procedure_with_its_mean_cycle(judged: Home) -> None:
    page = signed_in(judged).get("/times").text
    mean_s = cycle_figures(read_times(judged), TimesFilter())["mean_s"].iloc[0]
    assert 'href="/times/filter_change"' in page
    assert f"{mean_s:.1f}" in page


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_procedure_shows_its_charts_beside_tables(judged: Home, language: str) -> None:
    takt(judged, 21.5)
    browser = signed_in(judged)
    page = browser.get("/times/filter_change", headers={"accept-language": language}).text
    assert page.count('<svg viewBox="') == 3
    assert ("タクトタイム 21.5 秒" if language == "ja" else "Takt time 21.5 s") in page
    for step in load_task(judged.tasks / "filter_change.yaml").steps:
        assert ((step.name_ja or step.name) if language == "ja" else step.name) in page


def test_scores_from_before_times_were_kept_have_words_instead_of_empty_charts(judged: Home) -> None:
    shutil.rmtree(local_path(judged.ledgers / "step_times"))
    page = signed_in(judged).get("/times/filter_change").text
    assert page.count("No complete recording yet.") == 3
    assert '<svg viewBox="' not in page


def test_a_filter_that_matches_nothing_says_so_and_can_be_cleared(judged: Home) -> None:
    page = signed_in(judged).get("/times/filter_change?site=nowhere&since=2020-W01&by=nonsense").text
    assert "No recording matches." in page
    assert 'href="/times/filter_change"' in page


@pytest.mark.parametrize(
    "path", ["/times/tea", "/times/tea/recordings.csv", "/times/filter_change/recordings.pdf"]
)
def test_what_is_not_there_is_not_found(judged: Home, path: str) -> None:
    assert signed_in(judged).get(path).status_code == 404


def test_the_recordings_come_as_csv_and_as_excel(judged: Home) -> None:
    browser = signed_in(judged)
    answer = browser.get("/times/filter_change/recordings.csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == 3
    assert 'filename="times_filter_change.csv"' in answer.headers["content-disposition"]
    assert browser.get("/times/filter_change/recordings.csv?site=nowhere").text.count("\n") == 1
    excel = browser.get("/times/filter_change/recordings.xlsx")
    assert excel.content.startswith(b"PK")
    assert "spreadsheetml" in excel.headers["content-type"]


@pytest.mark.parametrize("role", [Role.TRAINEE, Role.RATER])
def test_who_labels_blind_or_works_is_not_shown_others_times(judged: Home, role: Role) -> None:
    browser = signed_in(judged, "eve", role, person="p01" if role is Role.TRAINEE else None)
    assert browser.get("/times/filter_change").status_code == 403
    assert "/times" not in browser.get("/").text
