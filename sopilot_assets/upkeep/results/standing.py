"""What a receiver of results ought to hold now, as the ledgers say it.

A parcel is the present result of one recording, or that it has none any more. Nothing is remembered between
two looks, so nothing can be lost between them: a row that is written late, out of order or twice leads to the
same parcels.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sopilot_assets.capture.ledgers import ERASED, REPLACED, WITHDRAWN, videos_ledger
from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Row, plain_rows

WITHDRAWAL: Final = "withdrawal-"
"""What the id of a parcel begins with that says that a recording has no result any more."""
_OUT: Final = f"('{WITHDRAWN}', '{REPLACED}', '{ERASED}')"
_LEFT: Final = f"select key, status in {_OUT} as is_out, written_at from latest"  # noqa: S608 - constants
_TAKEN_OUT: Final = f"""
select key, out_at, min(written_at) filter (where written_at > out_at) as back_at from (
    select key, written_at, max(written_at) filter (where status in {_OUT}) over (partition by key) as out_at
    from written
) where out_at is not null group by key, out_at
"""  # noqa: S608 - constants of ours
_SAID: Final = (
    "decision",
    "cause",
    "score",
    "decided_by",
    "task_version",
    "person",
    "site",
    "camera",
    "session",
    "deviation_types",
)
# how sure it is and what golds look like change with every gold; what was found does not
_FOUND: Final = """regexp_replace({}, '"gold_id": .*?"votes": [{{][^}}]*[}}], ', '', 'g')"""
_RESULTS: Final = f"""
select * from (with once as (
    select distinct * exclude (run_id) from written where role = 'trainee'
), said as (
    select *, concat_ws('|', {", ".join(f"coalesce(cast({name} as varchar), '')" for name in _SAID)},
        {_FOUND.format("deviations")}, {_FOUND.format("suspected")}) as words
    from once
), turned as (
    select *, lag(words) over (partition by key order by written_at, row_id) as before from said
) select {", ".join(COLUMNS)}, row_id, written_at from turned
where before is distinct from words
qualify row_number() over (partition by key order by written_at desc, row_id desc) = 1)
"""  # noqa: S608 - constants of ours


@dataclass(frozen=True, slots=True)
class ResultParcel:
    """The present result of the recording ``key``: ``row`` is the row of scores that said it first; None
    where the recording has none any more.

    ``supersedes`` are the ids of parcels about it that a receiver may hold and that count no more.
    """

    id: str
    key: str
    at: str
    row: Row | None
    supersedes: tuple[str, ...] = ()

    @property
    def about(self) -> str:
        """The recording: what is said of it last counts."""
        return self.key

    @property
    def time(self) -> datetime:
        """When it was decided, or taken out."""
        at = datetime.fromisoformat(self.at)
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def standing_results(home: Home) -> Mapping[str, ResultParcel]:
    """What is to be told now of each recording, by key, the oldest first."""
    return _standing(home, tuple(scores_ledger(home).files()), tuple(videos_ledger(home).files()))


@functools.lru_cache(maxsize=1)
def _standing(home: Home, *_: tuple[str, ...]) -> Mapping[str, ResultParcel]:
    """Kept as long as the ledgers have the same files, which are never written twice."""
    left = {str(row["key"]): row for row in plain_rows(videos_ledger(home).query(_LEFT))}
    out = {str(row["key"]): row for row in plain_rows(videos_ledger(home).query(_TAKEN_OUT))}
    found = plain_rows(scores_ledger(home).query(_RESULTS))
    parcels = [_parcel(row, left.get(str(row["key"])), out.get(str(row["key"]))) for row in found]
    return {one.key: one for one in sorted(parcels, key=lambda one: (one.at, one.id))}


def _parcel(row: Row, recording: Row | None, out: Row | None) -> ResultParcel:
    key = str(row["key"])
    taken_out_at, back_at = (str(out[name] or "") for name in ("out_at", "back_at")) if out else ("", "")
    if recording is not None and recording["is_out"]:
        return ResultParcel(WITHDRAWAL + _id(key, taken_out_at), key, str(recording["written_at"]), None)
    said = (str(row["row_id"]), str(row["written_at"]))
    # one that was taken out and came back is told anew
    return ResultParcel(_id(key, *said, taken_out_at), key, max(said[1], back_at), row)


def _id(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
