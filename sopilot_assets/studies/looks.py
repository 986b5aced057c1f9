"""A ledger of every look at held-out cases.

A threshold chosen after looking at test fits test. So each evaluation of test or challenge leaves a row that
says who looked, when, and at what; a gate can ask that there was one look only. Looking again at the very
same inputs tells nothing new and does not count twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pandas as pd
import pyarrow as pa

from sopilot_assets.errors import StudyError
from sopilot_assets.store.canonical import content_id, content_sha256
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Ledger

HELD_OUT: Final = ("test", "challenge")

COLUMNS: Final = {
    "look_id": pa.string(),
    "study_id": pa.string(),
    "split": pa.string(),
    "station": pa.string(),
    "inputs_sha256": pa.string(),
    "looked_at": pa.string(),
    "by": pa.string(),
}


def looks_ledger(home: Home) -> Ledger:
    """The ledger of looks; its rows are never changed."""
    return Ledger(home.ledgers, "looks", COLUMNS, "look_id")


def look_inputs(*, cases_sha256: str, manifest_id: str, policy_id: str) -> str:
    """The SHA-256 of what a look looks at: the table of cases, the split and the policy."""
    return content_sha256({"cases": cases_sha256, "manifest": manifest_id, "policy": policy_id})


def record_look(
    home: Home,
    *,
    study_id: str,
    split: str,
    station: str,
    inputs_sha256: str,
    looked_at: datetime,
    by: str,
    run_id: str,
) -> str:
    """Enter a look at a held-out split; returns its id.

    ``station`` is what looked (an asset or a command), ``by`` the person or account. The same look entered
    again, by a retried run, adds nothing. Raises `StudyError` for a split that is not held out, or a time
    without a zone.
    """
    if split not in HELD_OUT:
        raise StudyError(
            f"look at study {study_id}: expected one of the splits {', '.join(HELD_OUT)}; found {split!r}."
        )
    if looked_at.tzinfo is None:
        raise StudyError(
            f"look at study {study_id}: expected a time with a zone, found {looked_at.isoformat()}."
        )
    stamp = looked_at.isoformat(timespec="milliseconds")  # stations look within a second
    row: dict[str, Cell] = {
        "study_id": study_id,
        "split": split,
        "station": station,
        "inputs_sha256": inputs_sha256,
        "looked_at": stamp,
        "by": by,
    }
    look_id = content_id(row, digits=16)
    looks_ledger(home).append([{"look_id": look_id, **row}], run_id=run_id, written_at=stamp)
    return look_id


def looks(home: Home, study_id: str) -> pd.DataFrame:
    """All looks at a study's held-out splits, oldest first; columns as `COLUMNS`."""
    rows = looks_ledger(home).all_rows()
    mine = rows.loc[rows["study_id"] == study_id, list(COLUMNS)]
    return mine.sort_values(["looked_at", "split", "look_id"], ignore_index=True)


def distinct_looks(looks: pd.DataFrame, split: str = "test") -> int:
    """How many different inputs a split was looked at with."""
    return int(looks.loc[looks["split"] == split, "inputs_sha256"].nunique())
