"""The result of one recording as it stands in the ledger, judged once more to be shown.

Nothing of it is published, and no page that was made before is read: what is shown is what the row says, or
it is not shown.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.errors import SopilotError
from sopilot_assets.reference.ledger import reference_states
from sopilot_assets.scoring.ledger import noise_floors, scores_ledger
from sopilot_assets.scoring.result import Deviation
from sopilot_assets.scoring.review.stills import ServedStill, StillPair, Unreadable
from sopilot_assets.scoring.review.values import Review, ReviewGold, named_golds
from sopilot_assets.scoring.verdict import Verdict, verdict_of_row
from sopilot_assets.stations.judged import gold_scores, judge_recording
from sopilot_assets.stations.judging import Judge, References
from sopilot_assets.stations.media import on_grid
from sopilot_assets.stations.review_index import recording_times
from sopilot_assets.stations.reviews import ReviewWork
from sopilot_assets.store.home import ROLES, Home, PartitionKey
from sopilot_assets.store.ledgers import Row, plain_rows
from sopilot_assets.store.small_files import FileState, file_states
from sopilot_assets.texts.languages import Text


@dataclass(frozen=True, slots=True)
class ResultNow:
    """What is said of a recording now: ``row`` is its newest row of scores, ``work`` what its page shows.

    ``work`` is None where ``waits`` says why that cannot be shown. ``golds`` are the recordings that the page
    plays beside it, by video id. ``outdated``: golds, their steps or the task changed since.
    """

    row: Row
    verdict: Verdict
    work: ReviewWork | None = None
    golds: Mapping[str, Recording] | None = None
    waits: Text | None = None
    outdated: bool = False


def score_row_of(home: Home, key: PartitionKey) -> Row | None:
    """The newest row of scores of a recording, with its ``row_id``; None where it was not judged yet."""
    rows = plain_rows(scores_ledger(home).query(f"select * from latest where key = '{key}'"))  # noqa: S608 - partition keys hold no quotes
    return rows[0] if rows else None


def result_now(home: Home, key: PartitionKey) -> ResultNow | None:
    """What is said of a recording now; None where it was not judged yet.

    It is judged by the reference that its row names. Where that gives another result (the algorithm or the
    task changed since), or cannot be had any more, nothing but the row's own words can be shown.
    """
    row = score_row_of(home, key)
    if row is None:
        return None
    references = _references(home, key.task_id, str(row["reference_id"]))
    reference = references.get(key.task_id) if row["problem"] is None else None
    resting = () if reference is None else (gold.video_id for gold in reference.golds)
    named = [key, *(PartitionKey(key.task_id, role, video_id) for video_id in resting for role in ROLES)]
    by = Judge(home, registry=Registry.read_golds(home, also=named), references=references)
    told = ResultNow(row, _verdict(by, row), outdated=_outdated(home, by, row))
    if row["problem"] is not None:
        return replace(told, waits=told.verdict.because[0])
    judged = judge_recording(by, key, None)
    if judged.review is None or any(judged.row[name] != row[name] for name in _RESULT):
        return replace(told, waits=ANOTHER, outdated=True)
    work = replace(
        judged.review,
        row={**judged.review.row, **recording_times(home, key).get(str(key), {})},
        noise_floor=noise_floors(gold_scores(home).values()).get(key.task_id),
    )
    return replace(told, work=work, golds=_golds(by, work))


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a server shows the video of a recording, and its picture at a time in seconds."""

    video: Callable[[Recording], str]
    still: Callable[[Recording, float], str]


