"""The desk: whether its accounts can be read, by whom, who can reach it, and which tokens expire."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.backup.databases import database_problem
from sopilot_assets.upkeep.conditions.condition import Answer, Condition, Fine, found, problem, warning
from sopilot_assets.upkeep.conditions.machine import ListeningAddress, listening_at
from sopilot_assets.upkeep.conditions.situation import Situation

DESK: Final = "desk"
_OF_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_ROLES: Final = "select role, count(*) from accounts group by role"
_EXPIRIES: Final = "select name, expires_at from tokens order by expires_at, name"


def desk_accounts(asked: Situation) -> Answer:
    """Whether the desk's database is sound, private, and has an administrator."""
    path = local_path(asked.home.desk_database)
    if not path.exists():
        return Answer((Fine(DESK, "accounts", "nobody has one; it answers this machine only"),))
    if wrong := database_problem(path):
        what = f"{path} cannot be used ({wrong}): nobody can sign in"
        action = (
            "restore it from a backup; or move it away and make the accounts again: sopilot desk user add"
        )
        return Answer((problem(DESK, "accounts", what, action),))
    roles = _roles(path)
    count = sum(roles.values())
    said = f"{count} may sign in" if count else "nobody has one; it answers this machine only"
    return found(_careless(path, roles), Fine(DESK, "accounts", said))


def _careless(path: Path, roles: dict[str, int]) -> Iterator[Condition]:
    if path.stat().st_mode & _OF_OTHERS or path.parent.stat().st_mode & _OF_OTHERS:
        what = f"{path.parent} can be read by other accounts of this machine"
        yield warning(DESK, "accounts", what, f"chmod -R go= {path.parent}")
    if roles and "admin" not in roles:
        what = "nobody is administrator: accounts cannot be looked after in the browser"
        yield warning(DESK, "administrator", what, "sopilot desk user role NAME admin")


def desk_tokens(asked: Situation) -> Answer:
    """Tokens that expire soon: whoever reads by them would stop one day without a word."""
    path = local_path(asked.home.desk_database)
    sound = path.exists() and database_problem(path) is None
    tokens = _read(path, "tokens", _EXPIRIES) if sound else []
    soon = asked.now + timedelta(days=asked.settings.limits.token_expires_days)
    near = [(str(name), str(at)) for name, at in tokens if datetime.fromisoformat(str(at)) <= soon]
    told = f"{len(tokens)} hold" if tokens else "no other program reads results"
    return found((_expiring(name, at, asked.now) for name, at in near), Fine(DESK, "tokens", told))


def _expiring(name: str, at: str, now: datetime) -> Condition:
    over = datetime.fromisoformat(at) <= now
    what = f"the token {name} {'has expired' if over else f'expires on {at[:10]}'}"
    action = (
        f"make another one (sopilot desk token add), give it to the program; sopilot desk token remove {name}"
    )
    return warning(DESK, f"token {name}", what, action)


def desk_reach(asked: Situation) -> Answer:
    """Whether other machines can reach a desk that is not made for them."""
    ours = listening_at(asked.settings.limits.desk_ports)
    shown = ", ".join(sorted({f"{one.ip}:{one.port}" for one in ours}))
    fine = f"listens on {shown}" if ours else "not running"
    path = local_path(asked.home.desk_database)
    ready = path.exists() and database_problem(path) is None and bool(_roles(path))
    outside = [] if ready else [one for one in ours if one.from_outside]
    return found((_open(one) for one in outside), Fine(DESK, "", fine))


def _open(address: ListeningAddress) -> Condition:
    what = f"port {address.port} listens on {address.ip}, and nobody has an account: others are refused"
    action = "sopilot desk user add NAME --role admin; or start it without --host"
    return problem(DESK, f"{address.ip}:{address.port}", what, action)


def _roles(path: Path) -> dict[str, int]:
    return {str(role): int(str(count)) for role, count in _read(path, "accounts", _ROLES)}


def _read(path: Path, table: str, sql: str) -> list[tuple[object, object]]:
    """What a query of two columns gives; nothing where an older desk did not make the table yet."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
        made = connection.execute("select 1 from sqlite_master where name = ?", (table,)).fetchone()
        return connection.execute(sql).fetchall() if made else []
