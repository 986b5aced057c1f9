"""Append-only chains of what was said: one for each task, every event naming the one before it by hash.

A changed, dropped, added or reordered event breaks the chain at its place. The last events could be dropped
without a trace in the chain itself; therefore its head is kept in a file beside the ledger as well. A hash
does not help against somebody who rewrites all of it.

A process verifies an event once: it keeps the events of files that are what they were when it read them, by
inode, size and time.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from upath import UPath

from sopilot_assets.errors import LedgerError, SopilotError
from sopilot_assets.store.canonical import Plain, content_sha256
from sopilot_assets.store.home import plain_id
from sopilot_assets.store.ledgers import Cell, Ledger
from sopilot_assets.store.publish import local_path, only_writer, publish_text
from sopilot_assets.store.small_files import FileState, file_states

NO_EVENT: Final = "0" * 64
"""``previous_hash`` of the first event of a task."""
WHO_PATTERN: Final = r"^[^\s,;\"\x00-\x1f]{1,64}$"


def _utc(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError("expected a time in UTC such as 2026-02-23T09:30:00+00:00")
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")

Who = Annotated[str, StringConstraints(strip_whitespace=True, pattern=WHO_PATTERN)]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.:-]{0,99}$")]
TaskId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Time = Annotated[str, AfterValidator(_utc)]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""Who: an id without spaces, commas or semicolons. Key: a partition key, or the case id of an imported job
such as ``job-12``. Time: ISO 8601 with its offset, kept in UTC.
"""

CHAIN_COLUMNS: Final = {
    "event_id": pa.string(),
    "task_id": pa.string(),
    "seq": pa.int64(),
    "previous_hash": pa.string(),
}
"""The first columns of every chain's ledger: the event, and its place."""
_PLACE: Final = frozenset({"seq", "previous_hash", "event_id"})


class ChainDraft(BaseModel):
    """What is said about a task or a recording of it, and when, before it has its place in the chain."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    later_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that older events lack: where they are null, they are no part of an event's hash."""

    task_id: TaskId
    at: Time

    def says(self) -> dict[str, Plain]:
        """Everything but the time, as plain JSON values: two drafts that say the same are one event."""
        return self.model_dump(mode="json", exclude={"at", *_PLACE})


class ChainEvent(ChainDraft):
    """A draft in its place: ``seq`` counts from 1 in its task, ``previous_hash`` is the ``event_id`` of the
    event before it, and ``event_id`` the SHA-256 of everything else (see `event_hash`).
    """

    seq: Annotated[int, Field(ge=1)]
    previous_hash: Hash
    event_id: Hash

    def as_dict(self) -> dict[str, Plain]:
        """All fields as plain JSON values; ``event_hash`` of it is ``event_id``."""
        return self.model_dump(mode="json")


DraftT = TypeVar("DraftT", bound=ChainDraft)
EventT = TypeVar("EventT", bound=ChainEvent)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: its number of events and the id of the last one."""

    seq: int
    event_id: str


NOTHING_YET: Final = Head(0, NO_EVENT)


def chain_head(events: Sequence[ChainEvent]) -> Head:
    """Where the chain ends; seq 0 and 64 zeros for an empty one."""
    return Head(events[-1].seq, events[-1].event_id) if events else NOTHING_YET


def event_hash(fields: Mapping[str, object]) -> str:
    """The id that an event with these fields has; ``event_id`` itself is left out."""
    return content_sha256({name: value for name, value in fields.items() if name != "event_id"})


def placed(event: type[EventT], draft: ChainDraft, *, seq: int, previous_hash: str) -> EventT:
    """The draft as the event at ``seq``, after the event with the id ``previous_hash``."""
    fields = {**draft.says(), "at": draft.at, "seq": seq, "previous_hash": previous_hash}
    return event.model_validate({**fields, "event_id": event_hash(_told(event, fields))})


def _told(event: type[ChainEvent], fields: Mapping[str, object]) -> dict[str, object]:
    """The fields of an event without those that came later and that it lacks."""
    return {
        name: value for name, value in fields.items() if value is not None or name not in event.later_fields
    }


@dataclass(frozen=True, slots=True)
class _Verified:
    """The events of one chain that a process verified, and the files that the ledger had then."""

    files: Mapping[str, FileState] = field(default_factory=dict)
    events: tuple[Any, ...] = ()


_MOST_CHAINS: Final = 64
_verified: Final[dict[tuple[str, str], _Verified]] = {}
"""By the ledger's folder and the task. Threads may exchange one at once: whatever is there is right."""


