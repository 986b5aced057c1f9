"""The references ledger: one row for each reference that a task ever had."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Ledger

COLUMNS: Final = {
    "task_id": pa.string(),
    "reference_id": pa.string(),
    "model_id": pa.string(),
    "golds": pa.int64(),
    "persons": pa.int64(),
    "confirmed": pa.bool_(),
    "held_out": pa.string(),
}


def references_ledger(home: Home) -> Ledger:
    """The ledger of references; the newest row of a task names its current one."""
    return Ledger(home.ledgers, "references", COLUMNS, "task_id")


def current_reference_ids(home: Home) -> dict[str, str]:
    """The id of each task's current reference, by task; tasks without one are left out."""
    rows = references_ledger(home).query("select task_id, reference_id from latest order by task_id")
    return {str(row.task_id): str(row.reference_id) for row in rows.itertuples()}
