"""Which recordings are scored by which job."""

from __future__ import annotations

import pytest

from sopilot_assets.capture.ledgers import VIDEO_COLUMNS, videos_ledger
from sopilot_assets.errors import ConfigError
from sopilot_assets.operations.planning import Job, Work, active, find_recordings, plan_scoring
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import new_task

FIRST, SECOND, OTHER = "tea-t-000000000001", "tea-t-000000000002", "coffee-t-000000000003"


@pytest.fixture
def registered(home: Home) -> Home:
    """A home with three recordings of two tasks, none scored; two have the same file name."""
    names = {FIRST: "take.mp4", SECOND: "other.mp4", OTHER: "take.mp4"}
    for task in ("tea", "coffee"):
        new_task(home.root, task, name=task)
    rows = [
        dict.fromkeys(VIDEO_COLUMNS)
        | {"key": key, "video_id": key[-12:], "sha256": key[-12:], "task_id": key.split("-")[0]}
        | {"role": "trainee", "site": "a", "original_name": name, "stored_name": name, "status": "active"}
        for key, name in names.items()
    ]
    videos_ledger(home).append(rows, run_id="test", written_at="2026-01-01T00:00:00+00:00")
    return home


def test_without_a_choice_what_has_no_score_is_scored(registered: Home) -> None:
    assert plan_scoring(registered) == [Work(Job.NEW, dict.fromkeys((FIRST, SECOND, OTHER), "new"))]
    assert plan_scoring(registered, task_id="coffee") == [Work(Job.NEW, {OTHER: "new"})]


def test_recordings_are_found_by_key_id_and_file_name(registered: Home) -> None:
    assert find_recordings(active(registered), [FIRST, "000000000002", "other.mp4"]) == [
        FIRST,
        SECOND,
        SECOND,
    ]


def test_a_name_that_several_have_is_refused_with_their_keys(registered: Home) -> None:
    with pytest.raises(ConfigError, match=f"2 recordings are called so: {OTHER}, {FIRST}"):
        find_recordings(active(registered), ["take.mp4"])


def test_an_unknown_name_is_refused_with_the_nearest_ones(registered: Home) -> None:
    with pytest.raises(ConfigError, match=r"othr\.mp4: expected .* similar ones: other\.mp4"):
        find_recordings(active(registered), ["othr.mp4"])


def test_a_task_without_recordings_is_refused(registered: Home) -> None:
    with pytest.raises(ConfigError, match="tasks that have some: coffee, tea"):
        plan_scoring(registered, task_id="milk")
