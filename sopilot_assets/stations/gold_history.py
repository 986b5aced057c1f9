"""How the golds of a task came and went: filmed as golds, promoted, taken back, taken out; and which
references were made of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

import pandas as pd

from sopilot_assets.capture.ledgers import ACTIVE, WITHDRAWN, videos_ledger
from sopilot_assets.capture.promotions import PromotionChange, PromotionEvent, promotions_chain
from sopilot_assets.reference.ledger import references_ledger
from sopilot_assets.stations.gold_promotions import ALIGNMENT, CONFIRMED, CORRECTED
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Row, plain_rows
from sopilot_assets.texts.languages import Text


class GoldHappening(StrEnum):
    """What happened to a gold."""

    FILMED = "filmed"
    PROMOTED = "promoted"
    TAKEN_BACK = "taken_back"
    WITHDRAWN = "withdrawn"
    RESTORED = "restored"


_OF_PROMOTION: Final = {
    PromotionChange.PROMOTE: GoldHappening.PROMOTED,
    PromotionChange.DEMOTE: GoldHappening.TAKEN_BACK,
}


@dataclass(frozen=True, slots=True)
class GoldEvent:
    """One thing that happened to a gold of a task: when (ISO 8601 in UTC), who did it and why, empty where it
    was taken in as a gold. ``steps_from`` is what the steps of a promoted one came from.
    """

    at: str
    what: GoldHappening
    key: str
    name: str
    person: str | None
    who: str = ""
    why: str = ""
    steps_from: str = ""

    @property
    def steps_text(self) -> Text | None:
        """What the steps of a promoted one came from, for readers; None where it was not promoted."""
        if not self.steps_from:
            return None
        if self.steps_from.endswith(CORRECTED):
            return Text("steps corrected at the desk", "手順の時刻：デスクで修正して確定")
        if self.steps_from.endswith(CONFIRMED):
            return Text("steps confirmed at the desk as proposed", "手順の時刻：デスクで候補のまま確定")
        if self.steps_from.startswith(ALIGNMENT):
            return Text("steps as the scoring found them", "手順の時刻：採点で見つかったまま")
        return Text(f"steps of {self.steps_from}", f"手順の時刻：{self.steps_from}")


@dataclass(frozen=True, slots=True)
class ReferenceMade:
    """A reference that was made of a task's golds, when, and of how many golds, persons and which promoted
    ones.
    """

    reference_id: str
    at: str
    golds: int
    persons: int
    promoted: frozenset[str]


def gold_history(home: Home, task_id: str, promotions: Sequence[PromotionEvent]) -> tuple[GoldEvent, ...]:
    """What happened to the golds of a task, the newest first; ``promotions`` are the events of its chain."""
    keys = sorted({event.key for event in promotions})
    rows = videos_ledger(home).query(
        "select key, role, original_name, person, status, changed_by, why, written_at from all_rows, asked "
        "where task_id = asked.its_task and (role = 'gold' or key in (select key from promoted)) "
        "order by key, written_at, row_id",
        asked=pd.DataFrame({"its_task": [task_id]}, dtype="string"),
        promoted=pd.DataFrame({"key": keys}, dtype="string"),
    )
    by_key: dict[str, list[Row]] = {}
    for row in plain_rows(rows):
        by_key.setdefault(str(row["key"]), []).append(row)
    found = [one for its in by_key.values() for one in _of_recording(its)]
    found += [_of_event(event, by_key) for event in promotions]
    return tuple(sorted(found, key=lambda one: (one.at, one.key), reverse=True))


def promotions_of(home: Home, task_id: str) -> list[PromotionEvent]:
    """The promotions and demotions of a task in order; raises `GoldError` where their chain is broken."""
    return promotions_chain(home).read(task_id)


def references_made(home: Home, task_id: str) -> tuple[ReferenceMade, ...]:
    """The references that a task ever had, in order; one that came back is there twice."""
    rows = references_ledger(home).query(
        "select reference_id, written_at, golds, persons, promoted from written, asked "
        "where task_id = asked.its_task and reference_id is not null order by written_at, row_id",
        asked=pd.DataFrame({"its_task": [task_id]}, dtype="string"),
    )
    made = [
        ReferenceMade(
            str(row["reference_id"]),
            str(row["written_at"]),
            int(row["golds"] or 0),
            int(row["persons"] or 0),
            frozenset(filter(None, str(row["promoted"] or "").split(","))),
        )
        for row in plain_rows(rows)
    ]
    return tuple(one for last, one in pairwise([None, *made]) if one and _is_another(last, one))


def _is_another(last: ReferenceMade | None, one: ReferenceMade) -> bool:
    return last is None or last.reference_id != one.reference_id


def _of_recording(rows: Sequence[Row]) -> Iterator[GoldEvent]:
    """What the rows of one recording, in order, say of it as a gold."""
    first = rows[0]
    if first["role"] == "gold":
        yield _event(first, GoldHappening.FILMED)
    for before, row in pairwise(rows):
        change = (before["status"], row["status"])
        if change == (ACTIVE, WITHDRAWN):
            yield _event(row, GoldHappening.WITHDRAWN)
        elif change == (WITHDRAWN, ACTIVE):
            yield _event(row, GoldHappening.RESTORED)


def _event(row: Row, what: GoldHappening) -> GoldEvent:
    said = what is not GoldHappening.FILMED
    return GoldEvent(
        str(row["written_at"]),
        what,
        str(row["key"]),
        str(row["original_name"]),
        None if row["person"] is None else str(row["person"]),
        who=str(row["changed_by"] or "") if said else "",
        why=str(row["why"] or "") if said else "",
    )


def _of_event(event: PromotionEvent, rows: Mapping[str, Sequence[Row]]) -> GoldEvent:
    newest = rows[event.key][-1] if event.key in rows else None
    person = None if newest is None or newest["person"] is None else str(newest["person"])
    name = event.key if newest is None else str(newest["original_name"])
    return GoldEvent(
        event.at,
        _OF_PROMOTION[event.change],
        event.key,
        name,
        person,
        who=event.who,
        why=event.why,
        steps_from=event.steps_from,
    )
