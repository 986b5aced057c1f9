"""What shows something else than the procedure, or nothing at all, never passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from upath import UPath

from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.calibration import Calibration, calibrate
from sopilot_assets.capture.simulate.dataset import SimulatedSet
from sopilot_assets.embedding.backends import load_embedder
from sopilot_assets.embedding.embedder import Embedder
from sopilot_assets.reference.annotations import GoldNames, read_annotations
from sopilot_assets.reference.model import Gold, Reference, build_reference
from sopilot_assets.reference.step_names import StepNames
from sopilot_assets.scoring.result import Decision, Score
from sopilot_assets.scoring.score import score_alignment
from sopilot_assets.tasks import TaskSpec, load_task
from sopilot_assets.video.frames import open_frames
from sopilot_assets.video.write import write_h264

Image = NDArray[np.uint8]
FPS = 8
HEIGHT, WIDTH = 120, 160
SECONDS = 20


@dataclass(frozen=True)
class Judge:
    """The simulated task with a calibrated reference of its golds."""

    task: TaskSpec
    embedder: Embedder
    reference: Reference
    calibration: Calibration

    def score(self, video: Path) -> Score:
        """The score of a video file."""
        embedding = self.embedder.embed(video)
        alignment = align(video.stem, embedding, self.reference, prices=self.calibration.prices)
        return score_alignment(self.task, self.reference, alignment, self.calibration)


@pytest.fixture(scope="module")
def judge(tiny_set: SimulatedSet, lite0_models: Path) -> Judge:
    task = load_task(tiny_set.task_file)
    embedder = load_embedder("lite0_box", models=UPath(lite0_models))
    names = [GoldNames(path.name, path.name, 0.0) for path in tiny_set.golds]
    steps = read_annotations(UPath(tiny_set.steps_csv), StepNames.of(task), names, source="steps.csv").steps
    golds = [
        Gold(path.stem, path.stem, "site_a", embedder.embed(path), steps[path.name], confirmed=True)
        for path in tiny_set.golds[:2]
    ]
    with threadpool_limits(1):
        reference = build_reference(task.task_id, task.step_ids, golds, orders=task.legal_orders())
        return Judge(task, embedder, reference, calibrate(reference))


def test_the_procedure_itself_passes(judge: Judge, tiny_set: SimulatedSet) -> None:
    assert judge.score(tiny_set.trainees[0]).decision is Decision.PASS


def _noise(chance: Generator) -> Iterator[Image]:
    while True:
        yield chance.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def _still(chance: Generator) -> Iterator[Image]:
    picture = np.repeat(np.repeat(chance.integers(0, 256, (15, 20, 3), dtype=np.uint8), 8, 0), 8, 1)
    while True:
        yield picture


def _grain(chance: Generator) -> Iterator[Image]:
    for picture in _still(chance):
        yield np.clip(picture + chance.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


def _pan(chance: Generator) -> Iterator[Image]:
    wide = np.repeat(np.repeat(chance.integers(0, 256, (15, 60, 3), dtype=np.uint8), 8, 0), 8, 1)
    while True:
        for left in range(0, wide.shape[1] - WIDTH, 2):
            yield wide[:, left : left + WIDTH]


@pytest.mark.parametrize("pictures", [_noise, _still, _grain, _pan])
def test_pictures_of_nothing_never_pass(
    judge: Judge, tmp_path: Path, pictures: Callable[[Generator], Iterator[Image]]
) -> None:
    video = tmp_path / "nothing.mp4"
    write_h264(video, islice(pictures(np.random.default_rng(5)), SECONDS * FPS), fps=FPS)
    assert judge.score(video).decision is not Decision.PASS


def test_a_gold_played_backwards_never_passes(judge: Judge, tiny_set: SimulatedSet, tmp_path: Path) -> None:
    stream = open_frames(tiny_set.golds[0], rate_hz=FPS, short_side=HEIGHT)
    pictures = [image for chunk in stream for image in chunk.images]
    video = tmp_path / "backwards.mp4"
    write_h264(video, reversed(pictures), fps=FPS)
    score = judge.score(video)
    assert score.decision is not Decision.PASS
