"""The log of the desk: who signed in, who could not, and what became of accounts and tokens. It is only added
to, which the database itself holds.

What people say of recordings is not in it: that is in the chains of the home.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sopilot_assets.desk.database import reading
from sopilot_assets.store.home import Home
from sopilot_assets.texts.languages import Text

SHELL: Final = "command line"
"""The address of whoever uses ``sopilot desk user``."""
WAITS: Final = "waits"
"""The detail of a wrong password after which the next one has to wait."""


class LogEvent(StrEnum):
    """What is noted."""

    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - no password
    ADDED = "added"
    ROLE_CHANGED = "role_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - no password
    REMOVED = "removed"
    TOKEN_ADDED = "token_added"  # noqa: S105 - no token
    TOKEN_REMOVED = "token_removed"  # noqa: S105 - no token
    WRONG_TOKEN = "wrong_token"  # noqa: S105 - no token


EVENT_NAMES: Final = {
    LogEvent.SIGNED_IN: Text("signed in", "サインイン"),
    LogEvent.SIGNED_OUT: Text("signed out", "サインアウト"),
    LogEvent.WRONG_PASSWORD: Text("wrong name or password", "名前かパスワードの誤り"),
    LogEvent.ADDED: Text("account made", "アカウント作成"),
    LogEvent.ROLE_CHANGED: Text("role changed", "役割変更"),
    LogEvent.PASSWORD_CHANGED: Text("password changed", "パスワード変更"),
    LogEvent.REMOVED: Text("account removed", "アカウント削除"),
    LogEvent.TOKEN_ADDED: Text("token made", "トークン発行"),
    LogEvent.TOKEN_REMOVED: Text("token removed", "トークン削除"),
    LogEvent.WRONG_TOKEN: Text("wrong or expired token", "無効または期限切れのトークン"),
}


@dataclass(frozen=True, slots=True)
class Doer:
    """Who does something to an account, from which address, and when."""

    who: str
    address: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log: ``by`` did it, ``about`` is the account; both are empty where nobody of that name
    has one, since people type passwords into the wrong field.
    """

    at: str
    event: LogEvent
    by: str
    about: str
    address: str
    detail: str


def note(database: sqlite3.Connection, doer: Doer, event: LogEvent, about: str, detail: str = "") -> None:
    """Add a line, in the transaction of what it tells."""
    row = (doer.at.isoformat(), event.value, doer.who, about, doer.address, detail)
    database.execute("insert into log (at, event, by, about, address, detail) values (?, ?, ?, ?, ?, ?)", row)


def last_entries(home: Home, *, limit: int = 100) -> Sequence[LogEntry]:
    """The newest lines, the newest first."""
    with reading(home) as database:
        rows = database.execute("select * from log order by number desc limit ?", (limit,)).fetchall()
    return [
        LogEntry(row["at"], LogEvent(row["event"]), row["by"], row["about"], row["address"], row["detail"])
        for row in rows
    ]