def served_review(told: ResultNow, recording: Recording, at: Addresses) -> Review:
    """What the page of a result shows where videos and pictures are served; raises ``ValueError`` for one
    that cannot be shown, and ``GoldError`` where a gold is gone.
    """
    if told.work is None or told.golds is None:
        raise ValueError(f"{recording.key}: {told.waits}")
    work, golds = told.work, told.golds
    score = work.score

    def pair(deviation: Deviation) -> StillPair:
        its, there = deviation.trainee.middle_s, deviation.gold
        return StillPair(
            Unreadable(its, "") if work.gone else ServedStill(its, at.still(recording, its)),
            None
            if there is None
            else ServedStill(there.middle_s, at.still(golds[deviation.gold_id], there.middle_s)),
        )

    return Review(
        task=work.task,
        score=score,
        alignment=work.alignment,
        row=work.row,
        noise_floor_score=work.noise_floor,
        is_gold=work.is_gold,
        trainee_source=at.video(recording),
        golds=tuple(
            ReviewGold(gold_id, work.gold_steps.get(gold_id, ()), at.video(golds[gold_id]))
            for gold_id in named_golds(score, work.alignment, golds)
        ),
        gold_names=work.gold_names,
        stills=[pair(one) for one in (*score.deviations, *score.suspected)],
        verifiability=work.verifiability,
        steps_faults=work.steps_faults,
        video=None,
        gone=work.gone,
    )


def stills_shown(told: ResultNow, recording: Recording) -> list[tuple[Recording, int]]:
    """The pictures that the page of a result shows, each by its recording and in milliseconds (see
    `on_grid`).
    """
    if told.work is None or told.golds is None:
        return []
    shown = (*told.work.score.deviations, *told.work.score.suspected)
    moments = [] if told.work.gone else [(recording, one.trainee.middle_s) for one in shown]
    moments += [(told.golds[one.gold_id], one.gold.middle_s) for one in shown if one.gold is not None]
    return [(one, on_grid(min(at_s, one.duration_s))) for one, at_s in moments]


_RESULT: Final = ("decision", "cause", "score", "deviations", "suspected", "critical_probability")
"""What has to come out the same as in the ledger."""
ANOTHER: Final = Text(
    "This result was made by an earlier version of the task or the software. Until it is brought up to date "
    "only its words are shown.",
    "この判定は以前の版の手順書またはソフトウェアによるものです。更新されるまで判定の文だけを表示します。",
)
"""Why a result is not shown that would come out otherwise now."""


def _verdict(by: Judge, row: Row) -> Verdict:
    try:
        return verdict_of_row(row, by.task(str(row["task_id"])))
    except SopilotError:  # a task file that cannot be used tells no limits
        return verdict_of_row(row)


def _outdated(home: Home, by: Judge, row: Row) -> bool:
    task_id = str(row["task_id"])
    try:
        renewed = by.task(task_id).fingerprint() != row["task_fingerprint"]
    except SopilotError:
        return False
    state = reference_states(home).get(task_id)
    if renewed or state is None or state.reference_id != row["reference_id"]:
        return True
    return by.golds(task_id).is_renewed(state)


def _references(home: Home, task_id: str, reference_id: str) -> References:
    """The reference that a row names, kept as long as its files are the same. One that cannot be had is not
    kept, and says so when it is asked for.
    """
    files = [home.reference(task_id, reference_id), home.calibration(task_id, reference_id)]
    try:
        return _kept_references(
            home, task_id, reference_id, tuple(file_states(list(map(str, files))).items())
        )
    except (SopilotError, FileNotFoundError):
        return References(home, {task_id: reference_id})


@functools.lru_cache(maxsize=2)
def _kept_references(
    home: Home,
    task_id: str,
    reference_id: str,
    *_: tuple[str, FileState],
) -> References:
    """Read once for many pages, by several threads; nobody changes what was read."""
    references = References(home, {task_id: reference_id})
    references[task_id], references.calibration(task_id)
    return references


def _golds(by: Judge, work: ReviewWork) -> dict[str, Recording]:
    """The recordings of the golds that a page names, by video id; whether they count is not asked."""
    task_id = work.key.task_id
    return {
        one.key.video_id: one
        for one in by.registry.recordings.values()
        if one.task_id == task_id and one.key.video_id in work.golds
    }
