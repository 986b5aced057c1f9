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


def newest_backup_at(home: Home, *, until: datetime | None = None) -> datetime | None:
    """When the newest sound backup was made; None where there is none. One from after ``until`` does not
    count: it is of a clock that went wrong.
    """
    return _newest(backups_ledger(home), "created_at", "sound", until)


def newest_drill_at(home: Home, *, until: datetime | None = None) -> datetime | None:
    """When a drill passed last; None where none did. ``until`` as of `newest_backup_at`."""
    return _newest(drills_ledger(home), "drilled_at", "passed", until)


def _newest(ledger: Ledger, at: str, good: str, until: datetime | None) -> datetime | None:
    frame = ledger.query(f"select {at} as at from all_rows where {good}")  # noqa: S608 - columns of ours
    times = map(datetime.fromisoformat, frame["at"].dropna())
    return max((time for time in times if until is None or time <= until), default=None)
