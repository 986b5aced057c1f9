"""What is shown of the step times of single recordings, and what is said where there are none."""

from __future__ import annotations

import io
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from sopilot_assets.capture.registry import Registry
from sopilot_assets.errors import StoreError
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.rescoring_plan import ScoringStart, plan_scoring
from sopilot_assets.stations.scores import score_videos
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.stations.step_times import OLDER, step_times
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks.saving import open_task, save_task
from sopilot_assets.times.ledger import step_times_ledger
from sopilot_assets.times.reading import read_times

NOW = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)


def test_each_recording_has_a_table_a_picture_and_its_cycle(original: Home) -> None:
    keys = list(Registry.read(original).recordings)
    for key, outcome in zip(keys, step_times(original, keys), strict=True):
        assert outcome.key == key
        assert outcome.problem is None
        assert float(outcome.metadata["cycle_s"] or 0) > 5
        assert sum(row["kind"] == "step" for row in outcome.table) >= 4
        assert all(row["low_s"] <= row["usual_s"] <= row["high_s"] for row in outcome.table if row["low_s"])
        assert outcome.picture_png is not None
        with Image.open(io.BytesIO(outcome.picture_png)) as picture:
            assert picture.width > 600


def test_times_are_shown_when_their_step_is_none_of_the_tasks_any_more(scored: Home) -> None:
    opened = open_task(scored, "filter_change")
    wanted = opened.task.model_copy(update={"steps": opened.task.steps[1:]})
    save_task(scored, "filter_change", wanted, base=opened.base, who="ada", why="a test", at=NOW)
    for outcome in step_times(scored, list(Registry.read(scored).recordings)):
        assert outcome.picture_png is not None
        assert outcome.table[0]["step_id"] == opened.task.step_ids[0]


def test_a_score_without_times_is_stale_and_scoring_it_again_makes_them(scored: Home) -> None:
    for file in step_times_ledger(scored).files():
        Path(file).unlink()
    keys = list(Registry.read(scored).recordings)
    assert set(stale_scores(scored)["why"]) == {"times"}
    assert {one.problem for one in step_times(scored, keys)} == {OLDER}
    before = scores_ledger(scored).all_rows()
    score_videos(scored, keys, run_id="again", written_at="2025-06-03T08:00:00+00:00")
    assert stale_scores(scored).empty
    assert len(scores_ledger(scored).all_rows()) == len(before), "a score that stays gets no other row"
    assert all(one.problem is None for one in step_times(scored, keys))


def test_who_dies_before_the_times_are_there_has_left_no_score_either(scored: Home) -> None:
    keys = list(Registry.read(scored).recordings)
    ledgers = local_path(scored.ledgers)
    for name in ("scores", "step_times"):
        shutil.rmtree(ledgers / name)
    (ledgers / "step_times").symlink_to("nowhere")  # so that its rows cannot be written
    with pytest.raises(StoreError):
        score_videos(scored, keys, run_id="first", written_at="2025-06-03T08:00:00+00:00")
    (ledgers / "step_times").unlink()
    (work,) = plan_scoring(scored)
    assert (work.start, work.keys) == (ScoringStart.NEW, tuple(sorted(map(str, keys))))
    score_videos(scored, keys, run_id="second", written_at="2025-06-03T08:00:00+00:00")
    assert stale_scores(scored).empty


def test_times_of_another_reference_count_no_more(scored: Home) -> None:
    rows = plain_rows(scores_ledger(scored).latest())
    newer = [{name: row[name] for name in scores_ledger(scored).columns} for row in rows]
    newer = [{**row, "reference_id": "another"} for row in newer]
    scores_ledger(scored).append(newer, run_id="newer", written_at="2025-06-03T08:00:00+00:00")
    assert read_times(scored).steps.num_rows == 0
    assert set(read_times(scored).cycles.to_pandas()["cycle_s"].isna()) == {True}
    assert {one.problem for one in step_times(scored, list(Registry.read(scored).recordings))} == {OLDER}


def test_without_a_score_there_are_no_times(embedded_original: Home) -> None:
    keys = list(Registry.read(embedded_original).recordings)
    assert {one.problem for one in step_times(embedded_original, keys)} == {"It was not scored yet."}
