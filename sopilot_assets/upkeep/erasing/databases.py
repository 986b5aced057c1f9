"""Dagster's databases without what shows or names erased recordings.

Events of a partition carry the picture of its score, the file's name and tables as metadata. These entries
are taken out of the events; the events themselves stay, since they say what was made when. Freed pages are
overwritten and the files written anew, so that nothing is left in them.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sopilot_assets.errors import ErasureError
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.erasing.postgres import clean_postgres
from sopilot_assets.upkeep.erasing.texts import NamesInText
from sopilot_assets.upkeep.setting_up import dagster_home, has_records_elsewhere

BUSY_S: Final = 60.0
_AT_ONCE: Final = 500
PICTURE: Final = "picture"
NUMBERS: Final = frozenset(
    {
        *("score", "score_low", "score_high", "decision", "cause", "decided_by", "reason", "reason_ja"),
        *("critical_probability", "critical_deviations", "quality_deviations", "efficiency_deviations"),
        *("fit", "order_evidence", "log_odds", "noise_floor", "suspected", "unverifiable", "problem"),
        *("model_id", "reference_id", "duration_s", "clips", "seconds"),
    }
)
"""The labels of metadata that stay with the events of an erased recording."""
_PARTITION: Final = re.compile(r'"partition":\s*"([^"]*)"')


@dataclass(frozen=True, slots=True)
class ShownInEvents:
    """What is taken out of events: all metadata but `NUMBERS` of the partitions ``keys``, pictures of the
    partitions ``pages``, and ``names`` everywhere.
    """

    keys: frozenset[str]
    pages: frozenset[str]
    names: NamesInText

    def cleaned(self, text: str) -> str:
        """A cell of a database without it; the same text where nothing of it is there."""
        told = text
        if text.startswith("{") and not (self.keys | self.pages).isdisjoint(_PARTITION.findall(text)):
            content = json.loads(text)
            if self._strip(content):
                told = json.dumps(content)
        return self.names.removed(told)

    def _strip(self, value: Any) -> bool:
        """Take entries out of every event below ``value``; whether there were any."""
        changed = False
        if isinstance(value, dict):
            entries, partition = value.get("metadata_entries"), value.get("partition")
            if isinstance(entries, list) and partition in (self.keys | self.pages):
                kept = [one for one in entries if self._stays(one, partition)]
                changed = len(kept) != len(entries)
                value["metadata_entries"] = kept
            value = list(value.values())
        if isinstance(value, list):
            changed = sum(map(self._strip, value)) > 0 or changed
        return changed

    def _stays(self, entry: Any, partition: str) -> bool:
        label = entry.get("label") if isinstance(entry, dict) else None
        return label in NUMBERS if partition in self.keys else label != PICTURE


def clean_dagster(home: Home, cleaned: Callable[[str], str]) -> int:
    """Write every text cell of a home's Dagster as ``cleaned`` gives it, in the home's own databases and in
    PostgreSQL where it keeps its records there; returns how many cells changed. Raises `ErasureError` where
    a database cannot be reached, or somebody holds it for too long.
    """
    paths = sorted(path for path in dagster_home(home).rglob("*.db") if path.is_file())
    changed = sum(clean_database(path, cleaned) for path in paths)
    return changed + clean_postgres(cleaned) if has_records_elsewhere(home) else changed


def clean_database(path: Path, cleaned: Callable[[str], str]) -> int:
    """Write every text cell of a database as ``cleaned`` gives it, and the file anew; returns how many cells
    changed. Raises `ErasureError` where somebody holds the database for too long.
    """
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
            connection.execute("pragma secure_delete = on")
            connection.execute("begin immediate")
            changed = sum(_clean_table(connection, *one, cleaned) for one in _texts(connection))
            connection.execute("commit")
            if changed or connection.execute("pragma freelist_count").fetchone()[0]:
                connection.execute("vacuum")
            if connection.execute("pragma wal_checkpoint(truncate)").fetchone()[0]:
                raise ErasureError(f"{path}: somebody reads it, so its log cannot be emptied. {_AGAIN}")
            return changed
    except sqlite3.Error as error:
        raise ErasureError(f"{path}: cannot be changed ({error}). {_AGAIN}") from error


_AGAIN: Final = "Call the same command again; what was removed stays removed."


def _texts(connection: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    """The tables with rows that are numbered, and their columns of text."""
    tables = connection.execute(
        "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
    )
    for (table,) in tables.fetchall():
        columns = [
            str(row[1])
            for row in connection.execute(f'pragma table_info("{table}")')
            if "TEXT" in str(row[2]).upper() or "CHAR" in str(row[2]).upper()
        ]
        if columns:
            yield str(table), columns


def _clean_table(
    connection: sqlite3.Connection, table: str, columns: Collection[str], cleaned: Callable[[str], str]
) -> int:
    changed = 0
    for rowid, *cells in _rows(connection, table, columns):
        told = {
            name: new
            for name, cell in zip(columns, cells, strict=True)
            if isinstance(cell, str) and (new := cleaned(cell)) != cell
        }
        for name, new in told.items():
            connection.execute(f'update "{table}" set "{name}" = ? where rowid = ?', (new, rowid))  # noqa: S608 - names of the database
        changed += len(told)
    return changed


def _rows(connection: sqlite3.Connection, table: str, columns: Collection[str]) -> Iterator[tuple[Any, ...]]:
    """The number and the cells of every row, some at a time: they may be changed meanwhile."""
    named, after = ", ".join(f'"{one}"' for one in columns), -1
    sql = f'select rowid, {named} from "{table}" where rowid > ? order by rowid limit {_AT_ONCE}'  # noqa: S608 - names of the database
    while rows := connection.execute(sql, (after,)).fetchall():
        yield from rows
        after = rows[-1][0]
