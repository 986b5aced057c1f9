"""Running the library on a labeled folder under one variation: what each worker process does.

Embeddings are kept by model and content, as a home keeps them. Labels of trainees are joined with the results
afterwards.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from threadpoolctl import threadpool_limits
from upath import UPath

from benchmarks._variations import BY_NAME, Backend, Variation, gold_choices
from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.calibration import Calibration, calibrate
from sopilot_assets.alignment.explanations import Prices
from sopilot_assets.alignment.spans import Alignment
from sopilot_assets.bench.expected import Fault, comparable
from sopilot_assets.bench.folder import LabeledFolder, open_folder
from sopilot_assets.bench.measures import ScoredRecording
from sopilot_assets.bench.promotion import promoted
from sopilot_assets.bench.recordings import BenchRecording, BenchTask
from sopilot_assets.bench.run import Reported, Result
from sopilot_assets.bench.truth import truth_of
from sopilot_assets.embedding.backends import load_embedder
from sopilot_assets.embedding.clips import ClipEmbedding, load_embedding, save_embedding
from sopilot_assets.embedding.embedder import Embedder
from sopilot_assets.errors import GoldError
from sopilot_assets.reference.model import Gold, Reference, build_reference, proposed_intervals
from sopilot_assets.scoring.result import Deviation, Score
from sopilot_assets.scoring.score import score_alignment
from sopilot_assets.store.home import VIDEO_ID_DIGITS
from sopilot_assets.store.publish import file_sha256
from sopilot_assets.tasks import Severity, TaskSpec, load_task

Blocks: TypeAlias = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of embeddings: ``<model>/<video>.npz``, and the prepared networks in ``models``."""

    folder: Path

    def path(self, backend: Backend, video: Path) -> Path:
        """Where the embedding of a video lies, or will."""
        return self.folder / embedder(self, backend).model_id / f"{video_id(video)}.npz"


@functools.lru_cache
def embedder(cache: Cache, backend: Backend) -> Embedder:
    """A loaded backend; use it with `Backend.applied`."""
    with backend.applied():
        return load_embedder(backend.name, models=UPath(cache.folder / "models"))


@functools.cache
def video_id(path: Path) -> str:
    """The id that intake would give."""
    return file_sha256(path)[:VIDEO_ID_DIGITS]


@dataclass(frozen=True, slots=True)
class EmbedJob:
    """One video to be embedded by one backend."""

    cache: Cache
    backend: Backend
    video: Path


def embed(job: EmbedJob) -> None:
    """Embed a video into the cache."""
    target = job.cache.path(job.backend, job.video)
    with job.backend.applied():
        embedding = embedder(job.cache, job.backend).embed(job.video)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_embedding(target, embedding)


@functools.lru_cache(maxsize=800)
def _stored(path: Path) -> ClipEmbedding:
    return load_embedding(path)


def embedding_of(cache: Cache, backend: Backend, video: Path, blocks: Blocks = None) -> ClipEmbedding:
    """A cached embedding, with some of its blocks only."""
    stored = _stored(cache.path(backend, video))
    if blocks is None:
        return stored
    return replace(stored, blocks={name: stored.blocks[name] for name in blocks})


@functools.lru_cache
def labeled(root: Path) -> LabeledFolder:
    """The labeled folder."""
    return open_folder(root)


def task_of(root: Path, task_id: str) -> BenchTask:
    """One of its tasks."""
    return next(task for task in labeled(root).tasks if task.task_id == task_id)


@dataclass(frozen=True, slots=True)
class Judge:
    """A task with a reference, ready to score."""

    task: TaskSpec
    reference: Reference
    calibration: Calibration

    def align(self, name: str, embedding: ClipEmbedding) -> Alignment:
        """The alignment of a recording that is none of the golds."""
        return align(name, embedding, self.reference, prices=self.calibration.prices)

    def score(self, alignment: Alignment) -> Score:
        """The score of an aligned recording."""
        return score_alignment(self.task, self.reference, alignment, self.calibration)

    def with_default_prices(self) -> Judge:
        """The same, but for the prices of edits, which held-out golds say nothing about."""
        return replace(self, calibration=replace(self.calibration, prices=Prices()))


def judge_of(cache: Cache, task: BenchTask, golds: Sequence[BenchRecording], variation: Variation) -> Judge:
    """The judge of a task by these golds, of which some may come more than once; call it, and score, with the
    variation applied.
    """
    spec = (
        load_task(task.task_file)
        if task.task_file is not None
        else TaskSpec(task_id=task.task_id, name=task.task_id, version=1, steps=task.steps)
    )
    made = []
    for number, recording in enumerate(golds):
        copies = sum(one.path == recording.path for one in golds[:number])
        embedding = embedding_of(cache, variation.backend, recording.path, variation.blocks)
        steps = task.gold_steps.get(recording.file)
        made.append(
            Gold(
                video_id=video_id(recording.path) + "c" * copies,
                person=recording.person,
                site=recording.site,
                embedding=embedding,
                intervals=steps or proposed_intervals(embedding, len(task.steps)),
                confirmed=steps is not None,
            )
        )
    reference = build_reference(task.task_id, spec.step_ids, made, orders=spec.legal_orders())
    return Judge(spec, reference, calibrate(reference))


@dataclass(frozen=True, slots=True)
class Job:
    """One task of a folder under variations, by their names: one, or several that share a reference."""

    cache: Cache
    root: Path
    task_id: str
    variations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The cases of a task by variation, or why there are none."""

    cases: dict[str, list[ScoredRecording]]
    problem: str | None = None


def cases_of(job: Job) -> Outcome:
    """All trainees of the task, under each variation, once for each choice of golds."""
    variations = [BY_NAME[name] for name in job.variations]
    first, found = variations[0], {variation.name: list[ScoredRecording]() for variation in variations}
    task = promoted(labeled(job.root), task_of(job.root, job.task_id), first.promote, seed=0)
    with threadpool_limits(1):
        for golds in gold_choices(task, first.golds):
            try:
                with first.applied():
                    judge = judge_of(job.cache, task, golds, first)
            except GoldError as error:
                return Outcome(found, str(error))
            alignments: dict[str, Alignment] = {}  # of those that change nothing before scoring
            for variation in variations:
                with variation.applied():
                    mine = judge if variation.prices else judge.with_default_prices()
                    kept = alignments if variation.only_scoring else {}
                    found[variation.name] += _cases(job, task, golds, variation, mine, kept)
    return Outcome(found)


def _cases(
    job: Job,
    task: BenchTask,
    golds: Sequence[BenchRecording],
    variation: Variation,
    judge: Judge,
    alignments: dict[str, Alignment],
) -> Iterator[ScoredRecording]:
    labels, sites = labeled(job.root).labels, {gold.site for gold in golds}
    for one in task.trainees:
        if one.file not in alignments:
            embedding = embedding_of(job.cache, variation.backend, one.path, variation.blocks)
            alignments[one.file] = judge.align(video_id(one.path), embedding)
        truth = truth_of(task, one, labels[task.task_id, one.file])
        yield ScoredRecording(truth, result_of(judge.score(alignments[one.file])), one.site in sites)


def result_of(score: Score) -> Result:
    """A score as the measures take it."""
    return Result(
        decision=score.decision.value,
        score=score.score,
        probability=score.critical_probability,
        reported=tuple(map(_reported, score.deviations)),
        suspected=tuple(map(_reported, score.suspected)),
    )


def _reported(deviation: Deviation) -> Reported:
    fault = comparable(Fault(deviation.type, deviation.step_ids))
    return Reported(fault, deviation.trainee, deviation.severity is Severity.CRITICAL)
