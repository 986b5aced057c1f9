"""What `sopilot score` says when golds give no reference, or rows of steps.csv cannot be taken."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.cli.running import rows, sopilot


@pytest.fixture
def scored(original: Home, tmp_path: Path) -> Home:
    """A copy of the scored home of this test's own."""
    return Home.at(shutil.copytree(str(original.root), tmp_path / "home"))


def edit(home: Home, before: str, after: str) -> None:
    path = local_path(home.steps_csv("filter_change"))
    path.write_text(path.read_text("utf-8").replace(before, after), "utf-8")


def test_with_nothing_to_do_all_is_up_to_date(scored: Home) -> None:
    assert "all scores are up to date" in sopilot(scored, "score", "run").stdout


def test_scores_that_are_out_of_date_are_no_reason_to_say_that_all_is_well(scored: Home) -> None:
    edit(scored, ",0.000,", ",0.200,")
    said = sopilot(scored, "score", "run").stdout
    assert "6 scores are missing or out of date (6 reference): `sopilot score run --stale`" in said
    assert {row["why"] for row in rows(scored, "score", "list", "--stale")} == {"reference"}


def test_a_row_that_cannot_be_taken_is_named_and_the_exit_code_is_1(scored: Home) -> None:
    edit(scored, "gold_002.mp4,wipe_seat", "gold_002.mp4,wipe_set")
    done = sopilot(scored, "score", "run", exit_code=1)
    assert "up to date" not in done.stdout
    assert (
        "steps.csv, line 12, column step: expected one of the task's steps, found 'wipe_set'" in done.stderr
    )


def test_a_row_of_no_gold_is_named(scored: Home) -> None:
    edit(scored, "gold_002.mp4", "gold_02.mp4")
    said = sopilot(scored, "score", "run").stderr
    assert "line 9, column video: no gold is called 'gold_02.mp4' (did you mean gold_002.mp4?)" in said


def test_a_task_file_that_cannot_be_used_is_no_reason_to_say_that_all_is_well(scored: Home) -> None:
    path = local_path(scored.tasks) / "filter_change.yaml"
    path.write_text("steps: [", "utf-8")
    done = sopilot(scored, "score", "run", exit_code=1)
    assert "up to date" not in done.stdout
    assert "filter_change.yaml" in done.stderr
    path.unlink()
    assert "tasks/filter_change.yaml is missing" in sopilot(scored, "score", "run", exit_code=1).stderr


def test_a_study_is_told_that_the_golds_come_first_and_no_label_helps(scored: Home) -> None:
    edit(scored, "gold_002.mp4,wipe_seat", "gold_002.mp4,wipe_set")
    sopilot(scored, "study", "create", "spring", "--task", "filter_change", "--title", "Spring")
    sopilot(scored, "study", "register", "spring")
    said = sopilot(scored, "study", "run", "spring", exit_code=1).stderr
    assert "Labels do not help before this is mended: Nothing of steps.csv is taken" in said
    assert "line 12, column step" in said
