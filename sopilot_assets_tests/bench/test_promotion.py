"""Correct trainees that become golds."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.bench.folder import open_folder
from sopilot_assets.bench.promotion import promoted
from sopilot_assets.errors import ConfigError
from sopilot_assets_tests.bench.labeled import STEPS, gold, label, write_folder

SLOW = [{"type": "over_time", "gold_steps": [1]}]


def test_correct_trainees_with_their_steps_become_golds_and_are_judged_no_more(tmp_path: Path) -> None:
    labels = [
        gold("gold.mp4"),
        label("right.mp4", subject_ids=["anna"]),
        label("also.mp4", subject_ids=["carla"]),
        label("slow.mp4", variant="over_time", deviations=SLOW),
        label("other.mp4", variant="other_task"),
        label("unsaid.mp4", steps=STEPS[:2]),
    ]
    folder = open_folder(write_folder(tmp_path, labels))
    (task,) = folder.tasks
    every = promoted(folder, task, 9, seed=0)
    assert [one.file for one in every.golds] == ["also.mp4", "gold.mp4", "right.mp4"]
    assert [one.file for one in every.trainees] == ["other.mp4", "slow.mp4", "unsaid.mp4"]
    assert every.gold_steps["right.mp4"] == task.gold_steps["gold.mp4"]
    assert promoted(folder, task, 0, seed=0) == task


def test_the_seed_chooses_of_as_many_persons_as_possible(tmp_path: Path) -> None:
    labels = [label(f"{who}{n}.mp4", subject_ids=[who]) for who in ("anna", "bo", "carla") for n in range(4)]
    folder = open_folder(write_folder(tmp_path, [gold("gold.mp4"), *labels]))
    (task,) = folder.tasks
    chosen = {
        tuple(one.file for one in promoted(folder, task, 3, seed=seed).golds if one not in task.golds)
        for seed in (1, 1, 2, 3)
    }
    assert 1 < len(chosen) <= 3
    assert all({file[0] for file in files} == {"a", "b", "c"} for files in chosen)


def test_steps_that_cannot_be_are_named(tmp_path: Path) -> None:
    wrong = [{"start_sec": 2.0, "end_sec": 1.0, "label": "boil", "gold_step": 0}]
    folder = open_folder(write_folder(tmp_path, [gold("gold.mp4"), label("right.mp4", steps=wrong)]))
    with pytest.raises(ConfigError, match=r"labels\.jsonl, right\.mp4, field steps\[0\]"):
        promoted(folder, folder.tasks[0], 1, seed=0)
