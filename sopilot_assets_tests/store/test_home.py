"""Partition keys and the home folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home, PartitionKey


@given(
    st.from_regex(r"[a-z][a-z0-9_]{0,47}", fullmatch=True),
    st.sampled_from(["gold", "trainee"]),
    st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
)
def test_a_key_reads_back_as_its_parts(task_id: str, role: str, video_id: str) -> None:
    key = PartitionKey(task_id, role, video_id)
    assert PartitionKey.parse(str(key)) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "task",
        "task-x-0123456789ab",
        "task-t-0123",
        "Task-t-0123456789ab",
        "a/../b-t-0123456789ab",
        "task-t-0123456789ab\n",
    ],
)
def test_what_is_no_key_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="filter_change-t-1f3a9c2b7d04"):
        PartitionKey.parse(text)


def test_a_key_of_a_bad_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a task id"):
        PartitionKey("../escape", "gold", "0123456789ab")


def test_paths_of_a_home_are_absolute_and_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = Home.at("here")
    assert str(home.steps_csv("job")) == str(tmp_path / "here" / "capture" / "job" / "gold" / "steps.csv")
