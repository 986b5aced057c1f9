"""The scoring station: every alignment of a batch becomes a ledger row and a review page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from sopilot_assets.labels.contests import contested
from sopilot_assets.scoring.ledger import noise_floors, scores_ledger
from sopilot_assets.scoring.verdict import verdict_of_row
from sopilot_assets.stations.clip_embeddings import embedding_problem
from sopilot_assets.stations.contests import show_contests
from sopilot_assets.stations.judged import Judged, gold_scores, judge_recording, judge_recordings
from sopilot_assets.stations.judging import Judge
from sopilot_assets.stations.outcome import Progress, StationOutcome
from sopilot_assets.stations.review_index import recording_times, write_review_index
from sopilot_assets.stations.reviews import ReviewWork, remove_reviews, write_reviews
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.store.publish import local_path
from sopilot_assets.times.ledger import step_times_ledger

FEW_PAGES: Final = 100
"""When more recordings than these are scored again in one go, their pages are made when somebody looks."""


def score_videos(
    home: Home,
    keys: Sequence[PartitionKey],
    *,
    run_id: str,
    written_at: str | Callable[[], str],
    processes: int = 1,
    part_of: int = 0,
    on_progress: Progress | None = None,
) -> list[StationOutcome]:
    """Score every video of a batch, which may be a part of ``part_of`` that are scored in one go: one ledger
    row each, also for those that cannot be scored, and step times and a review page for the others.

    A recording's first page is made with its score, and so are those of a few that are scored again (see
    `FEW_PAGES`). Of many the pages of before are taken away, and made anew when somebody looks.

    The rows are published together, in one file, after the pages that they lead to and the step times made
    with them, so that who dies in between has scored nothing; the index of all pages comes last.
    ``written_at`` is their time, or says it then: whoever asks what is new since a time must not miss what
    was judged before and is published after it. Golds are judged first, since every page shows their noise
    floor; the others while pages are made of those before them.
    """
    by, unusable = Judge(home), embedding_problem(home, keys)
    golds = {
        key: judge_recording(by, key, unusable.get(key)) for key in keys if by.registry[key].role == "gold"
    }
    floors = noise_floors((gold_scores(home) | {str(key): item.row for key, item in golds.items()}).values())
    objections, times = contested(home), recording_times(home)
    known = _with_result(home) if max(part_of, len(keys)) > FEW_PAGES else set()
    later = [key for key in keys if str(key) in known]
    judged = {key: replace(item, review=None) for key, item in golds.items()}

    def reviews() -> Iterator[ReviewWork]:
        for key in keys:
            if str(key) in known:
                continue
            item = golds.get(key) or judge_recording(by, key, unusable.get(key))
            judged[key] = replace(item, review=None)
            if item.review:
                yield replace(
                    item.review,
                    row={**item.review.row, **times.get(str(key), {})},
                    noise_floor=floors.get(key.task_id),
                    objections=objections.get(str(key), ()),
                )

    def say(done: int) -> None:
        if on_progress:
            on_progress(done, len(keys))

    made: dict[PartitionKey, StationOutcome] = {}
    for page in write_reviews(reviews(), processes=processes):
        made[page.key] = page
        say(len(made))
    waiting = [key for key in later if key not in golds]
    for item in judge_recordings(by, waiting, unusable, processes=processes):
        judged[item.recording.key] = item
        say(len(judged))
    if not waiting and len(made) < len(keys):  # the others have no page
        say(len(keys))
    outdated = [key for key in keys if key not in made or made[key].problem]
    remove_reviews(home, outdated)  # before the rows: who dies in between leaves a result without its page
    moment = written_at if isinstance(written_at, str) else written_at()
    step_times = [row for key in keys for row in judged[key].times]
    step_times_ledger(home).append(step_times, run_id=run_id, written_at=moment)
    scores_ledger(home).append([judged[key].row for key in keys], run_id=run_id, written_at=moment)
    remove_reviews(home, outdated)  # what somebody looked at meanwhile
    write_review_index(home)
    # what people said of these recordings since this began
    since = contested(home)
    show_contests(home, [str(key) for key in keys if since.get(str(key)) != objections.get(str(key))])
    return [_outcome(home, judged[key], made.get(key), noise_floor=floors.get(key.task_id)) for key in keys]


def _with_result(home: Home) -> set[str]:
    """The recordings that have a result, and so had a page."""
    return set(scores_ledger(home).query("select key from latest where problem is null")["key"])


def _outcome(
    home: Home, item: Judged, made: StationOutcome | None, *, noise_floor: float | None
) -> StationOutcome:
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
    outcome = StationOutcome(item.recording.key, metadata=metadata, table=item.deviations)
    problem = item.row["problem"]
    if problem is not None:
        return replace(outcome, problem=str(problem))
    if made is None:
        return replace(outcome, page=local_path(home.review(item.recording.key)))
    if made.problem is not None:
        return replace(outcome, metadata={**metadata, "page_problem": made.problem})
    return replace(outcome, picture_png=made.picture_png, page=made.page)
