"""The desk's own database: accounts, sessions, tokens, turns, what was tried at the door and the log of all
that, in one SQLite file that any number of server processes share.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from sopilot_assets.errors import StoreError
from sopilot_assets.store.home import Home
from sopilot_assets.store.home_format import refuse_unwritable
from sopilot_assets.store.publish import local_path

_BUSY_S: Final = 20.0
_ACCOUNTS: Final = (
    "drop table if exists sessions",  # of version 1; whoever was signed in signs in again
    """create table if not exists accounts (
        who text primary key, role text not null, person text, password_hash text not null,
        created_at text not null
    ) strict""",
    """create table sessions (
        token_hash text primary key, who text not null, has_account integer not null, began_at text not null,
        seen_at text not null
    ) strict""",
    "create index sessions_of on sessions (who)",
    "create table attempts (subject text primary key, until_s real not null) strict",
    """create table places (
        who text not null, address text not null, at text not null, primary key (who, address)
    ) strict""",
    """create table log (
        number integer primary key autoincrement, at text not null, event text not null, by text not null,
        about text not null, address text not null, detail text not null
    ) strict""",
    "create index log_at on log (at)",
    """create trigger log_is_never_changed before update on log
        begin select raise(abort, 'the log is only added to'); end""",
    """create trigger log_is_never_shortened before delete on log
        begin select raise(abort, 'the log is only added to'); end""",
)
_TOKENS: Final = (
    """create table tokens (
        token_hash text primary key, name text not null unique, scopes text not null, owner text,
        made_at text not null, expires_at text not null, used_at text
    ) strict""",
)
_TURNS: Final = (
    """create table if not exists turns (
        who text primary key, key text not null, until text not null
    ) strict""",
)
_SCHEMAS: Final = {2: _ACCOUNTS, 3: _TOKENS, 4: _TURNS}
"""What leads to each version from the one before it."""
_VERSION: Final = max(_SCHEMAS)


def desk_database(home: Home) -> Path:
    """Where the desk's database of a home lies."""
    return local_path(home.desk_database)


@contextmanager
def reading(home: Home) -> Iterator[sqlite3.Connection]:
    """The database, made where it is not there yet, to read what it says now.

    Raises ``StoreError`` where it cannot be opened or is damaged.
    """
    path = desk_database(home)
    try:
        if not path.exists():
            refuse_unwritable(local_path(home.root))
            _make_private(path)
        with closing(sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            if _version(connection) < _VERSION:
                refuse_unwritable(local_path(home.root))
                _set_up(connection)
            yield connection
    except (OSError, sqlite3.DatabaseError) as error:
        if isinstance(error, sqlite3.IntegrityError):
            raise
        raise StoreError(
            f"{path}: expected the desk's database, found that it cannot be used ({error}). "
            "`sopilot home doctor` looks at it; `sopilot backup restore` brings an older one back."
        ) from error


@contextmanager
def transaction(home: Home) -> Iterator[sqlite3.Connection]:
    """The database to write to: what the block writes is kept when it ends without an error, and not at all
    else.
    """
    refuse_unwritable(local_path(home.root))
    with reading(home) as connection:
        connection.execute("begin immediate")
        try:
            yield connection
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")


def _make_private(path: Path) -> None:
    """An empty file that only its owner can read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _set_up(connection: sqlite3.Connection) -> None:
    """Make the tables; one process does, others wait for it."""
    connection.execute("pragma journal_mode = wal")
    connection.execute("begin immediate")
    before = _version(connection)
    for version, statements in _SCHEMAS.items():
        for statement in statements if before < version else ():
            connection.execute(statement)
    connection.execute(f"pragma user_version = {max(before, _VERSION)}")
    connection.execute("commit")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("pragma user_version").fetchone()[0])
