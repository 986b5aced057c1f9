"""A person at the desk: their accounts, and what the desk's database holds of these."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BUSY_S: Final = 60.0
TRAINEE: Final = "trainee"
_OF_ACCOUNTS: Final = {
    "accounts": "who",
    "sessions": "who",
    "places": "who",
    "turns": "who",
    "tokens": "owner",
}
_NEVER_CHANGED: Final = "log_is_never_changed"


@dataclass(frozen=True, slots=True)
class DeskAccount:
    """An account at the desk: its name and role."""

    who: str
    role: str


def accounts_of(database: Path, person: str) -> list[DeskAccount]:
    """The accounts that say that they are this person, by name."""
    if not database.exists():
        return []
    with closing(sqlite3.connect(database, timeout=BUSY_S)) as connection:
        if "accounts" not in _tables(connection):
            return []
        found = connection.execute("select who, role from accounts where person = ? order by who", (person,))
        return [DeskAccount(str(who), str(role)) for who, role in found]


def forget_accounts(database: Path, accounts: Sequence[DeskAccount], *, person: str) -> None:
    """Remove trainees' accounts with all that belongs to them; other accounts only lose the person's code.

    The log of the desk is only added to, so its rows stay; in those about a removed account a pseudonym takes
    the place of the name, and nothing that of the address.
    """
    if not accounts or not database.exists():
        return
    with closing(sqlite3.connect(database, timeout=BUSY_S, isolation_level=None)) as connection:
        connection.execute("pragma secure_delete = on")
        connection.execute("begin immediate")
        tables = _tables(connection)
        connection.execute("update accounts set person = null where person = ?", (person,))
        trigger = connection.execute(
            "select sql from sqlite_master where type = 'trigger' and name = ?", (_NEVER_CHANGED,)
        ).fetchone()
        if trigger:
            connection.execute(f"drop trigger {_NEVER_CHANGED}")
        for who in (one.who for one in accounts if one.role == TRAINEE):
            _forget(connection, tables, who)
        if trigger:
            connection.execute(trigger[0])
        connection.execute("commit")


def _forget(connection: sqlite3.Connection, tables: set[str], who: str) -> None:
    for table, column in _OF_ACCOUNTS.items():
        if table in tables:
            connection.execute(f"delete from {table} where {column} = ?", (who,))  # noqa: S608 - constants
    if "log" in tables:
        nobody = f"erased-{hashlib.sha256(who.encode()).hexdigest()[:8]}"
        connection.execute(
            "update log set by = case by when ? then ? else by end, about = case about when ? then ? else "
            "about end, address = '' where by = ? or about = ?",
            (who, nobody, who, nobody, who, who),
        )


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {str(row[0]) for row in connection.execute("select name from sqlite_master where type = 'table'")}
