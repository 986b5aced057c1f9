"""Recordings of a task as somebody would have done it: their alignments, scores and times, without videos."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from sopilot_assets.alignment.spans import Alignment, Span, SpanKind, Warp
from sopilot_assets.capture.ledgers import VIDEO_COLUMNS, videos_ledger
from sopilot_assets.reference.model import Reference
from sopilot_assets.scoring.ledger import COLUMNS, algorithm_version, deviations_json, scores_ledger
from sopilot_assets.scoring.result import Decision, Deviation, Score
from sopilot_assets.segments import Segment
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec
from sopilot_assets.texts.languages import Text
from sopilot_assets.times.ledger import step_times_ledger, time_rows

CLIP_S = 0.5
FIRST = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
MOST_HOURS = 24 * 7 * 26 - 1
AT = "2026-07-06T00:00:00+00:00"


@dataclass(frozen=True)
class Done:
    """One stretch of a made-up recording: ``what`` is a step's index, ``other``, ``gap`` or ``frozen``; with
    ``again`` the step is done where it does not belong.
    """

    what: int | str
    seconds: float
    again: bool = False


def alignment_of(done: Sequence[Done], steps: int, *, reference_id: str, video_id: str) -> Alignment:
    """The alignment of a recording in which this was done, one stretch after the other from 0 on."""
    end_s = sum(one.seconds for one in done)
    middles = np.arange(CLIP_S / 2, end_s, CLIP_S)
    posterior = np.full((len(middles), steps + 1), 0.1 / steps)
    spans, at_s = list[Span](), 0.0
    for one in done:
        where = Segment(at_s, at_s + one.seconds)
        at_s = where.end_s
        if one.what == "gap":
            continue
        column = one.what if isinstance(one.what, int) else steps
        inside = (middles >= where.start_s) & (middles < where.end_s)
        posterior[inside, column] = 0.9
        evidence = float(np.log(posterior[inside, column].astype(np.float32)).mean()) if inside.any() else 0.0
        kind, step = SpanKind.STEP, one.what if isinstance(one.what, int) else None
        if one.what == "other" or one.again:
            kind, step = SpanKind.UNKNOWN, None
        if one.what == "frozen":
            kind, evidence = SpanKind.FROZEN, 0.0
        spans.append(Span(kind, where, step, evidence))
    return Alignment(
        video_id=video_id,
        reference_id=reference_id,
        spans=tuple(spans),
        edits=(),
        log_odds=0.0,
        fit=1.0,
        warp=Warp("0" * 12, np.array([0.0]), np.array([0.0]), 0.1),
        clip_middle_s=middles,
        posterior=posterior.astype(np.float32),
        duration_s=end_s,
        held_out="person",
    )


def performed(task: TaskSpec, chance: random.Random, usual_s: Sequence[float]) -> list[Done]:
    """What somebody did who has their own pace and may pause, repeat, leave out and do something else."""
    pace, done = chance.lognormvariate(0, 0.2), list[Done]()
    for step in range(len(task.steps)):
        if chance.random() < 0.03:
            continue
        if chance.random() < 0.12:
            done.append(Done("gap", _clips(chance.uniform(0.5, 4))))
        done.append(Done(step, _clips(usual_s[step] * pace * chance.lognormvariate(0, 0.25))))
        if chance.random() < 0.06:
            done.append(Done("other", _clips(chance.uniform(1, 5))))
        if step > 1 and chance.random() < 0.06:
            done.append(Done(step - 2, _clips(usual_s[step - 2]), again=True))
        if chance.random() < 0.03:
            done.append(Done("frozen", _clips(chance.uniform(1.5, 6))))
    return done


def _clips(seconds: float) -> float:
    return max(round(seconds / CLIP_S), 1) * CLIP_S


def add_recordings(
    home: Home,
    task: TaskSpec,
    reference: Reference,
    count: int,
    *,
    seed: int,
    persons: int = 12,
    files: int = 4,
) -> None:
    """Take in and judge ``count`` made-up trainee recordings of a task, over weeks, sites and persons."""
    chance = random.Random(seed)
    usual_s = [reference.durations.seconds(step) for step in range(len(task.steps))]
    parts = [list[int](range(part, count, files)) for part in range(files)]
    for number, part in enumerate(parts):
        made = [_recording(task, reference, one, chance, usual_s, persons) for one in part]
        run = {"run_id": f"made-up-{seed}-{number}", "written_at": AT}
        videos_ledger(home).append([video for video, _, _ in made], **run)
        scores_ledger(home).append([score for _, score, _ in made], **run)
        step_times_ledger(home).append([row for _, _, rows in made for row in rows], **run)


def _recording(
    task: TaskSpec,
    reference: Reference,
    number: int,
    chance: random.Random,
    usual_s: Sequence[float],
    persons: int,
) -> tuple[dict[str, Cell], dict[str, Cell], list[dict[str, Cell]]]:
    video_id = f"{chance.getrandbits(48):012x}"
    key = PartitionKey(task.task_id, "trainee", video_id)
    done = performed(task, chance, usual_s)
    alignment = alignment_of(done, len(task.steps), reference_id=reference.reference_id, video_id=video_id)
    unseen = chance.random() < 0.03
    score = score_of(task, done, alignment, usual_s, shows_task=not unseen)
    at = FIRST + timedelta(hours=number * 7 % MOST_HOURS)
    about: dict[str, Cell] = {
        "key": str(key),
        "video_id": video_id,
        "task_id": task.task_id,
        "role": "trainee",
        "person": None if chance.random() < 0.05 else f"p{chance.randrange(persons):02d}",
        "site": f"line{number % 3}",
        "original_name": f"take_{number:05d}.mp4",
    }
    video: dict[str, Cell] = {
        **dict.fromkeys(VIDEO_COLUMNS),
        **about,
        "sha256": f"{video_id:0<64}",
        "recorded_at": None if chance.random() < 0.1 else at.isoformat(),
        "capture_path": f"{task.task_id}/trainee/line/{number}.mp4",
        "stored_name": f"{video_id:0<64}.mp4",
        "duration_s": alignment.duration_s,
        "status": "withdrawn" if chance.random() < 0.02 else "active",
    }
    row: dict[str, Cell] = {
        **dict.fromkeys(COLUMNS),
        **about,
        "score": score.score,
        "decision": score.decision.value,
        "deviations": deviations_json(score.deviations),
        "suspected": "[]",
        "task_version": task.version,
        "task_fingerprint": task.fingerprint(),
        "reference_id": reference.reference_id,
        "algorithm": algorithm_version(),
    }
    return video, row, list(time_rows(key, task, reference, alignment, score))


def score_of(
    task: TaskSpec, done: Sequence[Done], alignment: Alignment, usual_s: Sequence[float], *, shows_task: bool
) -> Score:
    """What such a recording would score: missing steps and steps of more than half again the usual time."""
    seen = {one.what: one.seconds for one in done if not one.again}
    found = [
        _deviation(DeviationType.MISSING_STEP, step.id) for n, step in enumerate(task.steps) if n not in seen
    ]
    long = [n for n in range(len(task.steps)) if seen.get(n, 0.0) > 1.5 * usual_s[n]]
    found += [_deviation(DeviationType.OVER_TIME, task.steps[n].id, seen[n]) for n in long]
    decision = Decision.FAIL if len(found) > len(long) else Decision.PASS
    if any(one.what == "frozen" for one in done):
        decision = Decision.NEEDS_REVIEW
    return Score(
        video_id=alignment.video_id,
        score=100.0 - 5 * len(found) if shows_task else None,
        decision=decision if shows_task else Decision.NOT_VERIFIABLE,
        reason=Text("made up", "作り話"),
        deviations=tuple(found) if shows_task else (),
        critical_probability=0.5,
        dtw_normalized_cost=0.1,
        over_time_ratio=0.0,
        fit=1.0,
        shows_task=shows_task,
    )


def _deviation(kind: DeviationType, step_id: str, seconds: float = 0.0) -> Deviation:
    severity = Severity.CRITICAL if kind is DeviationType.MISSING_STEP else Severity.EFFICIENCY
    where = Segment(1.0, 1.0 + seconds)
    return Deviation(kind, severity, (step_id,), where, "0" * 12, None, 0.9, Text("made up", "作り話"))
