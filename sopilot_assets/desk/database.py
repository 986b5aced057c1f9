"""The desk's own database: accounts and sessions, in one SQLite file that any number of server processes
share.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path

_BUSY_S: Final = 20.0
_VERSION: Final = 1
_SCHEMA: Final = """
create table if not exists accounts (
    who text primary key, role text not null, person text, language text, password_hash text not null,
    created_at text not null
) strict;
create table if not exists sessions (
    token_hash text primary key, who text not null, role text not null, person text, began_at text not null,
    seen_at text not null
) strict;
create index if not exists sessions_of on sessions (who);
pragma user_version = 1;
"""


def desk_database(home: Home) -> Path:
    """Where the desk's database of a home lies."""
    return local_path(home.root) / "desk" / "desk.sqlite"


@contextmanager
def reading(home: Home) -> Iterator[sqlite3.Connection]:
    """The database, made where it is not there yet, to read what it says now."""
    path = desk_database(home)
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    with closing(sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        if connection.execute("pragma user_version").fetchone()[0] < _VERSION:
            connection.execute("pragma journal_mode = wal")
            connection.executescript(_SCHEMA)
        yield connection


@contextmanager
def transaction(home: Home) -> Iterator[sqlite3.Connection]:
    """The database to write to: what the block writes is kept when it ends without an error, and not at all
    else.
    """
    with reading(home) as connection:
        connection.execute("begin immediate")
        try:
            yield connection
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")
