"""The scoring station: every alignment of a batch becomes a ledger row and a review page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sopilot_assets.alignment.spans import Alignment
from sopilot_assets.alignment.stored import load_alignment, load_problem
from sopilot_assets.capture.registry import Recording, retired_keys
from sopilot_assets.errors import GoldError, SopilotError, VideoError
from sopilot_assets.labels.contests import contested
from sopilot_assets.scoring.ledger import noise_floors, problem_row, score_row, scores_ledger
from sopilot_assets.scoring.result import Score
from sopilot_assets.scoring.verdict import verdict_of_row
from sopilot_assets.scoring.verifiability import verifiability
from sopilot_assets.stations.clip_embeddings import embedding_problem
from sopilot_assets.stations.contests import show_contests
from sopilot_assets.stations.judging import Judge
from sopilot_assets.stations.outcome import Progress, StationOutcome
from sopilot_assets.stations.review_index import recording_times, write_review_index
from sopilot_assets.stations.reviews import ReviewWork, write_reviews
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, plain_rows


@dataclass(frozen=True, slots=True)
class _Judged:
    recording: Recording
    row: Mapping[str, Cell]
    review: ReviewWork | None


def score_videos(
    home: Home,
    keys: Sequence[PartitionKey],
    *,
    run_id: str,
    written_at: str,
    processes: int = 1,
    on_progress: Progress | None = None,
) -> list[StationOutcome]:
    """Score every video of a batch: one ledger row each, also for those that cannot be scored, and a review
    page for the others.

    The rows are published together, in one file, after the pages that they lead to; the index of all pages
    comes last. Golds are judged first, since every page shows their noise floor; the others while pages are
    made of those before them.
    """
    by, unusable = Judge(home), embedding_problem(home, keys)
    golds = {key: _judge_one(by, key, unusable.get(key)) for key in keys if key.role == "gold"}
    floors = noise_floors((_gold_rows(home) | {str(key): item.row for key, item in golds.items()}).values())
    objections, times = contested(home), recording_times(home)
    judged: list[_Judged] = []

    def reviews() -> Iterator[ReviewWork]:
        for key in keys:
            item = golds.get(key) or _judge_one(by, key, unusable.get(key))
            judged.append(replace(item, review=None))
            if item.review:
                yield replace(
                    item.review,
                    row={**item.review.row, **times.get(str(key), {})},
                    noise_floor=floors.get(key.task_id),
                    objections=objections.get(str(key), ()),
                )

    made: dict[PartitionKey, StationOutcome] = {}
    for page in write_reviews(reviews(), processes=processes):
        made[page.key] = page
        if on_progress:
            on_progress(len(made), len(keys))
    if on_progress and len(made) < len(keys):  # the others have no page
        on_progress(len(keys), len(keys))
    scores_ledger(home).append([item.row for item in judged], run_id=run_id, written_at=written_at)
    write_review_index(home)
    # what people said of these recordings since this began
    since = contested(home)
    show_contests(home, [str(key) for key in keys if since.get(str(key)) != objections.get(str(key))])
    return [
        _outcome(item, made.get(item.recording.key), noise_floor=floors.get(item.recording.task_id))
        for item in judged
    ]


def _gold_rows(home: Home) -> dict[str, Mapping[str, Cell]]:
    """What noise floors need of the golds' newest rows, by key."""
    rows = scores_ledger(home).query("select key, task_id, role, score from latest where role = 'gold'")
    gone = retired_keys(home)
    return {str(row["key"]): row for row in plain_rows(rows) if row["key"] not in gone}


def _judge_one(by: Judge, key: PartitionKey, unusable: str | None) -> _Judged:
    recording, task = by.registry[key], by.task(key.task_id)
    reference = by.references.get(task.task_id)  # a row without a result also says what it was judged by
    try:
        if reason := recording.retired or unusable:
            raise VideoError(reason)
        reference = by.references[task.task_id]
        path = by.home.alignment(reference.reference_id, recording.key.video_id)
        if why := load_problem(path):
            raise GoldError(why[0], ja=why[1])
        alignment = load_alignment(path)
        score = by.score(task.task_id, alignment)
    except SopilotError as error:
        problem = by.home.relative_text(str(error))  # a row's identity must not depend on where the home lies
        ja = error.ja if isinstance(error, GoldError) else None
        by_whom = by.decided_by(task.task_id)
        row = problem_row(recording, task, reference, problem, problem_ja=ja, decided_by=by_whom)
        return _Judged(recording, row, None)
    row = score_row(recording, task, reference, alignment, score)
    return _Judged(recording, row, _review(by, recording, alignment, score, row))


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
        row={"file_name": row["original_name"]}
        | {name: row[name] for name in shown if name != "original_name"},
        steps_faults=by.golds(recording.task_id).steps_faults,
        gold_names={
            gold.key.video_id: " · ".join(filter(None, (gold.original_name, gold.person)))
            for gold in by.registry.golds(recording.task_id)
        },
    )


def _outcome(item: _Judged, made: StationOutcome | None, *, noise_floor: float | None) -> StationOutcome:
    scalars = (
        "score",
        "score_low",
        "score_high",
        "decision",
        "critical_probability",
        "critical_deviations",
        "quality_deviations",
        "efficiency_deviations",
        "fit",
        "order_evidence",
        "log_odds",
        "unverifiable",
        "decided_by",
        "cause",
    )
    headline = verdict_of_row(item.row).headline
    metadata: dict[str, Cell] = {name: item.row[name] for name in scalars}
    metadata |= {
        "person": item.row["person"],
        "recorded_at": item.recording.row["recorded_at"],
        "noise_floor": noise_floor,
        "reason": headline.en,
        "reason_ja": headline.ja,
        "suspected": len(json.loads(str(item.row["suspected"] or "[]"))),
    }
    problem = item.row["problem"]
    if problem is not None:
        return StationOutcome(item.recording.key, problem=str(problem), metadata=metadata)
    if made is None or made.problem is not None:
        return StationOutcome(
            item.recording.key, metadata={**metadata, "page_problem": made.problem if made else None}
        )
    return StationOutcome(
        item.recording.key, metadata=metadata, table=made.table, picture_png=made.picture_png, page=made.page
    )