@dataclass(frozen=True, slots=True)
class Chain(Generic[DraftT, EventT]):
    """The chains of one ledger, a task each: ``event`` is what its rows are, ``lists`` its columns that hold
    JSON lists, ``voice`` whose earlier word a draft replaces, ``refuse`` the error for what is broken.
    """

    ledger: Ledger
    event: type[EventT]
    lists: tuple[str, ...]
    voice: Callable[[DraftT | EventT], Hashable]
    refuse: type[SopilotError]

    def append(
        self,
        drafts: Iterable[DraftT],
        *,
        run_id: str,
        written_at: str,
        require: Callable[[Sequence[EventT]], None] | None = None,
        again: bool = False,
    ) -> list[EventT]:
        """Append the drafts to the chains of their tasks; returns the new events.

        A draft that says what its voice said last adds nothing, unless it is to say it ``again``. All drafts
        are taken or none. A lock keeps two writers from forking a chain; while it is held, ``require`` gets
        each task's events before anything is added, and may raise. Raises ``refuse`` where a chain is broken
        already.
        """
        wanted = list(drafts)
        if not wanted:
            return []
        with only_writer(self.ledger.folder / f"{self.ledger.name}.lock"):
            added: list[EventT] = []
            heads: dict[str, Head] = {}
            for task_id in sorted({draft.task_id for draft in wanted}):
                before = self.read(task_id)
                if require is not None:
                    require(before)
                its = [draft for draft in wanted if draft.task_id == task_id]
                new = self._placed(before, its, again=again)
                heads[task_id] = chain_head([*before, *new])
                added += new
            rows = [self.row_of(event) for event in added]
            self.ledger.append(rows, run_id=run_id, written_at=written_at)
            for task_id, head in heads.items():
                # also where nothing is new: whoever wrote the last events may have been killed before this
                if head != self._known_head(task_id):
                    publish_text(self._head_file(task_id), f"{head.seq} {head.event_id}\n")
        return added

    def read(self, task_id: str) -> list[EventT]:
        """The events of a task in order, verified.

        Raises ``refuse`` naming the first event that is not what it says, or that is missing.
        """
        known = self._known_head(task_id)  # before the events, to which somebody may be adding
        events = self._events(task_id)
        if known.seq > len(events) or (known.seq and events[known.seq - 1].event_id != known.event_id):
            raise self.refuse(
                f"{self._called(task_id)}: expected event {known.seq} to be {known.event_id[:12]} as "
                f"{self._head_file(task_id)} says, found {len(events)} events; events were dropped or "
                f"replaced. {self._restore}"
            )
        return events

    def _events(self, task_id: str) -> list[EventT]:
        """The events as they are stored; only those that came since this process read them are verified."""
        place = (str(self.ledger.folder / self.ledger.name), task_id)
        try:
            files = file_states(self.ledger.files())
        except FileNotFoundError:  # merged meanwhile
            return self.verified(self._stored(task_id), name=self._called(task_id))
        kept = _verified.pop(place, _Verified())  # where this fails, all are verified again
        events: list[EventT] = list(kept.events)
        if kept.files != files:
            if not (kept.files.items() <= files.items() and self._has_until(task_id, len(events))):
                events = []
            rows = self._stored(task_id, after=len(events))
            events += self.verified(rows, name=self._called(task_id), after=chain_head(events))
        _verified[place] = _Verified(files, tuple(events))
        for oldest in list(_verified)[:-_MOST_CHAINS]:
            _verified.pop(oldest, None)
        return events

    def verified(
        self,
        rows: Sequence[Mapping[str, object]],
        *,
        name: str,
        after: Head = NOTHING_YET,
    ) -> list[EventT]:
        """These rows (the fields of one chain's events, in order, those that follow ``after``) as events.

        Raises ``refuse`` that names the first event that was changed, dropped, added or moved.
        """
        events: list[EventT] = []
        previous = after.event_id
        for place_in_chain, row in enumerate(rows, start=after.seq + 1):
            which = f"{name}: event {place_in_chain} ({str(row.get('event_id'))[:12]})"
            if row.get("seq") != place_in_chain:
                raise self.refuse(
                    f"{which}: expected number {place_in_chain}, found {row.get('seq')}; "
                    f"events were dropped, added or reordered here. {self._restore}"
                )
            if row.get("previous_hash") != previous:
                raise self.refuse(
                    f"{which}: expected to follow event {previous[:12]}, found that it follows "
                    f"{str(row.get('previous_hash'))[:12]}; an event was dropped, added or replaced here. "
                    f"{self._restore}"
                )
            if event_hash(_told(self.event, row)) != row.get("event_id"):
                raise self.refuse(
                    f"{which}: expected the content that its hash says, found other content; "
                    f"it was changed after it was written. {self._restore}"
                )
            try:
                events.append(self.event.model_validate(dict(row)))
            except ValidationError as error:
                what = f"expected an event of {self.ledger.name}, found {error}"
                raise self.refuse(f"{which}: {what}. {self._restore}") from error
            previous = events[-1].event_id
        return events

    def tasks(self) -> list[str]:
        """The tasks that have events."""
        return sorted(self.ledger.query("select distinct task_id from all_rows")["task_id"])

    def row_of(self, event: EventT) -> dict[str, Cell]:
        """The event as it is stored: plain cells, lists as JSON."""
        fields = event.model_dump(mode="json")
        lists = {name: json.dumps(fields[name], ensure_ascii=False) for name in self.lists}
        return {**fields, **lists}

    def _placed(self, before: Sequence[EventT], drafts: Sequence[DraftT], *, again: bool) -> list[EventT]:
        """The drafts that say something new, or all of them ``again``, as events after ``before``."""
        asked = {self.voice(draft) for draft in drafts}
        last = {voice: event for event in before if (voice := self.voice(event)) in asked}
        newest = {voice: event.says() for voice, event in last.items()}
        head, added = chain_head(before), list[EventT]()
        for draft in drafts:
            if newest.get(self.voice(draft)) == draft.says() and not again:
                continue
            newest[self.voice(draft)] = draft.says()
            added.append(placed(self.event, draft, seq=head.seq + 1, previous_hash=head.event_id))
            head = chain_head(added)
        return added

    def _stored(self, task_id: str, *, after: int = 0) -> list[dict[str, object]]:
        """The stored fields of a task's events after this number, by number, as they lie there."""
        try:
            found = self.ledger.query(
                "select all_rows.* from all_rows join wanted using (task_id) "
                "where not coalesce(seq <= after, false) order by seq, written_at, row_id",
                wanted=_wanted(task_id, after),
            )
            names = self.ledger.columns
            return [
                {name: self._value(name, row[name]) for name in names} for row in found.to_dict("records")
            ]
        except (duckdb.Error, LedgerError, json.JSONDecodeError) as error:
            raise self.refuse(
                f"{self._called(task_id)}: cannot be read ({error}). {self._restore}"
            ) from error

    def _has_until(self, task_id: str, number: int) -> bool:
        """Whether no more and no fewer events than these are stored up to this number."""
        try:
            found = self.ledger.query(
                "select count(*) as events from all_rows join wanted using (task_id) where seq <= after",
                wanted=_wanted(task_id, number),
            )
        except (duckdb.Error, LedgerError):
            return False  # reading all of them says why
        return int(found["events"].iloc[0]) == number

    def _value(self, name: str, cell: object) -> object:
        if name in self.lists:
            return json.loads(str(cell))
        if isinstance(cell, np.generic):
            cell = cell.item()
        return None if isinstance(cell, float) and math.isnan(cell) else cell

    def _called(self, task_id: str) -> str:
        return f"{self.ledger.name} of {task_id}"

    @property
    def _restore(self) -> str:
        return f"Restore ledgers/{self.ledger.name} from a backup."

    def _head_file(self, task_id: str) -> UPath:
        return self.ledger.folder / f"{self.ledger.name}.{plain_id(task_id, 'task')}.head"

    def _known_head(self, task_id: str) -> Head:
        path = local_path(self._head_file(task_id))
        if not path.exists():
            return Head(0, NO_EVENT)
        seq, _, event_id = path.read_text(encoding="utf-8").strip().partition(" ")
        if not seq.isdecimal():
            raise self.refuse(f"{path}: expected a number and a hash, found {seq!r}. {self._restore}")
        return Head(int(seq), event_id)


def _wanted(task_id: str, after: int) -> pd.DataFrame:
    return pd.DataFrame({"task_id": pd.Series([task_id], dtype="string"), "after": [after]})
