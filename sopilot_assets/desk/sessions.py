"""Sessions: who is signed in, until when. Of a session's token only the SHA-256 is kept, so that who reads
the database cannot take a session over.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from datetime import datetime, timedelta
from typing import Final

from sopilot_assets.desk.accounts import Account
from sopilot_assets.desk.database import reading, transaction
from sopilot_assets.desk.log import Doer, LogEvent, note
from sopilot_assets.desk.roles import Role
from sopilot_assets.store.home import Home

IDLE: Final = timedelta(hours=12)
"""A session ends when nothing was asked for so long."""
LONGEST: Final = timedelta(days=7)
"""A session ends after this time whatever happens."""
_NOTED_EVERY: Final = timedelta(minutes=1)

_SESSION: Final = """
    select sessions.*, accounts.role, accounts.person, (select count(*) from accounts) as accounts
    from sessions left join accounts on accounts.who = sessions.who
    where token_hash = ? and began_at >= ? and seen_at >= ?
"""


def begin_session(home: Home, account: Account, *, by: Doer, instead_of: str = "") -> str | None:
    """Begin a session, which ends the one with the token ``instead_of``; returns its token, which the browser
    keeps, or None where the account has gone or changed since it was looked at.

    Where nobody has an account, it is a session of whoever says who they are.
    """
    token = secrets.token_urlsafe(32)
    now = by.at.isoformat()
    with transaction(home) as database:
        row = database.execute("select role, person from accounts where who = ?", (account.who,)).fetchone()
        as_it_is = (row["role"], row["person"]) if row else None
        if as_it_is != (account.role.value, account.person) and (row or _any(database)):
            return None
        database.execute("delete from sessions where seen_at < ?", ((by.at - IDLE).isoformat(),))
        database.execute("delete from sessions where token_hash = ?", (token_hash(instead_of),))
        database.execute(
            "insert into sessions values (?, ?, ?, ?, ?)",
            (token_hash(token), account.who, int(row is not None), now, now),
        )
        note(database, by, LogEvent.SIGNED_IN, account.who)
    return token


def session_of(home: Home, token: str, *, at: datetime) -> Account | None:
    """Who is signed in with the token, as their account is now; None where nobody is any more."""
    began, seen = (at - LONGEST).isoformat(), (at - IDLE).isoformat()
    with reading(home) as database:
        row = database.execute(_SESSION, (token_hash(token), began, seen)).fetchone()
    if row is None:
        return None
    if row["seen_at"] < (at - _NOTED_EVERY).isoformat():
        with transaction(home) as database:
            database.execute(
                "update sessions set seen_at = ? where token_hash = ?", (at.isoformat(), row["token_hash"])
            )
    if row["has_account"]:
        return Account(row["who"], Role(row["role"]), row["person"]) if row["role"] else None
    return None if row["accounts"] else Account(row["who"], Role.ADMIN)


def end_session(home: Home, token: str, *, by: Doer) -> None:
    """End a session, if it has not ended."""
    with transaction(home) as database:
        ended = database.execute("delete from sessions where token_hash = ?", (token_hash(token),))
        if ended.rowcount:
            note(database, by, LogEvent.SIGNED_OUT, by.who)


def token_hash(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _any(database: sqlite3.Connection) -> bool:
    return database.execute("select 1 from accounts limit 1").fetchone() is not None
