"""The page that lists all review pages of a home."""

from __future__ import annotations

from pathlib import Path

from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.stations.review_index import write_review_index
from sopilot_assets.store.home import Home

GOOD, BAD, UNSEEN = (f"tea-t-00000000000{digit}" for digit in "123")


def test_the_index_lists_each_recording_that_has_a_result(home: Home) -> None:
    rows = [
        dict.fromkeys(COLUMNS)
        | {
            "key": key,
            "video_id": key[-12:],
            "task_id": "tea",
            "role": "trainee",
            "original_name": f"{key}.mp4",
        }
        | {"score": score, "decision": decision, "deviations": "[]", "problem": problem}
        for key, score, decision, problem in (
            (GOOD, 100.0, "pass", None),
            (BAD, 60.0, "fail", None),
            (UNSEEN, None, "not_verifiable", "it cannot be read"),
        )
    ]
    scores_ledger(home).append(rows, run_id="test", written_at="2026-01-01T00:00:00+00:00")
    page = write_review_index(home)
    html = page.read_text("utf-8")
    assert page == Path(str(home.reviews / "index.html"))
    assert html.index(f'href="{BAD}.html"') < html.index(f'href="{GOOD}.html"')
    assert UNSEEN not in html


def test_a_home_without_scores_has_an_empty_index(home: Home) -> None:
    assert "href=" not in write_review_index(home).read_text("utf-8").partition("<table")[2]
