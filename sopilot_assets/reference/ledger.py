"""The references ledger: one row for each reference that a task ever had, and for each that could not be
made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Ledger, plain_rows
from sopilot_assets.texts.languages import Text

COLUMNS: Final = {
    "task_id": pa.string(),
    "reference_id": pa.string(),
    "model_id": pa.string(),
    "golds": pa.int64(),
    "persons": pa.int64(),
    "confirmed": pa.bool_(),
    "held_out": pa.string(),
    "promoted": pa.string(),
    "inputs": pa.string(),
    "problem": pa.string(),
    "problem_ja": pa.string(),
}
"""``promoted`` are the keys of the golds that were promoted, comma-separated, null where there are none.
``inputs`` is a hash of what it was made of (see `gold_inputs`), null in rows from before it was kept.
``problem`` says why no reference could be made of these inputs; the other columns are then those of the one
before, which counts on, or null.
"""


@dataclass(frozen=True, slots=True)
class ReferenceState:
    """What became of a task's golds last: the id of the reference that counts (None without one), of which
    inputs it was made (None where that is not known), and why these gave no new one.
    """

    task_id: str
    reference_id: str | None
    inputs: str | None
    problem: Text | None


def references_ledger(home: Home) -> Ledger:
    """The ledger of references; the newest row of a task names its current one."""
    return Ledger(home.ledgers, "references", COLUMNS, "task_id")


def reference_states(home: Home) -> dict[str, ReferenceState]:
    """The state of each task's reference, by task; tasks whose golds were never looked at are left out."""
    rows = references_ledger(home).query(
        "select task_id, reference_id, inputs, problem, problem_ja from latest order by task_id"
    )
    return {str(row["task_id"]): _state(row) for row in plain_rows(rows)}


def reference_rows(home: Home) -> dict[str, dict[str, Cell]]:
    """The newest row of each task, by task."""
    rows = references_ledger(home).query(f"select {', '.join(COLUMNS)} from latest order by task_id")  # noqa: S608 - constants
    counts = ("golds", "persons")  # beside an unknown one they come back as 4.0
    return {
        str(row["task_id"]): row
        | {name: None if row[name] is None else int(row[name] or 0) for name in counts}
        for row in plain_rows(rows)
    }


def _state(row: dict[str, Cell]) -> ReferenceState:
    reference_id, inputs, problem = (_text(row[name]) for name in ("reference_id", "inputs", "problem"))
    told = None if problem is None else Text(problem, _text(row["problem_ja"]) or problem)
    return ReferenceState(str(row["task_id"]), reference_id, inputs, told)


def _text(value: Cell) -> str | None:
    return None if value is None else str(value)


def current_reference_ids(home: Home) -> dict[str, str]:
    """The id of each task's current reference, by task; tasks without one are left out."""
    found = reference_states(home).values()
    return {one.task_id: one.reference_id for one in found if one.reference_id is not None}
