"""Trainee recordings that are confirmed to be right and become golds, as far as labels can stand for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sopilot_assets.bench.folder import LabeledFolder, labeled_steps
from sopilot_assets.bench.recordings import BenchRecording, BenchTask, choose_golds
from sopilot_assets.bench.truth import truth_of


def promoted(folder: LabeledFolder, task: BenchTask, count: int, *, seed: int) -> BenchTask:
    """The task with at most ``count`` of its correct trainees as golds, with their labeled steps.

    They are chosen like golds, see `choose_golds`, among those whose label shows every step, and are no
    trainees any more. Raises ``ConfigError`` for steps that cannot be.
    """
    chosen = choose_golds(promotable(folder, task), count, seed=seed)
    steps = {one.file: labeled_steps(folder, task, one.file) for one in chosen}
    return replace(
        task,
        golds=tuple(sorted((*task.golds, *chosen), key=lambda one: one.file)),
        trainees=tuple(one for one in task.trainees if one not in chosen),
        gold_steps={**task.gold_steps, **steps},
    )


def promotable(folder: LabeledFolder, task: BenchTask) -> Sequence[BenchRecording]:
    """The trainees that the labels call correct, and whose labels say when each step was done."""
    every = set(range(len(task.steps)))
    return [
        one
        for one in task.trainees
        if truth_of(task, one, folder.labels[task.task_id, one.file]).correct
        and {shown.step for shown in labeled_steps(folder, task, one.file)} == every
    ]
