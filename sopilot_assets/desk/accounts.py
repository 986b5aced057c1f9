"""Accounts: who may sign in, with which role. Whatever changes one is in the log, and ends its sessions."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.desk.attempts import begin_attempt, take_back
from sopilot_assets.desk.database import reading, transaction
from sopilot_assets.desk.log import WAITS, Doer, LogEvent, note
from sopilot_assets.desk.passwords import hash_of, is_outdated, is_right, refuse_weak
from sopilot_assets.desk.roles import Role
from sopilot_assets.errors import AccountError
from sopilot_assets.store.chain import WHO_PATTERN
from sopilot_assets.store.home import Home
from sopilot_assets.texts.names import composed, printable

_NOTED: Final = 64
"""Letters of a name that the log keeps."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person at the desk: ``who`` is the id that events name, ``person`` the code that recordings name."""

    who: str
    role: Role
    person: str | None = None


@dataclass(frozen=True, slots=True)
class SignIn:
    """What came of a password: the account where it was right; ``wait_s`` are the seconds to wait where too
    many were wrong.
    """

    account: Account | None = None
    wait_s: int = 0


def has_accounts(home: Home) -> bool:
    """Whether anybody has an account; without any, the desk is for this machine only and asks no password."""
    with reading(home) as database:
        return database.execute("select 1 from accounts limit 1").fetchone() is not None


def list_accounts(home: Home) -> Sequence[Account]:
    """All accounts, by name."""
    with reading(home) as database:
        return [_account(row) for row in database.execute("select * from accounts order by who")]


def add_account(home: Home, account: Account, *, password: str, by: Doer) -> None:
    """Make an account. Whoever said only who they are, before there was any, has to sign in now.

    Raises ``AccountError`` where there is one of that name, where the name or the person can be none, and for
    a password that others guess.
    """
    must_be_who(account.who)
    if account.person is not None:
        must_be_who(account.person)
    refuse_weak(password, who=account.who)
    row = (account.who, account.role.value, account.person, hash_of(password), by.at.isoformat())
    with transaction(home) as database:
        if _row(database, account.who) is not None:
            raise AccountError(
                f"account {account.who}: there is one of this name already; nothing was made.",
                ja=f"「{account.who}」というアカウントはすでにあります。作成しませんでした。",
            )
        database.execute(
            "insert into accounts (who, role, person, password_hash, created_at) values (?, ?, ?, ?, ?)", row
        )
        database.execute("delete from sessions where not has_account or who = ?", (account.who,))
        note(database, by, LogEvent.ADDED, account.who, account.role.value)


def change_role(home: Home, who: str, role: Role, *, person: str | None, by: Doer) -> None:
    """Give an account another role, and say which person's recordings are its own; its sessions end, and its
    tokens where it is no administrator's any more.

    Raises ``AccountError`` where there is no such account, and for the last administrator.
    """
    if person is not None:
        must_be_who(person)
    with transaction(home) as database:
        before = _existing(database, who)
        if before.role is Role.ADMIN and role is not Role.ADMIN:
            _keep_an_admin(database, who)
        database.execute("update accounts set role = ?, person = ? where who = ?", (role.value, person, who))
        database.execute("delete from sessions where who = ?", (who,))
        if role is not Role.ADMIN:
            _end_tokens(database, who, by)
        note(database, by, LogEvent.ROLE_CHANGED, who, f"{before.role.value} {role.value}")


def remove_account(home: Home, who: str, *, by: Doer) -> None:
    """Remove an account; its sessions and tokens end. What the person said stays under their name.

    Raises ``AccountError`` where there is no such account, and for the last administrator while others have
    accounts.
    """
    with transaction(home) as database:
        if _existing(database, who).role is Role.ADMIN:
            _keep_an_admin(database, who, alone=True)
        for table in ("accounts", "sessions", "places"):
            database.execute(f"delete from {table} where who = ?", (who,))  # noqa: S608 - constants
        _end_tokens(database, who, by)
        note(database, by, LogEvent.REMOVED, who)


