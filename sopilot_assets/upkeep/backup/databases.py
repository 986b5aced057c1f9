"""Copies of SQLite databases that are in use, made through SQLite, and whether a database is sound."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from sopilot_assets.errors import BackupError

BUSY_S: Final = 60.0
"""Seconds to wait for a writer that holds the database."""

_MAGIC: Final = b"SQLite format 3\0"


def is_database(path: Path) -> bool:
    """Whether the file begins like a SQLite database."""
    with path.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def has_pending_writes(path: Path) -> bool:
    """Whether the database has a log beside it, whose content is not in its own file yet."""
    return any(path.with_name(path.name + part).exists() for part in ("-wal", "-journal"))


def copy_database(source: Path, target: Path) -> None:
    """Write a copy of the database at one moment as ``target``, which holds all in one file.

    Raises `BackupError` where the database cannot be read or its copy is not sound.
    """
    try:
        with (
            contextlib.closing(sqlite3.connect(source, timeout=BUSY_S)) as live,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            # in one step: with several, every write in between would begin the copy anew
            live.backup(copy)
    except sqlite3.Error as error:
        raise BackupError(f"{source}: the database could not be copied ({error}). {_ADVICE}") from error
    if problem := database_problem(target):
        raise BackupError(f"{source}: the copy of the database is not sound ({problem}). {_ADVICE}")


def database_problem(path: Path) -> str | None:
    """What SQLite finds wrong in a database; None where it is sound."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_S)) as connection:
            found = [str(row[0]) for row in connection.execute("pragma quick_check")]
    except sqlite3.Error as error:
        return str(error)
    return None if found == ["ok"] else "; ".join(found[:3])


_ADVICE: Final = "Look at it with `sqlite3 FILE 'pragma integrity_check'`; restore it from an older backup."
