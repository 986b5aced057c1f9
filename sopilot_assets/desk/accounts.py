"""Accounts and sessions: who may sign in, and who is signed in.

Passwords are kept as Argon2id hashes with the parameters that argon2-cffi recommends (RFC 9106, low memory).
Of a session's token only the SHA-256 is kept, so that who reads the database cannot take a session over.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from sopilot_assets.desk.database import reading, transaction
from sopilot_assets.desk.roles import Role
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home

IDLE: Final = timedelta(hours=12)
"""A session ends when nothing was asked for so long."""
LONGEST: Final = timedelta(days=7)
"""A session ends after this time whatever happens."""
_NOTED_EVERY: Final = timedelta(minutes=1)
SHORTEST_PASSWORD: Final = 12

_HASHER: Final = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
_NOBODYS: Final = _HASHER.hash(secrets.token_urlsafe())
"""What the password for an unknown name is compared with, so that the time tells nobody which names there
are.
"""


@dataclass(frozen=True, slots=True)
class Account:
    """A person at the desk: ``who`` is the id that events name, ``person`` the code that recordings name."""

    who: str
    role: Role
    person: str | None = None


def has_accounts(home: Home) -> bool:
    """Whether anybody has an account; without any, the desk is for this machine only and asks no password."""
    with reading(home) as database:
        return database.execute("select 1 from accounts limit 1").fetchone() is not None


def add_account(home: Home, account: Account, *, password: str, at: datetime) -> None:
    """Make an account. Raises ``ConfigError`` where there is one of that name or the password is short."""
    if len(password) < SHORTEST_PASSWORD:
        raise ConfigError(
            f"the password of {account.who}: expected at least {SHORTEST_PASSWORD} characters, found "
            f"{len(password)}. A sentence is easy to remember."
        )
    row = (account.who, account.role.value, account.person, _HASHER.hash(password), at.isoformat())
    try:
        with transaction(home) as database:
            database.execute(
                "insert into accounts (who, role, person, password_hash, created_at) values (?, ?, ?, ?, ?)",
                row,
            )
    except sqlite3.IntegrityError as error:
        raise ConfigError(
            f"account {account.who}: there is one of this name already; nothing was made."
        ) from error


def account_of(home: Home, who: str, password: str) -> Account | None:
    """The account with this name and password; None where either is wrong."""
    with reading(home) as database:
        row = database.execute("select * from accounts where who = ?", (who,)).fetchone()
    try:
        _HASHER.verify(row["password_hash"] if row else _NOBODYS, password)
    except VerifyMismatchError:
        return None
    return _account(row) if row else None


def begin_session(home: Home, account: Account, *, at: datetime) -> str:
    """Begin a session; returns its token, which the browser keeps."""
    token = secrets.token_urlsafe(32)
    row = (_digest(token), account.who, account.role.value, account.person, at.isoformat(), at.isoformat())
    with transaction(home) as database:
        database.execute("delete from sessions where seen_at < ?", ((at - IDLE).isoformat(),))
        database.execute("insert into sessions values (?, ?, ?, ?, ?, ?)", row)
    return token


def session_of(home: Home, token: str, *, at: datetime) -> Account | None:
    """Who is signed in with the token; None where nobody is any more."""
    began, seen = (at - LONGEST).isoformat(), (at - IDLE).isoformat()
    with reading(home) as database:
        row = database.execute(
            "select * from sessions where token_hash = ? and began_at >= ? and seen_at >= ?",
            (_digest(token), began, seen),
        ).fetchone()
    if row is not None and row["seen_at"] < (at - _NOTED_EVERY).isoformat():
        with transaction(home) as database:
            database.execute(
                "update sessions set seen_at = ? where token_hash = ?", (at.isoformat(), row["token_hash"])
            )
    return _account(row) if row else None


def end_session(home: Home, token: str) -> None:
    """End a session, if it has not ended."""
    with transaction(home) as database:
        database.execute("delete from sessions where token_hash = ?", (_digest(token),))


def _account(row: sqlite3.Row) -> Account:
    return Account(row["who"], Role(row["role"]), row["person"])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
