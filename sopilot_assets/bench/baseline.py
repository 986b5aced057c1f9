"""The same recordings through the scoring of the system that this one replaces, for comparison.

Its results get the form of the product's. It has no abstention; its probability of something critical is its
continuous score, and a recording is critical for it when any deviation is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from sopilot_assets.bench.expected import Fault, comparable
from sopilot_assets.bench.old_scoring import OldClips, OldResult, describe_old, old_result
from sopilot_assets.bench.recordings import BenchRecording, BenchTask
from sopilot_assets.bench.run import Reported, Result, Stages, TaskRun
from sopilot_assets.errors import SopilotError
from sopilot_assets.processes.limited import map_limited
from sopilot_assets.scoring.result import Decision
from sopilot_assets.segments import Segment
from sopilot_assets.stations.clip_embeddings import MEMORY_LIMIT_BYTES, TIME_LIMIT_S
from sopilot_assets.tasks import Severity


def run_baseline(run: TaskRun, *, processes: int, stages: Stages) -> TaskRun:
    """The trainees that the product scored, against the golds that it used."""
    started_s = time.monotonic()
    trainees = [one for one in run.task.trainees if one.file in run.results]
    with stages(f"{run.task.title}: baseline") as ticks:
        described: dict[str, OldClips | SopilotError] = {}
        for file, clips in _described([*run.golds, *trainees], processes=processes):
            described[file] = clips
            ticks(len(described), len(run.golds) + len(trainees))
    golds = {gold.file: clips for gold in run.golds if isinstance(clips := described[gold.file], OldClips)}
    return TaskRun(
        task=run.task,
        golds=run.golds,
        results={one.file: _result(run.task, golds, described[one.file]) for one in trainees},
        not_scored=(),
        seconds=time.monotonic() - started_s,
    )


def _described(
    recordings: Sequence[BenchRecording], *, processes: int
) -> Iterator[tuple[str, OldClips | SopilotError]]:
    files = {one.path: one.file for one in recordings}
    found = map_limited(
        describe_old,
        files,
        processes=processes,
        time_limit_s=TIME_LIMIT_S,
        memory_limit_bytes=MEMORY_LIMIT_BYTES,
    )
    for path, clips in found:
        yield files[path], clips


def _result(task: BenchTask, golds: Mapping[str, OldClips], trainee: OldClips | SopilotError) -> Result:
    if isinstance(trainee, SopilotError):
        return Result(Decision.NOT_VERIFIABLE, None, None, problem=str(trainee))
    steps = [task.gold_steps.get(file, ()) for file in golds]
    try:
        found = old_result(tuple(golds.values()), trainee, gold_steps=steps)
    except SopilotError as error:
        return Result(Decision.NOT_VERIFIABLE, None, None, problem=str(error))
    return Result(
        decision=found.decision,
        score=found.score,
        probability=found.continuous_score,
        reported=tuple(_reported(found, task.step_ids)),
    )


def _reported(found: OldResult, step_ids: Sequence[str]) -> Iterator[Reported]:
    for one in found.deviations:
        steps = () if one.step is None else (step_ids[one.step],)
        yield Reported(
            comparable(Fault(one.type, steps)),
            Segment(one.start_s, one.end_s),
            critical=one.severity == Severity.CRITICAL,
        )
