"""Marks: when people say that each step of a gold begins and ends, as chains of events.

The newest mark of a gold counts. Nothing is overwritten: whoever marks a gold again adds an event. A mark
that was made independently of those before it, to see whether two people agree, is kept beside them and
decides nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Annotated, Final

import pyarrow as pa
from pydantic import Field, StringConstraints

from sopilot_assets.capture.promotions import ConfirmedStep
from sopilot_assets.errors import GoldError, MarkConflict
from sopilot_assets.store.chain import CHAIN_COLUMNS, NO_EVENT, Chain, ChainDraft, ChainEvent, Hash, Key, Who
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Ledger

COLUMNS: Final = {
    **CHAIN_COLUMNS,
    "key": pa.string(),
    "who": pa.string(),
    "at": pa.string(),
    "steps": pa.string(),
    "proposed": pa.string(),
    "proposed_by": pa.string(),
    "based_on": pa.string(),
    "independent": pa.bool_(),
}
"""``steps`` and ``proposed`` are JSON lists of `ConfirmedStep`."""

MOST_STEPS: Final = 500
_Steps = Annotated[tuple[ConfirmedStep, ...], Field(strict=False, max_length=MOST_STEPS)]


class MarkDraft(ChainDraft):
    """Who says when the steps of a gold begin and end, and when they said it.

    ``steps`` are in order of time. ``proposed`` is what the person was shown before, and ``proposed_by`` what
    that came from: golds with steps, change points, a sheet; empty where nothing was. ``based_on`` is the
    event that the person saw as the newest of the gold, 64 zeros for none. ``independent``: the person did
    not see what others had marked, and means to be compared with them.
    """

    key: Key
    who: Who
    steps: Annotated[tuple[ConfirmedStep, ...], Field(strict=False, min_length=1, max_length=MOST_STEPS)]
    proposed: _Steps = ()
    proposed_by: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    based_on: Hash = NO_EVENT
    independent: bool = False


class MarkEvent(MarkDraft, ChainEvent):
    """A draft in its place in the chain of its task."""


def marks_ledger(home: Home) -> Ledger:
    """The ledger of the marks of all tasks."""
    return Ledger(home.ledgers, "marks", COLUMNS, "event_id")


def marks_chain(home: Home) -> Chain[MarkDraft, MarkEvent]:
    """The chains of marks of a home; what is broken is a `GoldError`."""
    return Chain(marks_ledger(home), MarkEvent, ("steps", "proposed"), _voice, GoldError)


def deciding_marks(events: Sequence[MarkEvent]) -> dict[str, MarkEvent]:
    """The mark of each gold that counts, by key: the newest one that is not independent."""
    return {event.key: event for event in events if not event.independent}


def newest_event(events: Sequence[MarkEvent], key: str) -> str:
    """The id of the mark of a gold that counts, which a new one is based on; 64 zeros for none."""
    counts = deciding_marks(events).get(key)
    return NO_EVENT if counts is None else counts.event_id


def append_marks(home: Home, drafts: Sequence[MarkDraft], *, run_id: str, written_at: str) -> list[MarkEvent]:
    """Append marks of one task; returns the new events: none for a draft that says what its gold's newest
    mark says, so that a request that is sent once more adds nothing.

    All of them are taken or none. Raises `MarkConflict` for a draft that is based on an older mark than the
    one that counts now, and `GoldError` where the chain is broken.
    """

    def require(events: Sequence[MarkEvent]) -> None:
        counting = deciding_marks(events)
        for draft in drafts:
            counts = counting.get(draft.key)
            if counts is None or draft.independent or _says_the_same(counts, draft):
                continue
            if counts.event_id != draft.based_on:
                raise MarkConflict(
                    f"{draft.key}: {counts.who} confirmed its steps meanwhile ({counts.at}). Nothing of "
                    "yours was taken or lost: compare the two, then confirm again.",
                    ja=f"{draft.key}：その間に {counts.who} が手順の時刻を確定しました（{counts.at}）。"
                    "あなたの入力は保存されていませんが、失われてもいません。比べてから確定し直してください。",
                )

    return marks_chain(home).append(drafts, run_id=run_id, written_at=written_at, require=require)


def _says_the_same(event: MarkEvent, draft: MarkDraft) -> bool:
    return event.says() == draft.says()


def _voice(mark: MarkDraft | MarkEvent) -> Hashable:
    """Whose word a mark replaces: that of the gold, or of the person who marks beside the others."""
    return mark.key, mark.who if mark.independent else None
