"""Erasures: recordings whose pictures are gone for good, at a person's wish or since their time was over, as
chains of events.

Nothing else of a recording says that: its rows and what people said of it stay. The event is the tombstone by
which chains and dossiers tell what is missing, and by which the same file is not taken in again.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import pyarrow as pa
from pydantic import Field, StringConstraints

from sopilot_assets.errors import ErasureError
from sopilot_assets.store.chain import CHAIN_COLUMNS, Chain, ChainDraft, ChainEvent, Hash, Key, Who
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Ledger, plain_rows
from sopilot_assets.texts.languages import Text

COLUMNS: Final = {
    **CHAIN_COLUMNS,
    "key": pa.string(),
    "sha256": pa.string(),
    "who": pa.string(),
    "at": pa.string(),
    "change": pa.string(),
    "why": pa.string(),
}
WHY_LETTERS: Final = 500


class ErasureChange(StrEnum):
    """What happened to a recording: its erasure began, it is erased, or its video alone was removed since its
    time was over.
    """

    BEGUN = "begun"
    ERASED = "erased"
    VIDEO_REMOVED = "video_removed"


class ErasureDraft(ChainDraft):
    """Which recording, by key and the SHA-256 of its bytes; who has it erased, when and why."""

    key: Key
    sha256: Hash
    who: Who
    change: Annotated[ErasureChange, Field(strict=False)]
    why: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=WHY_LETTERS)]


class ErasureEvent(ErasureDraft, ChainEvent):
    """A draft in its place in the chain of its task."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """The newest event of a recording: what happened, by whom, when (ISO 8601 in UTC) and why."""

    key: str
    sha256: str
    change: ErasureChange
    who: str
    at: str
    why: str


def erasures_ledger(home: Home) -> Ledger:
    """The ledger of what was erased, of all tasks."""
    return Ledger(home.ledgers, "erasures", COLUMNS, "event_id")


def erasures_chain(home: Home) -> Chain[ErasureDraft, ErasureEvent]:
    """The chains of erasures of a home; what is broken is an `ErasureError`."""
    return Chain(erasures_ledger(home), ErasureEvent, (), lambda draft: draft.key, ErasureError)


def erasures(home: Home) -> dict[str, Erasure]:
    """What was erased, by partition key; the chains are not verified here."""
    sql = 'select key, sha256, change, who, "at", why from all_rows order by task_id, seq'
    return {
        str(row["key"]): Erasure(
            key=str(row["key"]),
            sha256=str(row["sha256"]),
            change=ErasureChange(str(row["change"])),
            who=str(row["who"]),
            at=str(row["at"]),
            why=str(row["why"]),
        )
        for row in plain_rows(erasures_ledger(home).query(sql))
    }


def erased_hashes(known: Mapping[str, Erasure]) -> dict[str, Erasure]:
    """The recordings that people had erased, also those whose erasure is at work, by the SHA-256 of their
    bytes: no such file is taken in again.
    """
    return {one.sha256: one for one in known.values() if one.change is not ErasureChange.VIDEO_REMOVED}


def removed_videos(known: Mapping[str, Erasure]) -> dict[str, Erasure]:
    """The recordings whose video was removed and that count on, by partition key."""
    return {key: one for key, one in known.items() if one.change is ErasureChange.VIDEO_REMOVED}


def last_erasure(known: Mapping[str, Erasure]) -> datetime | None:
    """When somebody's erasure was done last; None where there was none."""
    done = [one.at for one in known.values() if one.change is ErasureChange.ERASED]
    return datetime.fromisoformat(max(done)) if done else None


def removed_text(one: Erasure) -> Text:
    """What people are told where the video of a recording was shown."""
    day = one.at[:10]
    return Text(
        f"The video was removed on {day}, since the time is over for which videos of this task are kept. The "
        "result stays.",
        f"この作業の映像の保存期間が過ぎたため、映像は {day} に削除されました。判定結果は残ります。",
    )


@functools.lru_cache(maxsize=8)
def _removed(home: Home, *_: str) -> Mapping[str, Text]:
    return {key: removed_text(one) for key, one in removed_videos(erasures(home)).items()}


def video_is_gone(home: Home, key: str) -> Text | None:
    """What to tell where the video of a recording was removed after its time; None where it was not."""
    return _removed(home, *erasures_ledger(home).files()).get(key)
