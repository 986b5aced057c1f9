"""Databases of Dagster as an older one left them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

BEFORE: Final = "16e3655b4d9b"
"""The revision before the one that added an index on the ids of runs in the tags of runs."""
INDEX: Final = "idx_run_tags_run_id"


def databases(root: Path) -> list[Path]:
    """The databases of a home that have revisions."""
    found = (root / "dagster").rglob("*.db")
    return sorted(path for path in found if not path.name.startswith("."))


def make_older(root: Path) -> None:
    """Take the index and the revisions since away."""
    for path in databases(root):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(f"drop index if exists {INDEX}")
            database.execute("update alembic_version set version_num = ?", (BEFORE,))
