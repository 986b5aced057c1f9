"""The scoring station: every alignment of a batch becomes a ledger row and a review page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sopilot_assets.labels.contests import contested
from sopilot_assets.scoring.ledger import noise_floors, scores_ledger
from sopilot_assets.scoring.verdict import verdict_of_row
from sopilot_assets.stations.clip_embeddings import embedding_problem
from sopilot_assets.stations.contests import show_contests
from sopilot_assets.stations.judged import Judged, gold_scores, judge_recording
from sopilot_assets.stations.judging import Judge
from sopilot_assets.stations.outcome import Progress, StationOutcome
from sopilot_assets.stations.review_index import recording_times, write_review_index
from sopilot_assets.stations.reviews import ReviewWork, write_reviews
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.times.ledger import step_times_ledger


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
    page and the step times for the others.

    The rows are published together, in one file, after the pages that they lead to, and then those of step
    times; the index of all pages comes last. Golds are judged first, since every page shows their noise
    floor; the others while pages are made of those before them.
    """
    by, unusable = Judge(home), embedding_problem(home, keys)
    its_golds = [key for key in keys if by.registry[key].role == "gold"]
    golds = {key: judge_recording(by, key, unusable.get(key)) for key in its_golds}
    floors = noise_floors((gold_scores(home) | {str(key): item.row for key, item in golds.items()}).values())
    objections, times = contested(home), recording_times(home)
    judged: list[Judged] = []

    def reviews() -> Iterator[ReviewWork]:
        for key in keys:
            item = golds.get(key) or judge_recording(by, key, unusable.get(key))
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
    step_times = [row for item in judged for row in item.times]
    step_times_ledger(home).append(step_times, run_id=run_id, written_at=written_at)
    write_review_index(home)
    # what people said of these recordings since this began
    since = contested(home)
    show_contests(home, [str(key) for key in keys if since.get(str(key)) != objections.get(str(key))])
    return [
        _outcome(item, made.get(item.recording.key), noise_floor=floors.get(item.recording.task_id))
        for item in judged
    ]


def _outcome(item: Judged, made: StationOutcome | None, *, noise_floor: float | None) -> StationOutcome:
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
