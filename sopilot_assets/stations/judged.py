"""Recordings judged by their stored alignments: each one's row for the ledger, and what its page shows."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sopilot_assets.alignment.spans import Alignment
from sopilot_assets.alignment.stored import load_alignment, load_problem
from sopilot_assets.capture.erasures import video_is_gone
from sopilot_assets.capture.registry import Recording, retired_keys
from sopilot_assets.errors import GoldError, SopilotError, VideoError
from sopilot_assets.processes.limited import MEMORY_LIMIT_BYTES, map_limited
from sopilot_assets.reference.ledger import current_reference_ids
from sopilot_assets.scoring.ledger import problem_row, score_row, scores_ledger
from sopilot_assets.scoring.result import Score
from sopilot_assets.scoring.verifiability import verifiability
from sopilot_assets.stations.judging import Judge, References
from sopilot_assets.stations.reviews import ReviewWork, deviation_rows
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.times.ledger import time_rows

TIME_LIMIT_S: Final = 300.0
WORTH_A_PROCESS: Final = 200
"""Recordings that take as long as a child process takes to begin judging."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A recording, its row for the ledger of scores, what its page needs, None where it has no score or
    nobody makes a page now, its rows for the ledger of step times, and its deviations as rows of a table,
    none where it has no score.
    """

    recording: Recording
    row: Mapping[str, Cell]
    review: ReviewWork | None
    times: tuple[Mapping[str, Cell], ...] = ()
    deviations: tuple[Mapping[str, Cell], ...] = ()


def judge_recordings(
    by: Judge, keys: Sequence[PartitionKey], unusable: Mapping[PartitionKey, str], *, processes: int
) -> Iterator[Judged]:
    """Each recording judged, in their order, without what its page needs; up to ``processes`` child processes
    share many, and the results do not depend on it.
    """
    processes = min(processes, len(keys) // WORTH_A_PROCESS)
    if processes < 2:
        yield from (replace(judge_recording(by, key, unusable.get(key)), review=None) for key in keys)
        return
    ids = tuple(sorted(current_reference_ids(by.home).items()))
    results = map_limited(
        judge_one,
        [_Work(by.home, key, unusable.get(key), ids) for key in keys],
        processes=processes,
        time_limit_s=TIME_LIMIT_S,
        memory_limit_bytes=MEMORY_LIMIT_BYTES,
    )
    for work, result in results:
        if isinstance(result, SopilotError):  # its process died: it is nothing that this recording could do
            yield replace(judge_recording(by, work.key, work.unusable), review=None)
        else:
            yield result


@dataclass(frozen=True, slots=True)
class _Work:
    """One recording, why it has no alignment that counts, and the current references by task."""

    home: Home
    key: PartitionKey
    unusable: str | None
    references: tuple[tuple[str, str], ...]


def judge_one(work: _Work) -> Judged:
    """Judge one recording; runs in a child process, which reads what it judges by once."""
    return replace(judge_recording(_judge(work.home, work.references), work.key, work.unusable), review=None)


@functools.lru_cache(maxsize=1)
def _judge(home: Home, references: tuple[tuple[str, str], ...]) -> Judge:
    return Judge(home, references=References(home, dict(references)))


def judge_recording(by: Judge, key: PartitionKey, unusable: str | None) -> Judged:
    """What a recording is judged by its stored alignment; ``unusable`` is why it has none that counts."""
    recording, task = by.registry[key], by.task(key.task_id)
    reference = by.references.get(task.task_id)  # a row without a result also says what it was judged by
    try:
        if reason := recording.retired or unusable:
            raise VideoError(reason)
        reference = by.reference(task.task_id)
        path = by.home.alignment(reference.reference_id, recording.key.video_id)
        if why := load_problem(path):
            raise GoldError(why[0], ja=why[1])
        alignment = load_alignment(path)
        score = by.score(key, alignment)
    except SopilotError as error:
        problem = by.home.relative_text(str(error))  # a row's identity must not depend on where the home lies
        ja = error.ja if isinstance(error, GoldError) else None
        by_whom = by.decided_by(task.task_id)
        row = problem_row(recording, task, reference, problem, problem_ja=ja, decided_by=by_whom)
        return Judged(recording, row, None)
    row = score_row(recording, task, reference, alignment, score)
    times = tuple(time_rows(key, task, reference, alignment, score))
    return Judged(recording, row, _review(by, recording, alignment, score, row), times, deviation_rows(score))


def _review(
    by: Judge, recording: Recording, alignment: Alignment, score: Score, row: Mapping[str, Cell]
) -> ReviewWork:
    shown = (
        "key",
        "original_name",
        "person",
        "site",
        "camera",
        "session",
        "task_version",
        "model_id",
        "reference_id",
        "algorithm",
        "decided_by",
    )
    named = {alignment.warp.gold_id, *(one.gold_id for one in (*score.deviations, *score.suspected))}
    golds = [gold for gold in by.references[recording.task_id].golds if gold.video_id in named]
    return ReviewWork(
        home=by.home,
        key=recording.key,
        task=by.task(recording.task_id),
        score=score,
        alignment=alignment,
        trainee_video=by.registry.path(recording.key),
        golds={gold.video_id: by.registry.gold_path(gold.video_id, recording.task_id) for gold in golds},
        gold_steps={
            gold.video_id: [(interval.step, interval.segment) for interval in gold.intervals]
            for gold in golds
        },
        verifiability=verifiability(
            by.task(recording.task_id),
            by.references.calibration(recording.task_id),
            by.limits(recording.task_id).review,
        ),
        is_gold=recording.role == "gold",
        gone=video_is_gone(by.home, str(recording.key)),
        row={"file_name": row["original_name"]}
        | {name: row[name] for name in shown if name != "original_name"},
        steps_faults=by.golds(recording.task_id).steps_faults,
        gold_names={
            gold.key.video_id: " · ".join(filter(None, (gold.original_name, gold.person)))
            for gold in by.registry.golds(recording.task_id)
        },
    )


def gold_scores(home: Home) -> dict[str, Mapping[str, Cell]]:
    """What noise floors need of the golds' newest rows, by key."""
    rows = scores_ledger(home).query("select key, task_id, role, score from latest where role = 'gold'")
    gone = retired_keys(home)
    return {str(row["key"]): row for row in plain_rows(rows) if row["key"] not in gone}
