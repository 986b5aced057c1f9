"""Recordings that must never pass: other procedures, procedures backwards, and pictures of nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks._runs import Cache, embedding_of, judge_of, labeled, task_of, video_id
from benchmarks._variations import BY_NAME, FULL, Backend
from sopilot_assets.bench.recordings import BenchTask
from sopilot_assets.embedding.clips import ClipEmbedding, rearranged
from sopilot_assets.video.frames import open_frames
from sopilot_assets.video.write import write_h264

Image: TypeAlias = NDArray[np.uint8]
Decisions: TypeAlias = Counter[tuple[str, str]]
"""How often each kind of control (by name) got each decision."""

MADE: Final = 50
FPS: Final = 10
WIDTH: Final = 240
HEIGHT: Final = 160
SHORTEST_S: Final = 14.0
LONGEST_S: Final = 34.0
REVERSED_HZ: Final = 25

OTHER: Final = "recordings of other work (no step in common)"
BACKWARDS: Final = "golds with their clips in reverse order"
BACKWARDS_FILES: Final = "video files of golds played backwards"


def _texture(chance: Generator, width: int, height: int, *, cell: int) -> Image:
    coarse = chance.integers(0, 256, (-(-height // cell) + 1, -(-width // cell) + 1, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _grain(chance: Generator, image: Image, *, strength: float = 4.0) -> Image:
    noisy = image + chance.normal(0.0, strength, image.shape)
    return np.asarray(np.clip(noisy, 0, 255), dtype=np.uint8)


def _white_noise(chance: Generator) -> Iterator[Image]:
    while True:
        yield chance.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def _black(_: Generator) -> Iterator[Image]:
    while True:
        yield np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)


def _still(chance: Generator) -> Iterator[Image]:
    picture = _texture(chance, WIDTH, HEIGHT, cell=24)
    while True:
        yield picture


def _still_with_grain(chance: Generator) -> Iterator[Image]:
    picture = _texture(chance, WIDTH, HEIGHT, cell=24)
    while True:
        yield _grain(chance, picture)


def _grey_with_grain(chance: Generator) -> Iterator[Image]:
    picture = np.full((HEIGHT, WIDTH, 3), chance.integers(40, 200), dtype=np.uint8)
    while True:
        yield _grain(chance, picture, strength=10.0)


def _slow_pan(chance: Generator) -> Iterator[Image]:
    picture = _texture(chance, WIDTH * 4, HEIGHT, cell=12)
    speed, left = chance.uniform(0.5, 2.0), 0.0
    while True:
        start = int(left) % (WIDTH * 3)
        yield _grain(chance, picture[:, start : start + WIDTH], strength=2.0)
        left += speed


def _moving_gradient(chance: Generator) -> Iterator[Image]:
    ramp, colour, phase = np.arange(WIDTH) / WIDTH, chance.uniform(60, 255, 3), 0.0
    speed = chance.uniform(0.01, 0.05)
    while True:
        wave = 0.5 + 0.5 * np.sin(2 * np.pi * (ramp + phase))
        row = (wave[:, None] * colour).astype(np.uint8)
        yield np.broadcast_to(row, (HEIGHT, WIDTH, 3)).copy()
        phase += speed


def _drifting_blobs(chance: Generator) -> Iterator[Image]:
    one, other = (_texture(chance, WIDTH, HEIGHT, cell=40).astype(float) for _ in range(2))
    phase, speed = 0.0, chance.uniform(0.02, 0.1)
    while True:
        share = 0.5 + 0.5 * np.sin(phase)
        yield np.asarray(share * one + (1 - share) * other, dtype=np.uint8)
        phase += speed


def _flicker(chance: Generator) -> Iterator[Image]:
    picture = _texture(chance, WIDTH, HEIGHT, cell=16).astype(float)
    while True:
        yield np.asarray(picture * chance.uniform(0.5, 1.0), dtype=np.uint8)


def _wandering_square(chance: Generator) -> Iterator[Image]:
    bench, side = _texture(chance, WIDTH, HEIGHT, cell=8), 36
    place = np.array([WIDTH / 2, HEIGHT / 2])
    while True:
        place = np.clip(place + chance.normal(0, 6.0, 2), 0, [WIDTH - side, HEIGHT - side])
        picture, (left, top) = bench.copy(), place.astype(int)
        picture[top : top + side, left : left + side] = (210, 160, 120)
        yield _grain(chance, picture, strength=2.0)


KINDS: Final[Mapping[str, Callable[[Generator], Iterator[Image]]]] = {
    "white noise": _white_noise,
    "black": _black,
    "a still picture": _still,
    "a still picture with grain": _still_with_grain,
    "grey with grain": _grey_with_grain,
    "a slow pan over a texture": _slow_pan,
    "a moving gradient": _moving_gradient,
    "drifting colours": _drifting_blobs,
    "flickering light": _flicker,
    "a wandering square": _wandering_square,
}


@dataclass(frozen=True, slots=True)
class Made:
    """A video file of nothing: what kind, and where it lies."""

    kind: str
    path: Path


def write_made(folder: Path) -> list[Made]:
    """The `MADE` videos of all kinds, written where they are not there yet; the same ones each time."""
    made = []
    for number in range(MADE):
        kind = list(KINDS)[number % len(KINDS)]
        path = folder / f"{kind.replace(' ', '_')}_{number // len(KINDS)}.mp4"
        if not path.exists():
            chance = np.random.default_rng(number)
            count = round(FPS * float(chance.uniform(SHORTEST_S, LONGEST_S)))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_h264(path, islice(KINDS[kind](chance), count), fps=FPS, crf=28)
        made.append(Made(kind, path))
    return made


def write_reversed(folder: Path, root: Path) -> dict[str, Path]:
    """The first gold of each of a folder's tasks, played backwards, by the task's id."""
    found = {}
    for task in labeled(root).tasks:
        source = task.golds[0].path
        found[task.task_id] = path = folder / f"{video_id(source)}.mp4"
        if not path.exists():
            stream = open_frames(source, rate_hz=REVERSED_HZ, short_side=320)
            pictures = [image for chunk in stream for image in chunk.images]
            path.parent.mkdir(parents=True, exist_ok=True)
            write_h264(path, reversed(pictures), fps=REVERSED_HZ)
    return found


def backwards(embedding: ClipEmbedding) -> ClipEmbedding:
    """The embedding with its clips, and its stillness, in reverse order."""
    turned = rearranged(embedding, np.arange(embedding.clip_count)[::-1])
    times_s = (embedding.duration_s - embedding.still_time_s)[::-1]
    return replace(turned, still_time_s=times_s, stillness=embedding.stillness[::-1])


def other_tasks(root: Path, task: BenchTask) -> list[BenchTask]:
    """The folder's tasks that share no step with this one."""
    return [other for other in labeled(root).tasks if not set(other.step_ids) & set(task.step_ids)]


