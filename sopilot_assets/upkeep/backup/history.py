"""The ledgers of backups and of drills: when there was one, where, and what came out."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pyarrow as pa

from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Ledger

BACKUP_COLUMNS: Final = {
    "backup": pa.string(),
    "destination": pa.string(),
    "created_at": pa.string(),
    "files": pa.int64(),
    "bytes": pa.int64(),
    "new_objects": pa.int64(),
    "new_bytes": pa.int64(),
    "read_again": pa.int64(),
    "problems": pa.int64(),
    "sound": pa.bool_(),
    "seconds": pa.float64(),
}
"""``backup`` is the name of the snapshot, ``destination`` its repository without secrets."""

DRILL_COLUMNS: Final = {
    "drill": pa.string(),
    "backup": pa.string(),
    "destination": pa.string(),
    "drilled_at": pa.string(),
    "files": pa.int64(),
    "rows": pa.int64(),
    "problems": pa.int64(),
    "passed": pa.bool_(),
    "what": pa.string(),
    "seconds": pa.float64(),
}
"""``what`` is the first problem; None where the drill passed."""


def backups_ledger(home: Home) -> Ledger:
    """One row for each backup of this home."""
    return Ledger(home.ledgers, "backups", BACKUP_COLUMNS, "backup")


def drills_ledger(home: Home) -> Ledger:
    """One row for each drill."""
    return Ledger(home.ledgers, "backup_drills", DRILL_COLUMNS, "drill")


def newest_backup_at(home: Home) -> datetime | None:
    """When the newest sound backup was made; None where there is none."""
    frame = backups_ledger(home).query("select max(created_at) as at from all_rows where sound")
    return _time(frame["at"].iloc[0])


def newest_drill_at(home: Home) -> datetime | None:
    """When a drill passed last; None where none did."""
    frame = drills_ledger(home).query("select max(drilled_at) as at from all_rows where passed")
    return _time(frame["at"].iloc[0])


def _time(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
