"""Recordings with their newest results, for other programs: filtered, the newest first, part by part.

Whoever reads part after part gets each recording once, whatever comes meanwhile: the place where a part ends
is a recording, not a number.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final

import pandas as pd

from sopilot_assets.capture.ledgers import ACTIVE, videos_ledger
from sopilot_assets.capture.promotions import promoted_golds, promotions_ledger
from sopilot_assets.labels.contests import contested
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.recording_list import NOT_JUDGED
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Row, plain_rows, query_together
from sopilot_assets.texts.names import composed
from sopilot_assets.texts.times import utc

PLACE_PATTERN: Final = r"^[0-9TZ:.-]{1,32}~[a-z][a-z0-9_]{0,47}-[gt]-[0-9a-f]{12}$"
"""A place in the list, see `FeedPart`."""


@dataclass(frozen=True, slots=True)
class FeedFilter:
    """Which recordings; None: all. ``decision`` is a decision or `NOT_JUDGED`. ``since`` and ``until`` are
    dates (ISO 8601, UTC, both included) of when it was recorded, or taken in where nobody knows;
    ``judged_since`` is a time (see `utc`) at or after which its newest result was written.
    """

    task: str | None = None
    role: str | None = None
    decision: str | None = None
    deviation: str | None = None
    person: str | None = None
    site: str | None = None
    since: str | None = None
    until: str | None = None
    judged_since: str | None = None
    contested: bool | None = None


@dataclass(frozen=True, slots=True)
class FeedPart:
    """Some rows of the list; ``next_place`` is where the part after this one begins, None at the end. A row
    has the columns of `COLUMNS`.
    """

    rows: tuple[Row, ...]
    next_place: str | None


_OF_SCORES: Final = (
    "decision",
    "cause",
    "score",
    "score_low",
    "score_high",
    "critical_deviations",
    "quality_deviations",
    "efficiency_deviations",
    "deviation_types",
    "task_version",
    "decided_by",
)
COLUMNS: Final = (
    "key",
    "task_id",
    "role",
    "original_name",
    "person",
    "site",
    "camera",
    "session",
    "duration_s",
    "recorded_at",
    "taken_at",
    "at",
    *_OF_SCORES,
    "row_id",
    "written_at",
    "contested",
)
"""Times are in UTC (see `utc`); ``at`` is ``recorded_at``, or ``taken_at`` where that is not
known; ``row_id`` and ``written_at`` are those of the newest result.
"""
_EVERY: Final = f"""
select key, videos.task_id, case when promoted.key is not null then 'gold' else videos.role end as role,
    videos.original_name, videos.person, videos.site, videos.camera, videos.session, duration_s, recorded_at,
    videos.first_written_at as taken_at, {", ".join(f"scores.{name}" for name in _OF_SCORES)},
    scores.row_id, scores.written_at
from videos left join scores using (key) left join promoted using (key)
where status = '{ACTIVE}'
"""  # noqa: S608 - constants of ours


def feed(home: Home, wanted: FeedFilter, *, limit: int, place: str | None = None) -> FeedPart:
    """The first ``limit`` recordings from ``place`` on, as `FeedPart.next_place` named it; from the newest
    without it.
    """
    rows = _every(home)
    rows = rows[_chosen(rows, wanted)]
    if wanted.contested is not None:
        rows = rows[rows["key"].isin(list(contested(home))) == wanted.contested]
    if place is not None:
        at, _, key = place.partition("~")
        rows = rows[(rows["at"] < at) | ((rows["at"] == at) & (rows["key"] > key))]
    part = plain_rows(rows.head(limit))
    last = part[-1] if len(rows) > limit else None
    objected = contested(home) if part else {}
    told = tuple({**row, "contested": str(row["key"]) in objected} for row in part)
    return FeedPart(told, None if last is None else f"{last['at']}~{last['key']}")


def feed_row(home: Home, key: str) -> Row | None:
    """The row of one recording; None where there is none that counts."""
    rows = _every(home)
    found = plain_rows(rows[rows["key"] == key])
    return {**found[0], "contested": key in contested(home)} if found else None


def _chosen(rows: pd.DataFrame, wanted: FeedFilter) -> pd.Series[bool]:
    chosen = pd.Series(True, index=rows.index)
    for name, value in (
        ("task_id", wanted.task),
        ("role", wanted.role),
        ("person", wanted.person),
        ("site", wanted.site),
    ):
        if value is not None:
            chosen &= rows[name].isin([value, composed(value)])  # as macOS writes it, and as it is stored
    if wanted.decision is not None:
        chosen &= rows["decision"].fillna(NOT_JUDGED) == wanted.decision
    if wanted.deviation is not None:
        listed = rf"(?:^|,){re.escape(wanted.deviation)}(?:,|$)"
        chosen &= rows["deviation_types"].fillna("").str.contains(listed, regex=True)
    if wanted.since is not None:
        chosen &= rows["at"] >= wanted.since
    if wanted.until is not None:
        chosen &= rows["at"].str[:10] <= wanted.until
    if wanted.judged_since is not None:
        chosen &= rows["written_at"].fillna("") >= wanted.judged_since
    return chosen


def _every(home: Home) -> pd.DataFrame:
    ledgers = (videos_ledger(home), scores_ledger(home), promotions_ledger(home))
    return _every_in(home, *(tuple(one.files()) for one in ledgers))


@functools.lru_cache(maxsize=1)
def _every_in(home: Home, *_: tuple[str, ...]) -> pd.DataFrame:
    """Kept as long as the ledgers have the same files, which are never written twice."""
    promoted = pd.DataFrame({"key": list(promoted_golds(home))}, dtype="string")
    ledgers = {"videos": videos_ledger(home), "scores": scores_ledger(home)}
    rows = query_together(ledgers, _EVERY, promoted=promoted)
    for name in ("recorded_at", "taken_at", "written_at"):
        times = {cell: utc(cell) for cell in rows[name].dropna().unique()}
        rows[name] = rows[name].map(times).astype(object)  # one without any time would hold numbers
    rows["at"] = rows["recorded_at"].fillna(rows["taken_at"])
    return rows.sort_values(["at", "key"], ascending=[False, True], kind="stable").reset_index(drop=True)
