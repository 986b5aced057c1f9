"""What is known of a labeled folder before anything is scored: recordings, who and where, golds' steps.

Nothing here says what a trainee did. The runs take these types only; labels are joined with their results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.tasks import Step


@dataclass(frozen=True, slots=True)
class BenchRecording:
    """One recording: ``file`` is its name in the labels, ``path`` where it lies, ``site`` where it was made
    as the name of a folder, ``person`` who is seen (None where nobody is named).
    """

    file: str
    path: Path
    site: str
    person: str | None


@dataclass(frozen=True, slots=True)
class NotScored:
    """A recording of a task that gets no score, and why."""

    task_id: str
    file: str
    why: str


@dataclass(frozen=True, slots=True)
class BenchTask:
    """A task of the folder: ``title`` is its name in the labels, ``task_id`` and the steps' ids are the legal
    forms that the product gets.

    ``gold_steps`` holds the annotated steps of golds by file, ``task_file`` the folder's own task file.
    """

    task_id: str
    title: str
    steps: tuple[Step, ...]
    golds: tuple[BenchRecording, ...]
    trainees: tuple[BenchRecording, ...]
    gold_steps: Mapping[str, tuple[StepInterval, ...]]
    task_file: Path | None = None

    @property
    def step_ids(self) -> tuple[str, ...]:
        """The ids of its steps, in order."""
        return tuple(step.id for step in self.steps)

    def with_golds(self, count: int | None, *, seed: int) -> BenchTask:
        """The same task with at most ``count`` golds (None for all), see `choose_golds`."""
        return self if count is None else replace(self, golds=choose_golds(self.golds, count, seed=seed))


FileKey: TypeAlias = tuple[str, str]
"""Task and file: what a recording is known by."""


def choose_golds(golds: Sequence[BenchRecording], count: int, *, seed: int) -> tuple[BenchRecording, ...]:
    """At most ``count`` golds, of as many persons as possible: the persons take turns in an order drawn by
    the seed, each with a gold drawn by the seed. In the order of the files.
    """
    chance = np.random.default_rng(seed)
    by_person: dict[str, list[BenchRecording]] = {}
    for gold in sorted(golds, key=lambda one: one.file):
        by_person.setdefault(gold.person or gold.file, []).append(gold)
    names = sorted(by_person)
    persons = [by_person[names[index]] for index in chance.permutation(len(names))]
    drawn = [[own[index] for index in chance.permutation(len(own))] for own in persons]
    longest = max((len(own) for own in drawn), default=0)
    turns = [own[turn] for turn in range(longest) for own in drawn if turn < len(own)]
    return tuple(sorted(turns[:count], key=lambda one: one.file))
