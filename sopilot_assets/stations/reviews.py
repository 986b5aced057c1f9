"""Review pages of a batch, made in limited child processes since they read the videos; and taken away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sopilot_assets.alignment.spans import Alignment
from sopilot_assets.capture.erasures import erased_hashes, erasures
from sopilot_assets.errors import SopilotError, VideoError
from sopilot_assets.privacy.covering import Covering
from sopilot_assets.privacy.policy import covering_for
from sopilot_assets.processes.limited import MEMORY_LIMIT_BYTES, map_limited
from sopilot_assets.scoring.result import Deviation, Objection, Score, Verifiability
from sopilot_assets.scoring.review import StillPair, deviation_stills, review_page, score_picture_png
from sopilot_assets.segments import Segment
from sopilot_assets.stations.outcome import StationOutcome
from sopilot_assets.store.home import VIDEO_ID_DIGITS, Home, PartitionKey
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.store.shared import at_hand, names_in_store, withdraw
from sopilot_assets.tasks import TaskSpec, notice_of
from sopilot_assets.texts.languages import Text

TIME_LIMIT_S: Final = 600.0


@dataclass(frozen=True, slots=True, eq=False)
class ReviewWork:
    """All that one review page needs; ``golds``, ``gold_steps`` and ``gold_names`` are by video id.

    ``verifiability`` is the table of the task's reference, empty where there is none. ``steps_faults`` is why
    nothing of ``steps.csv`` was taken, ``gone`` why there is no video of the recording any more.
    """

    home: Home
    key: PartitionKey
    task: TaskSpec
    score: Score
    alignment: Alignment
    trainee_video: Path
    golds: Mapping[str, Path]
    gold_steps: Mapping[str, Sequence[tuple[int, Segment]]]
    row: Mapping[str, Cell]
    noise_floor: float | None = None
    verifiability: tuple[Verifiability, ...] = ()
    gold_names: Mapping[str, str] = field(default_factory=dict)
    objections: tuple[Objection, ...] = ()
    steps_faults: tuple[Text, ...] = ()
    is_gold: bool = False
    gone: Text | None = None


def write_reviews(works: Iterable[ReviewWork], *, processes: int) -> Iterator[StationOutcome]:
    """Publish the review page of each score, in their order; a page that cannot be made is its own video's
    problem.
    """
    results = map_limited(
        write_review,
        works,
        processes=processes,
        time_limit_s=TIME_LIMIT_S,
        memory_limit_bytes=MEMORY_LIMIT_BYTES,
    )
    for work, result in results:
        yield StationOutcome(work.key, problem=str(result)) if isinstance(result, SopilotError) else result


def write_review(work: ReviewWork) -> StationOutcome:
    """Publish one review page, and make the picture of its score; runs in a child process."""
    stills = publish_review(work)
    picture = score_picture_png(
        task=work.task,
        alignment=work.alignment,
        score=work.score,
        gold_steps=work.gold_steps[work.alignment.warp.gold_id],
        stills=stills,
        is_gold=work.is_gold,
    )
    return StationOutcome(work.key, picture_png=picture, page=local_path(work.home.review(work.key)))


def publish_review(work: ReviewWork) -> Sequence[StillPair]:
    """Publish one review page, and return the stills in it. The same work gives the same bytes.

    Raises `VideoError`, and leaves no page, where somebody erased or removed what it shows meanwhile.
    """
    video = f"../{work.home.videos.name}/{quote(work.trainee_video.name)}"
    html, stills = page_for(work, covering_for(work.home, work.task.task_id), video=video)
    publish_text(work.home.review(work.key), html)
    told = erasures(work.home)
    golds = {sha256[:VIDEO_ID_DIGITS] for sha256 in erased_hashes(told)} & work.golds.keys()
    if golds or (str(work.key) in told and not work.gone):
        remove_reviews(work.home, [work.key])
        raise VideoError(f"{work.key}: a video was removed while its page was made. Open the page once more.")
    return stills


def page_for(work: ReviewWork, covering: Covering, *, video: str) -> tuple[str, Sequence[StillPair]]:
    """The review page with so much covered in it, and its stills; nothing is published. ``video`` is where
    the recording lies, seen from the page.
    """
    work = _with_videos(work)
    shown = (*work.score.deviations, *work.score.suspected)
    stills = deviation_stills(
        shown, trainee_video=_its_video(work), gold_videos=work.golds, covering=covering
    )
    html = review_page(
        task=work.task,
        score=work.score,
        alignment=work.alignment,
        trainee_video=_its_video(work),
        gold_videos=work.golds,
        gold_steps=work.gold_steps,
        row=work.row,
        proxy_folder=work.home.proxies,
        stills=stills,
        covering=covering,
        verifiability=work.verifiability,
        gold_names=work.gold_names,
        noise_floor_score=work.noise_floor,
        is_gold=work.is_gold,
        objections=work.objections,
        steps_faults=work.steps_faults,
        video=None if covering or work.gone else video,
        gone=work.gone,
        privacy=notice_of(work.home, work.task.privacy).lines,
    )
    return html, stills


def _its_video(work: ReviewWork) -> Path | None:
    return None if work.gone else work.trainee_video


def remove_reviews(home: Home, keys: Iterable[PartitionKey]) -> None:
    """Take away the pages of these recordings, as far as they have any: what they say counts no more."""
    folder = local_path(home.reviews)
    here = {path.name for path in folder.glob("*.html")}
    stored = names_in_store(folder)
    for key in keys:
        page = local_path(home.review(key))
        if page.name in stored:
            withdraw(page)
        if page.name in here:
            page.unlink(missing_ok=True)


def deviation_rows(score: Score) -> tuple[Mapping[str, Cell], ...]:
    """What was found and what is suspected, as rows of a table."""
    return (
        *(_row(deviation, "found") for deviation in score.deviations),
        *(_row(deviation, "suspected") for deviation in score.suspected),
    )


def _with_videos(work: ReviewWork) -> ReviewWork:
    """The same work, with the videos it shows on this machine."""
    golds = {video_id: at_hand(path) for video_id, path in work.golds.items()}
    its = work.trainee_video if work.gone else at_hand(work.trainee_video)
    return replace(work, trainee_video=its, golds=golds)


def _row(deviation: Deviation, state: str) -> dict[str, Cell]:
    return {
        "state": state,
        "type": deviation.type.value,
        "severity": deviation.severity.value,
        "from_s": round(deviation.trainee.start_s, 2),
        "to_s": round(deviation.trainee.end_s, 2),
        "confidence": round(deviation.confidence, 3),
        "golds": _support(deviation),
        "what": deviation.text.en,
        "what_ja": deviation.text.ja,
    }


def _support(deviation: Deviation) -> str:
    """How many of the golds that were asked support it; empty where none was asked."""
    supporting = sum(vote.log_odds > 0 for vote in deviation.votes)
    return f"{supporting} of {len(deviation.votes)}" if deviation.votes else ""
