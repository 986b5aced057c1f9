"""Review pages that are made when somebody looks: the same bytes, of the newest row, or none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sopilot_assets.capture.registry import Registry
from sopilot_assets.defs.web.home_pages import HomePages
from sopilot_assets.errors import VideoError
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, RaterVerdict, Source
from sopilot_assets.privacy.covering import Covering
from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.scoring.review.page import covered_as
from sopilot_assets.stations import judged, review_pages, reviews
from sopilot_assets.stations.contests import show_contests
from sopilot_assets.stations.outcome import StationOutcome
from sopilot_assets.stations.review_now import score_row_of
from sopilot_assets.stations.review_pages import make_page, review_page_of
from sopilot_assets.stations.reviews import ReviewWork, page_for
from sopilot_assets.stations.scores import FEW_PAGES, score_videos
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Row
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets_tests.capture.removed import note_removed
from sopilot_assets_tests.cli.running import sopilot

AT = "2026-02-01T00:00:00+00:00"
MANY = FEW_PAGES + 1


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Home:
    """Six scored recordings with their pages."""
    return Home.at(shutil.copytree(str(original.root), tmp_path / "own"))


def keys(home: Home) -> list[PartitionKey]:
    return list(Registry.read(home).recordings)


def pages(home: Home) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in local_path(home.reviews).glob("*-*.html")}


def score_again(home: Home, *, processes: int = 1, part_of: int = MANY) -> list[StationOutcome]:
    """As a part of many."""
    return score_videos(home, keys(home), run_id="again", written_at=AT, processes=processes, part_of=part_of)


def test_of_many_that_are_scored_again_a_page_is_made_when_it_is_asked_for_with_the_same_bytes(
    home: Home,
) -> None:
    before, listed = pages(home), (home.reviews / "index.html").read_text("utf-8")
    outcomes = score_again(home)
    assert pages(home) == {}
    assert (home.reviews / "index.html").read_text("utf-8") == listed
    assert [one.page for one in outcomes] == [local_path(home.review(key)) for key in keys(home)]
    assert all(one.picture_png is None for one in outcomes)
    assert any(one.table for one in outcomes)
    first = keys(home)[0]
    assert review_page_of(home, first).path == local_path(home.review(first))
    assert pages(home) == {f"{first}.html": before[f"{first}.html"]}
    assert sopilot(home, "score", "render").exit_code == 0
    assert pages(home) == before


def test_a_page_of_before_faces_were_covered_is_made_anew_when_somebody_looks(home: Home) -> None:
    key = keys(home)[0]
    page, before = local_path(home.review(key)), pages(home)
    client = TestClient(HomePages(Starlette(), home))
    assert client.get(f"/reviews/{page.name}").content == before[page.name]
    publish_text(home.root / "settings.yaml", "privacy: {blur_faces: everywhere}\n")
    covered = client.get(f"/reviews/{page.name}").text
    assert covered_as(page) == Covering(faces=True).tag
    assert covered == page.read_text("utf-8")
    assert "../videos/" in before[page.name].decode()
    assert "../videos/" not in covered
    assert review_page_of(home, key).path == page
    assert {name: data for name, data in pages(home).items() if name != page.name} == {
        name: data for name, data in before.items() if name != page.name
    }
    (home.root / "settings.yaml").unlink()
    assert client.get(f"/reviews/{page.name}").content == before[page.name]


def test_few_that_are_scored_again_and_first_scores_have_their_pages_at_once(home: Home) -> None:
    before = pages(home)
    score_again(home, part_of=FEW_PAGES)
    assert pages(home) == before
    shutil.rmtree(local_path(home.ledgers) / "scores")
    score_again(home)
    assert pages(home) == before


def test_many_are_judged_in_child_processes_and_come_to_the_same(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = score_again(home)
    rows = scores_ledger(home).latest()["row_id"].tolist()
    monkeypatch.setattr(judged, "WORTH_A_PROCESS", 1)
    assert score_again(home, processes=2) == alone
    assert scores_ledger(home).latest()["row_id"].tolist() == rows


def test_a_recording_that_has_no_result_any_more_has_no_page_either(home: Home) -> None:
    shutil.rmtree(local_path(home.root) / "alignments")
    score_again(home, part_of=1)
    assert pages(home) == {}
    assert "href=" not in (home.reviews / "index.html").read_text("utf-8").partition("<table")[2]


def test_there_is_no_page_of_a_result_that_would_come_out_otherwise_now(home: Home) -> None:
    score_again(home)
    one, other = keys(home)[-2:]
    changes: list[tuple[PartitionKey, Row]] = [
        (one, {"decision": "retrain", "score": 12.5}),
        (other, {"person": "p99"}),
    ]
    for key, change in changes:
        row = score_row_of(home, key)
        assert row is not None
        changed = {**{name: row[name] for name in COLUMNS}, **change}
        scores_ledger(home).append([changed], run_id="before", written_at="2026-03-01T00:00:00+00:00")
        found = review_page_of(home, key)
        assert found.path is None
        assert found.waits is not None
        assert "earlier version" in found.waits.en
    assert pages(home) == {}
    missing = review_page_of(home, PartitionKey(one.task_id, "trainee", "0123456789ab"))
    assert (missing.path, missing.verdict) == (None, None)


def test_a_page_that_was_overtaken_by_a_new_score_is_made_of_that(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_again(home)
    key = keys(home)[-1]
    row = score_row_of(home, key)
    assert row is not None
    ids = iter(["of another row", row["row_id"]])
    monkeypatch.setattr(review_pages, "score_row_of", lambda *_: {"row_id": next(ids)})
    assert make_page((home, key)).path == local_path(home.review(key))
    assert next(ids, None) is None


def test_a_page_of_a_video_that_is_removed_meanwhile_is_not_left(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_again(home)
    key = next(key for key in keys(home) if key.role == "trainee")

    def removed_meanwhile(work: ReviewWork, covering: Covering, *, video: str) -> object:
        made = page_for(work, covering, video=video)
        note_removed(home, [str(key)], at=AT, sha256=key.video_id + "0" * 52)
        return made

    with monkeypatch.context() as patched:
        patched.setattr(reviews, "page_for", removed_meanwhile)
        with pytest.raises(VideoError, match="Open the page once more"):
            make_page((home, key))
    assert not local_path(home.review(key)).exists()
    page = make_page((home, key)).path
    assert page is not None
    assert "The video was removed on" in page.read_text("utf-8")


def test_what_is_contested_is_listed_at_once_and_on_the_page_when_it_is_made(home: Home) -> None:
    score_again(home)
    key = next(key for key in keys(home) if key.role == "trainee")
    objection = Draft(
        task_id=key.task_id,
        key=str(key),
        who="ann",
        at=AT,
        source=Source.HUMAN,
        verdict=RaterVerdict.DISAGREE,
        critical_expected=False,
        note="it is there",
    )
    append_events(home, [objection], run_id="label", written_at=AT)
    show_contests(home, [str(key)])
    assert 'data-contested="yes"' in (home.reviews / "index.html").read_text("utf-8")
    page = review_page_of(home, key).path
    assert page is not None
    assert "it is there" in page.read_text("utf-8")


@pytest.fixture
def client(home: Home) -> Iterator[TestClient]:
    with TestClient(HomePages(Starlette(), home)) as made:
        yield made


def test_the_link_of_a_result_makes_its_page(home: Home, client: TestClient) -> None:
    before = pages(home)
    score_again(home)
    key = keys(home)[0]
    answer = client.get(f"/reviews/{key}.html")
    assert (answer.status_code, answer.content) == (200, before[f"{key}.html"])
    assert list(pages(home)) == [f"{key}.html"]
    shutil.rmtree(local_path(home.root) / "alignments")
    told = client.get(f"/reviews/{keys(home)[1]}.html")
    assert told.status_code == 200
    assert "earlier version" in told.text
    assert client.get(f"/reviews/{key.task_id}-t-0123456789ab.html").status_code == 404


def test_a_command_shows_where_the_page_is_that_it_made(home: Home) -> None:
    score_again(home)
    key = keys(home)[0]
    said = sopilot(home, "recording", "show", str(key)).stdout
    assert f"Review page: {local_path(home.review(key))}" in said.replace("\n", "")
    assert list(pages(home)) == [f"{key}.html"]
