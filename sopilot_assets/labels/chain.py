"""The append-only chain of label events: one for each task, every event naming the one before it by hash.

A changed, dropped, added or reordered event breaks the chain at its place. The last events could be dropped
without a trace in the chain itself; therefore its head is kept in a file beside the ledger as well, and a
dossier states it. A hash does not help against somebody who rewrites all of it: the signature of a dossier
does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import ValidationError
from upath import UPath

from sopilot_assets.errors import LabelError, LedgerError
from sopilot_assets.labels.events import NO_EVENT, Draft, LabelEvent, event_hash, place
from sopilot_assets.store.canonical import Plain
from sopilot_assets.store.home import Home, plain_id
from sopilot_assets.store.ledgers import Cell, Ledger
from sopilot_assets.store.publish import local_path, only_writer, publish_text

COLUMNS: Final = {
    "event_id": pa.string(),
    "task_id": pa.string(),
    "seq": pa.int64(),
    "previous_hash": pa.string(),
    "key": pa.string(),
    "who": pa.string(),
    "at": pa.string(),
    "source": pa.string(),
    "critical_expected": pa.bool_(),
    "verdict": pa.string(),
    "deviations": pa.string(),
    "seen": pa.string(),
    "note": pa.string(),
    "adjudicates": pa.bool_(),
}
"""``deviations`` and ``seen`` are JSON lists."""

_LISTS: Final = ("deviations", "seen")


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: its number of events and the id of the last one."""

    seq: int
    event_id: str


def labels_ledger(home: Home) -> Ledger:
    """The ledger of label events of all tasks."""
    return Ledger(home.ledgers, "labels", COLUMNS, "event_id")


def append_events(home: Home, drafts: Iterable[Draft], *, run_id: str, written_at: str) -> list[LabelEvent]:
    """Append the drafts to the chains of their tasks; returns the new events.

    A draft that says what its person said last of that recording (from the same source, settling
    or not) adds nothing. All
    drafts are taken or none. A lock keeps two writers from forking a chain. Raises ``LabelError`` where a
    chain is broken already.
    """
    wanted = list(drafts)
    if not wanted:
        return []
    with only_writer(home.ledgers / "labels.lock"):
        added: list[LabelEvent] = []
        heads: dict[str, Head] = {}
        for task_id in sorted({draft.task_id for draft in wanted}):
            before = read_chain(home, task_id)
            new = _placed(before, [draft for draft in wanted if draft.task_id == task_id])
            heads[task_id] = chain_head([*before, *new])
            added += new
        labels_ledger(home).append([row_of(event) for event in added], run_id=run_id, written_at=written_at)
        for task_id, head in heads.items():
            # also where nothing is new: whoever wrote the last events may have been killed before this
            if head != _known_head(home, task_id):
                publish_text(_head_file(home, task_id), f"{head.seq} {head.event_id}\n")
    return added


def read_chain(home: Home, task_id: str) -> list[LabelEvent]:
    """The events of a task in order, verified.

    Raises ``LabelError`` naming the first event that is not what it says, or that is missing.
    """
    known = _known_head(home, task_id)  # before the events, to which somebody may be adding
    events = verified(_stored(home, task_id), name=f"labels of {task_id}")
    if known.seq > len(events) or (known.seq and events[known.seq - 1].event_id != known.event_id):
        raise LabelError(
            f"labels of {task_id}: expected event {known.seq} to be {known.event_id[:12]} as "
            f"{_head_file(home, task_id)} says, found {len(events)} events; events were dropped or replaced. "
            "Restore ledgers/labels from a backup."
        )
    return events


def chain_head(events: Sequence[LabelEvent]) -> Head:
    """Where the chain ends; seq 0 and 64 zeros for an empty one."""
    return Head(events[-1].seq, events[-1].event_id) if events else Head(0, NO_EVENT)