def set_password(home: Home, who: str, password: str, *, by: Doer) -> None:
    """Give an account another password; its sessions end.

    Raises ``AccountError`` where there is no such account, and for a password that others guess.
    """
    refuse_weak(password, who=who)
    kept = hash_of(password)
    with transaction(home) as database:
        _existing(database, who)
        database.execute("update accounts set password_hash = ? where who = ?", (kept, who))
        database.execute("delete from sessions where who = ?", (who,))
        note(database, by, LogEvent.PASSWORD_CHANGED, who)


def try_password(home: Home, who: str, password: str, *, at: Doer) -> SignIn:
    """Whose name and password these are. ``at`` is the unknown person at the door: who they are to be is not
    known yet.

    Tries are counted (see `attempts`), and those that have to wait cost no comparison. An unknown name takes
    as long as a wrong password.
    """
    attempt = begin_attempt(home, who, at)
    if attempt.wait_s:
        return SignIn(wait_s=attempt.wait_s)
    with reading(home) as database:
        row = _row(database, who)
    if not is_right(row["password_hash"] if row else None, password) or row is None:
        _note_wrong(home, who if row else "", at, last=attempt.last)
        return SignIn()
    take_back(home, attempt, who, at)
    if is_outdated(row["password_hash"]):
        _refresh(home, who, old=row["password_hash"], password=password)
    return SignIn(_account(row))


def who_of(text: str) -> str:
    """The name that was typed, the same however a keyboard put its letters together."""
    return composed(text.strip())


def must_be_who(name: str) -> None:
    """Nothing; ``AccountError`` for a name that no event and no recording can hold."""
    if not re.fullmatch(WHO_PATTERN, name) or printable(name) != name:
        raise AccountError(
            f"{printable(name[:_NOTED])!r}: expected a name of at most 64 letters without spaces, commas, "
            "semicolons or quotation marks.",
            ja="名前は 64 文字以内で、空白・コンマ・セミコロン・引用符なしで入力してください。",
        )


def _note_wrong(home: Home, about: str, at: Doer, *, last: bool) -> None:
    with transaction(home) as database:
        note(database, at, LogEvent.WRONG_PASSWORD, about, WAITS if last else "")


def _end_tokens(database: sqlite3.Connection, who: str, by: Doer) -> None:
    """Remove the tokens that a person made: they may have kept one."""
    ended = database.execute("delete from tokens where owner = ? returning name", (who,)).fetchall()
    for row in ended:
        note(database, by, LogEvent.TOKEN_REMOVED, row["name"])


def _refresh(home: Home, who: str, *, old: str, password: str) -> None:
    """Keep the password under the parameters of now, unless it was changed meanwhile."""
    new = hash_of(password)
    with transaction(home) as database:
        database.execute(
            "update accounts set password_hash = ? where who = ? and password_hash = ?", (new, who, old)
        )


def _keep_an_admin(database: sqlite3.Connection, who: str, *, alone: bool = False) -> None:
    """Nothing; ``AccountError`` where nobody else could look after the accounts that would be left. ``alone``
    lets the last of all go.
    """
    others = database.execute("select role from accounts where who != ?", (who,)).fetchall()
    if (alone and not others) or any(row["role"] == Role.ADMIN.value for row in others):
        return
    raise AccountError(
        f"account {who}: is the only administrator, so nobody could look after accounts; nothing was "
        "changed. Make another one first.",
        ja=f"「{who}」は唯一の管理者です。アカウントを管理する人がいなくなるため変更しませんでした。"
        "先に別の管理者を作成してください。",
    )


def _existing(database: sqlite3.Connection, who: str) -> Account:
    row = _row(database, who)
    if row is None:
        raise AccountError(
            f"account {printable(who[:_NOTED])}: there is none of this name; nothing was changed. "
            "`sopilot desk user list` lists them.",
            ja="その名前のアカウントはありません。変更しませんでした。",
        )
    return _account(row)


def _row(database: sqlite3.Connection, who: str) -> sqlite3.Row | None:
    found: sqlite3.Row | None = database.execute("select * from accounts where who = ?", (who,)).fetchone()
    return found


def _account(row: sqlite3.Row) -> Account:
    return Account(row["who"], Role(row["role"]), row["person"])
