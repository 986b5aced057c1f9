"""Tokens: by which other programs read results, each with what it may read and until when.

A token is shown once, when it is made. Only its SHA-256 is kept, which says nothing about 256 random bits.
Whoever made one in the browser is its owner: it ends when they are no administrator any more.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sopilot_assets.desk.accounts import must_be_who
from sopilot_assets.desk.attempts import begin_token
from sopilot_assets.desk.database import reading, transaction
from sopilot_assets.desk.log import WAITS, Doer, LogEvent, note
from sopilot_assets.desk.roles import Role
from sopilot_assets.desk.sessions import token_hash
from sopilot_assets.errors import AccountError
from sopilot_assets.store.home import Home
from sopilot_assets.texts.languages import Text

PREFIX: Final = "sopilot_"
"""Every token begins with it, so that one that was left lying about is recognised."""
LONGEST_DAYS: Final = 1096
USUAL_DAYS: Final = 365
_LONGEST: Final = 200
_NOTED_EVERY: Final = timedelta(minutes=1)


class Scope(StrEnum):
    """What a token may read: results without saying who was filmed; who was filmed, and file names, which
    often say so; and what needs attention in the installation.
    """

    RESULTS = "results"
    PERSONS = "persons"
    CONDITIONS = "conditions"


SCOPE_NAMES: Final = {
    Scope.RESULTS: Text(
        "tasks, recordings and results, without persons", "手順書・録画・判定（作業者を除く）"
    ),
    Scope.PERSONS: Text("also person codes and file names", "作業者コードとファイル名も"),
    Scope.CONDITIONS: Text(
        "what needs attention, which may name files", "対応が必要な事項（ファイル名を含むことがあります）"
    ),
}


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token without itself. Times are ISO 8601 in UTC; ``owner`` is None for one of the command line,
    ``used_at`` (to the minute) where it was never used.
    """

    name: str
    scopes: frozenset[Scope]
    owner: str | None
    made_at: str
    expires_at: str
    used_at: str | None

    def is_over(self, at: datetime) -> bool:
        """Whether it has expired."""
        return datetime.fromisoformat(self.expires_at) <= at


@dataclass(frozen=True, slots=True)
class Presented:
    """What came of a token: the token where it holds; ``wait_s`` are the seconds to wait where too many were
    wrong.
    """

    token: ApiToken | None = None
    wait_s: int = 0


def add_token(
    home: Home, name: str, scopes: Collection[Scope], *, days: int, owner: str | None, by: Doer
) -> str:
    """Make a token for the program ``name``, which nobody can be shown again; ``owner`` is the account of the
    administrator who makes it, None on the command line.

    Raises ``AccountError`` for a name that is taken or can be none, without any scope, for a time that is too
    long, and where the owner is no administrator.
    """
    must_be_who(name)
    if not scopes:
        raise AccountError(
            f"token {name}: expected what it may read ({', '.join(Scope)}), found nothing; nothing was made.",
            ja="トークンで読み取れる内容を 1 つ以上選んでください。発行しませんでした。",
        )
    if not 1 <= days <= LONGEST_DAYS:
        raise AccountError(
            f"token {name}: expected 1 to {LONGEST_DAYS} days, found {days}; nothing was made.",
            ja=f"有効日数は 1 から {LONGEST_DAYS} までにしてください。発行しませんでした。",
        )
    token, held = PREFIX + secrets.token_urlsafe(32), [scope.value for scope in Scope if scope in scopes]
    made, expires = by.at.isoformat(), (by.at + timedelta(days=days)).isoformat()
    with transaction(home) as database:
        _refuse(database, name, owner)
        database.execute(
            "insert into tokens values (?, ?, ?, ?, ?, ?, null)",
            (token_hash(token), name, " ".join(held), owner, made, expires),
        )
        note(database, by, LogEvent.TOKEN_ADDED, name, " ".join(held))
    return token


def list_tokens(home: Home) -> Sequence[ApiToken]:
    """All tokens, by name, those that have expired too."""
    with reading(home) as database:
        return [_token(row) for row in database.execute("select * from tokens order by name")]


def remove_token(home: Home, name: str, *, by: Doer) -> None:
    """End a token at once. Raises ``AccountError`` where there is none of this name."""
    with transaction(home) as database:
        if not database.execute("delete from tokens where name = ?", (name,)).rowcount:
            raise AccountError(
                f"token {name}: there is none of this name; nothing was changed. "
                "`sopilot desk token list` lists them.",
                ja="その名前のトークンはありません。変更しませんでした。",
            )
        note(database, by, LogEvent.TOKEN_REMOVED, name)


def present_token(home: Home, token: str, *, at: Doer) -> Presented:
    """Whose token it is; ``at`` is the unknown program at the door. One that does not hold is counted by the
    address it comes from, and noted.
    """
    found = _found(home, token)
    if found is not None and not found.is_over(at.at):
        _note_use(home, found, at.at)
        return Presented(found)
    tried = begin_token(home, at)
    if tried.wait_s:
        return Presented(wait_s=tried.wait_s)
    with transaction(home) as database:
        note(database, at, LogEvent.WRONG_TOKEN, found.name if found else "", WAITS if tried.last else "")
    return Presented()


def _found(home: Home, token: str) -> ApiToken | None:
    if not token.startswith(PREFIX) or len(token) > _LONGEST:
        return None
    with reading(home) as database:
        row = database.execute("select * from tokens where token_hash = ?", (token_hash(token),)).fetchone()
    return _token(row) if row else None


def _note_use(home: Home, token: ApiToken, at: datetime) -> None:
    if token.used_at is not None and token.used_at >= (at - _NOTED_EVERY).isoformat():
        return
    with transaction(home) as database:
        database.execute("update tokens set used_at = ? where name = ?", (at.isoformat(), token.name))


def _refuse(database: sqlite3.Connection, name: str, owner: str | None) -> None:
    if database.execute("select 1 from tokens where name = ?", (name,)).fetchone():
        raise AccountError(
            f"token {name}: there is one of this name already; nothing was made.",
            ja=f"「{name}」というトークンはすでにあります。発行しませんでした。",
        )
    if owner is None:
        return
    row = database.execute("select role from accounts where who = ?", (owner,)).fetchone()
    if row is None or row["role"] != Role.ADMIN.value:
        raise AccountError(
            f"token {name}: expected an administrator's account, found none of {owner}; nothing was made. "
            "Make an account first.",
            ja="トークンを発行できるのは管理者のアカウントだけです。先にアカウントを作成してください。",
        )


def _token(row: sqlite3.Row) -> ApiToken:
    scopes = frozenset(Scope(one) for one in row["scopes"].split())
    return ApiToken(row["name"], scopes, row["owner"], row["made_at"], row["expires_at"], row["used_at"])