def verified(rows: Sequence[Mapping[str, object]], *, name: str) -> list[LabelEvent]:
    """These rows (the fields of one chain's events, in order) as events.

    Raises ``LabelError`` that names the first event that was changed, dropped, added or moved.
    """
    events: list[LabelEvent] = []
    previous = NO_EVENT
    for place_in_chain, row in enumerate(rows, start=1):
        which = f"{name}: event {place_in_chain} ({str(row.get('event_id'))[:12]})"
        if row.get("seq") != place_in_chain:
            raise LabelError(
                f"{which}: expected number {place_in_chain}, found {row.get('seq')}; "
                f"events were dropped, added or reordered here. {_RESTORE}"
            )
        if row.get("previous_hash") != previous:
            raise LabelError(
                f"{which}: expected to follow event {previous[:12]}, found that it follows "
                f"{str(row.get('previous_hash'))[:12]}; an event was dropped, added or replaced here. "
                f"{_RESTORE}"
            )
        if event_hash(row) != row.get("event_id"):
            raise LabelError(
                f"{which}: expected the content that its hash says, found other content; "
                f"it was changed after it was written. {_RESTORE}"
            )
        try:
            events.append(LabelEvent.model_validate(dict(row)))
        except ValidationError as error:
            raise LabelError(f"{which}: expected a label event, found {error}. {_RESTORE}") from error
        previous = events[-1].event_id
    return events


_RESTORE: Final = "Restore ledgers/labels from a backup."


def tasks_with_labels(home: Home) -> list[str]:
    """The tasks that have label events."""
    return sorted(labels_ledger(home).query("select distinct task_id from all_rows")["task_id"])


def _placed(before: Sequence[LabelEvent], drafts: Sequence[Draft]) -> list[LabelEvent]:
    """The drafts that say something new, as events after ``before``."""
    newest: dict[tuple[str, str, str, bool], dict[str, Plain]] = {}
    for event in before:
        newest[_voice(event)] = event.says()
    head, added = chain_head(before), list[LabelEvent]()
    for draft in drafts:
        if newest.get(_voice(draft)) == draft.says():
            continue
        newest[_voice(draft)] = draft.says()
        event = place(draft, seq=head.seq + 1, previous_hash=head.event_id)
        added.append(event)
        head = chain_head(added)
    return added


def _voice(draft: Draft) -> tuple[str, str, str, bool]:
    """Whose earlier word it replaces; who settles a disagreement may be one of those who disagree."""
    return draft.who, draft.key, draft.source.value, draft.adjudicates


def row_of(event: LabelEvent) -> dict[str, Cell]:
    """The event as it is stored: plain cells, lists as JSON."""
    fields = event.model_dump(mode="json")
    lists = {name: json.dumps(fields[name], ensure_ascii=False) for name in _LISTS}
    return {**fields, **lists}


def _stored(home: Home, task_id: str) -> list[dict[str, object]]:
    """The stored fields of a task's events by number, as they lie there."""
    ledger = labels_ledger(home)
    try:
        found = ledger.query(
            "select * from all_rows join wanted using (task_id) order by seq, written_at, row_id",
            wanted=pd.DataFrame({"task_id": [task_id]}, dtype="string"),
        )
        return [{name: _value(name, row[name]) for name in COLUMNS} for row in found.to_dict("records")]
    except (duckdb.Error, LedgerError, json.JSONDecodeError) as error:
        raise LabelError(f"labels of {task_id}: cannot be read ({error}). {_RESTORE}") from error


def _value(name: str, cell: object) -> object:
    if name in _LISTS:
        return json.loads(str(cell))
    if isinstance(cell, np.generic):
        cell = cell.item()
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _head_file(home: Home, task_id: str) -> UPath:
    return home.ledgers / f"labels.{plain_id(task_id, 'task')}.head"


def _known_head(home: Home, task_id: str) -> Head:
    path = local_path(_head_file(home, task_id))
    if not path.exists():
        return Head(0, NO_EVENT)
    seq, _, event_id = path.read_text(encoding="utf-8").strip().partition(" ")
    if not seq.isdecimal():
        raise LabelError(f"{path}: expected a number and a hash, found {seq!r}. {_RESTORE}")
    return Head(int(seq), event_id)