@dataclass(frozen=True, slots=True)
class ControlJob:
    """All controls of one task of a folder, by one embedder."""

    cache: Cache
    root: Path
    task_id: str
    embedder: str
    made: tuple[Made, ...]
    reversed_file: Path


def controls_of(job: ControlJob) -> Decisions:
    """What was decided about each control."""
    task = task_of(job.root, job.task_id)
    variation = replace(BY_NAME[FULL], backend=Backend(job.embedder))
    counts: Decisions = Counter()
    with threadpool_limits(1):
        judge = judge_of(job.cache, task, task.golds, variation)

        def count(kind: str, name: str, embedding: ClipEmbedding) -> None:
            score = judge.score(judge.align(name, embedding))
            counts[kind, score.decision.value] += 1

        def embedded(path: Path) -> ClipEmbedding:
            return embedding_of(job.cache, variation.backend, path)

        for other in other_tasks(job.root, task):
            for one in other.trainees:
                count(OTHER, video_id(one.path), embedded(one.path))
        for gold in task.golds:
            count(BACKWARDS, f"{video_id(gold.path)}r", backwards(embedded(gold.path)))
        count(BACKWARDS_FILES, video_id(job.reversed_file), embedded(job.reversed_file))
        for made in job.made:
            count(made.kind, video_id(made.path), embedded(made.path))
    return counts
