"""Append-only chains of events in a ledger, every event naming the one before it by hash.

A changed, dropped, added or reordered event breaks the chain at its place. The last events could be dropped
without a trace in the chain itself; therefore its head is kept in a file beside the ledger as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Generic, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from upath import UPath

from sopilot_assets.errors import LedgerError
from sopilot_assets.store.canonical import content_sha256
from sopilot_assets.store.home import plain_id
from sopilot_assets.store.ledgers import Ledger
from sopilot_assets.store.publish import local_path, only_writer, publish_text

NO_EVENT: Final = "0" * 64
"""``previous_hash`` of the first event of a chain."""

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class LinkedEvent(BaseModel):
    """What every event of a chain has: ``seq`` counts from 1, ``previous_hash`` is the ``event_id`` of the
    event before it, and ``event_id`` the SHA-256 of everything else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seq: Annotated[int, Field(ge=1)]
    previous_hash: Hash
    event_id: Hash


Event = TypeVar("Event", bound=LinkedEvent)


@dataclass(frozen=True, slots=True)
class EventChain(Generic[Event]):
    """The chains of one ledger, told apart by its column ``of``; ``model`` is what their events are."""

    ledger: Ledger
    model: type[Event]
    of: str

    def names(self) -> list[str]:
        """The chains that have events."""
        return sorted(self.ledger.query(f"select distinct {self.of} from all_rows")[self.of])  # noqa: S608 - a column of ours

    def read(self, name: str) -> list[Event]:
        """The events of a chain in order, verified.

        Raises ``LedgerError`` naming the first event that is not what it says, or that is missing.
        """
        seq, event_id = self._known_head(name)  # before the events, to which somebody may be adding
        events = list(self._verified(name, self._stored(name)))
        if seq > len(events) or (seq and events[seq - 1].event_id != event_id):
            raise LedgerError(
                f"{self.ledger.name} of {name}: expected event {seq} to be {event_id[:12]} as "
                f"{self._head_file(name)} says, found {len(events)} events; events were dropped or replaced. "
                f"{self._restore}"
            )
        return events

    def append(self, name: str, fields: Mapping[str, object], *, run_id: str, written_at: str) -> Event:
        """The event with these fields at the end of its chain; a lock keeps two writers from forking it.

        Raises ``LedgerError`` where the chain is broken already.
        """
        with only_writer(self.ledger.folder / f"{self.ledger.name}.lock"):
            before = self.read(name)
            previous = before[-1].event_id if before else NO_EVENT
            placed = {"seq": len(before) + 1, "previous_hash": previous, "event_id": NO_EVENT}
            event = _sealed(self.model.model_validate({**fields, self.of: name, **placed}))
            self.ledger.append([event.model_dump(mode="json")], run_id=run_id, written_at=written_at)
            publish_text(self._head_file(name), f"{event.seq} {event.event_id}\n")
        return event

    def _verified(self, name: str, rows: Sequence[Mapping[str, object]]) -> Iterator[Event]:
        previous = NO_EVENT
        for place, row in enumerate(rows, start=1):
            which = f"{self.ledger.name} of {name}: event {place} ({str(row['event_id'])[:12]})"
            if (row["seq"], row["previous_hash"]) != (place, previous):
                raise LedgerError(
                    f"{which}: expected number {place} after event {previous[:12]}, found number "
                    f"{row['seq']} after {str(row['previous_hash'])[:12]}; an event was dropped, added or "
                    f"moved here. {self._restore}"
                )
            if event_hash(row) != row["event_id"]:
                raise LedgerError(
                    f"{which}: expected the content that its hash says, found other content; it was changed "
                    f"after it was written. {self._restore}"
                )
            try:
                event = self.model.model_validate(dict(row))
            except ValidationError as error:
                raise LedgerError(
                    f"{which}: expected an event of this ledger, found {error}. {self._restore}"
                ) from error
            previous = event.event_id
            yield event

    def _stored(self, name: str) -> list[dict[str, object]]:
        found = self.ledger.query(
            f"select * from all_rows join wanted using ({self.of}) order by seq, written_at, row_id",  # noqa: S608 - a column of ours
            wanted=pd.DataFrame({self.of: [name]}, dtype="string"),
        )
        return [{key: _value(row[key]) for key in self.ledger.columns} for row in found.to_dict("records")]

    def _head_file(self, name: str) -> UPath:
        return self.ledger.folder / f"{self.ledger.name}.{plain_id(name, self.of)}.head"

    def _known_head(self, name: str) -> tuple[int, str]:
        path = local_path(self._head_file(name))
        if not path.exists():
            return 0, NO_EVENT
        seq, _, event_id = path.read_text(encoding="utf-8").strip().partition(" ")
        if not seq.isdecimal():
            raise LedgerError(f"{path}: expected a number and a hash, found {seq!r}. {self._restore}")
        return int(seq), event_id

    @property
    def _restore(self) -> str:
        return f"Restore ledgers/{self.ledger.name} from a backup."


def event_hash(fields: Mapping[str, object]) -> str:
    """The id that an event with these fields has; ``event_id`` itself is left out."""
    return content_sha256({name: value for name, value in fields.items() if name != "event_id"})


def _sealed(event: Event) -> Event:
    return event.model_copy(update={"event_id": event_hash(event.model_dump(mode="json"))})


def _value(cell: object) -> object:
    if isinstance(cell, np.generic):
        cell = cell.item()
    return None if cell is pd.NA or (isinstance(cell, float) and math.isnan(cell)) else cell
