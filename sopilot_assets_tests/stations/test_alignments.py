"""The alignment and scoring stations: how many processes share a batch changes nothing about the results."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from sopilot_assets.capture.registry import Registry
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations import alignments as compare
from sopilot_assets.stations.alignments import align_videos
from sopilot_assets.stations.outcome import Progress
from sopilot_assets.stations.recording_feed import FeedFilter, feed, utc
from sopilot_assets.stations.rescoring_plan import plan_scoring
from sopilot_assets.stations.score_updates import update_scores
from sopilot_assets.stations.scores import score_videos
from sopilot_assets.store.home import Home, PartitionKey

NOW: Final = datetime(2025, 6, 2, 8, tzinfo=UTC)
AT: Final = NOW.isoformat()


def judged(home: Home, keys: list[PartitionKey], *, processes: int) -> dict[str, object]:
    """Everything that the two stations publish and say."""
    shown: list[tuple[int, int]] = []
    aligned = align_videos(
        home, keys, processes=processes, on_progress=lambda done, total: shown.append((done, total))
    )
    scored = score_videos(home, keys, processes=processes, run_id="run", written_at=AT)
    files = [*Path(str(home.root / "alignments")).rglob("*.npz"), *Path(str(home.reviews)).glob("*.html")]
    return {
        "files": {path.relative_to(str(home.root)): path.read_bytes() for path in files},
        "rows": scores_ledger(home).latest().to_csv(),
        "aligned": aligned,
        "scored": [(one.key, one.problem, one.metadata, one.table, one.picture_png) for one in scored],
        "shown": shown,
    }


@pytest.mark.whole
def test_two_processes_come_to_the_same_bytes_as_one(
    embedded_original: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "WORTH_A_PROCESS", 1)
    keys = list(Registry.read(embedded_original).recordings)
    results = []
    for processes in (1, 2):
        home = Home.at(tmp_path / f"{processes}" / "home")
        shutil.copytree(str(embedded_original.root), str(home.root))
        results.append(judged(home, keys, processes=processes))
    assert len(results[0]["files"]) == 2 * len(keys) + 1  # type: ignore[arg-type]
    assert results[0]["shown"] == [(done, len(keys)) for done in range(1, len(keys) + 1)]
    assert results[0] == results[1]


def test_a_recording_without_an_embedding_is_a_problem_of_its_own_in_every_process(
    embedded_original: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "WORTH_A_PROCESS", 1)
    home = Home.at(tmp_path / "home")
    shutil.copytree(str(embedded_original.root), str(home.root))
    keys = list(Registry.read(home).recordings)
    lost = next(key for key in keys if key.role == "trainee")
    for embedding in Path(str(home.root / "embeddings")).rglob(f"{lost.video_id}.npz"):
        embedding.unlink()
    shown: list[tuple[int, int]] = []
    aligned = {one.key: one for one in align_videos(home, keys, processes=2)}
    scored = score_videos(
        home,
        keys,
        processes=2,
        run_id="run",
        written_at=AT,
        on_progress=lambda done, total: shown.append((done, total)),
    )
    assert {key for key, one in aligned.items() if one.problem} == {lost}
    assert {one.key for one in scored if one.problem} == {lost}
    assert [one.key for one in scored] == keys
    assert shown[-1] == (len(keys), len(keys))


def test_golds_are_judged_before_the_pages_that_show_their_noise_floor(
    embedded_original: Home, tmp_path: Path
) -> None:
    pages = []
    for backwards in (False, True):
        home = Home.at(tmp_path / f"{backwards}" / "home")
        shutil.copytree(str(embedded_original.root), str(home.root))
        keys = sorted(Registry.read(home).recordings, reverse=backwards)
        pages.append(judged(home, keys, processes=1)["files"])
    assert pages[0] == pages[1]


def test_a_page_shows_what_is_contested_also_when_somebody_objects_while_it_is_made(
    embedded_original: Home, tmp_path: Path
) -> None:
    home = Home.at(tmp_path / "home")
    shutil.copytree(str(embedded_original.root), str(home.root))
    keys = sorted(Registry.read(home).recordings)
    one = next(key for key in keys if key.role == "trainee")
    align_videos(home, keys, processes=1)

    def say(done: int, total: int) -> None:
        if done == total:  # its page is made, and the list of all pages is not
            words = {"task_id": one.task_id, "key": str(one), "who": "ann", "at": AT, "verdict": "disagree"}
            objection = Draft(**words, source="human", critical_expected=False, note="it is there")
            append_events(home, [objection], run_id="label", written_at=AT)

    score_videos(home, keys, run_id="run", written_at=AT, on_progress=say)
    shown = home.review(one).read_text("utf-8")
    assert "it is there" in shown
    assert 'data-contested="yes"' in (home.reviews / "index.html").read_text("utf-8")
    score_videos(home, keys, run_id="again", written_at=AT)
    assert home.review(one).read_text("utf-8") == shown
    others = [key for key in keys if key != one]
    assert not any('id="contest"' in home.review(key).read_text("utf-8") for key in others)


def test_a_result_has_the_time_when_it_can_be_read_so_that_who_asks_for_news_misses_none(
    embedded_original: Home, tmp_path: Path
) -> None:
    home = Home.at(tmp_path / "home")
    shutil.copytree(str(embedded_original.root), str(home.root))
    keys = sorted(Registry.read(home).recordings)
    now = asked = NOW

    def says(doing: str, *, before: int, total: int) -> Progress:
        def passes(_done: int, _of: int) -> None:
            nonlocal now
            now += timedelta(minutes=1)

        return passes

    read: dict[str, str] = {}
    updates = update_scores(
        home,
        plan_scoring(home),
        at_once=2,
        processes=1,
        run_id="run",
        written_at=lambda: f"{now.isoformat()}",
        says=says,
    )
    for _ in updates:
        news = feed(home, FeedFilter(judged_since=utc(asked.isoformat())), limit=200)
        read |= {str(row["key"]): str(row["written_at"]) for row in news.rows if row["row_id"]}
        asked = now
    assert set(read) == set(map(str, keys))
    assert len(set(read.values())) == -(-len(keys) // 2)
