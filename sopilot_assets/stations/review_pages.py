"""Review pages made when somebody looks: of many recordings that were scored again nobody made any.

A page says what the newest row of its recording says. It is made by the same function and of the same things
as a page that comes with its score, so the bytes are the same; what people object to, and the names of golds,
are those of the present. Where a row was made by an older version, or by what is gone since, there is no page
any more, and the row's own words are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sopilot_assets.errors import GoldError, SopilotError
from sopilot_assets.labels.contests import contested
from sopilot_assets.privacy.policy import covering_for
from sopilot_assets.processes.limited import MEMORY_LIMIT_BYTES, map_limited
from sopilot_assets.scoring.review.page import covered_as
from sopilot_assets.scoring.verdict import Verdict
from sopilot_assets.stations.review_now import ANOTHER, ResultNow, result_now, score_row_of
from sopilot_assets.stations.reviews import (
    TIME_LIMIT_S,
    publish_review,
    remove_reviews,
)
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.publish import local_path
from sopilot_assets.store.shared import at_hand
from sopilot_assets.texts.languages import Text


@dataclass(frozen=True, slots=True)
class PageOf:
    """The page of a recording; where it has none, ``path`` is None and ``waits`` says why. ``verdict`` is
    what its row says, None where it is not known or was not asked for.
    """

    key: PartitionKey
    path: Path | None = None
    waits: Text | None = None
    verdict: Verdict | None = None


def review_pages(home: Home, keys: Sequence[PartitionKey], *, processes: int = 1) -> Iterator[PageOf]:
    """The page of each recording, in their order, made now where it is not there yet.

    That takes as long as reading the recording once, in child processes with limits. Several processes may
    make the same page: its bytes are the same.
    """
    for (_, key), found in map_limited(
        make_page,
        [(home, key) for key in keys],
        processes=processes,
        time_limit_s=TIME_LIMIT_S,
        memory_limit_bytes=MEMORY_LIMIT_BYTES,
    ):
        yield PageOf(key, waits=_text(found)) if isinstance(found, SopilotError) else found


def review_page_of(home: Home, key: PartitionKey) -> PageOf:
    """The page of one recording, made now where it is not there yet."""
    page = at_hand(local_path(home.review(key)))
    return PageOf(key, page) if is_page(home, key, page) else next(review_pages(home, [key]))


def is_page(home: Home, key: PartitionKey, page: Path) -> bool:
    """Whether there is the page of a recording, and what has to be covered by now is covered in it; one that
    was made when settings or task said otherwise is none.
    """
    return page.is_file() and covered_as(page) == covering_for(home, key.task_id).tag


def make_page(wanted: tuple[Home, PartitionKey]) -> PageOf:
    """Make the page of a recording, if it is not there; runs in a child process."""
    home, key = wanted
    page = at_hand(local_path(home.review(key)))
    for _ in range(_TRIES):
        if is_page(home, key, page):
            return PageOf(key, page)
        told = result_now(home, key)
        if told is None:
            return PageOf(key, waits=_NOT_SCORED)
        if told.work is None or _says_otherwise(told):
            return PageOf(key, waits=told.waits or ANOTHER, verdict=told.verdict)
        publish_review(replace(told.work, objections=contested(home).get(str(key), ())))
        # a score that was published meanwhile took the page away before it was made
        now = score_row_of(home, key)
        if now is None or now["row_id"] != told.row["row_id"]:
            remove_reviews(home, [key])
    return PageOf(key, waits=_AGAIN)


_TRIES: Final = 3
_NOT_SCORED: Final = Text("There is no result of this recording yet.", "この録画の判定はまだありません。")
_AGAIN: Final = Text(
    "This recording is being scored again just now. Open the page once more.",
    "この録画はいま再採点中です。もう一度ページを開いてください。",
)


def _says_otherwise(told: ResultNow) -> bool:
    """Whether what the page would say of its origin is not what the row says."""
    shown = {} if told.work is None else told.work.row
    return any(told.row[name] != value for name, value in shown.items() if name in told.row)


def _text(error: SopilotError) -> Text:
    return (
        Text(str(error), error.ja or str(error))
        if isinstance(error, GoldError)
        else Text(str(error), str(error))
    )
