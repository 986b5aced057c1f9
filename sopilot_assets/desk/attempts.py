"""How often somebody may try a password: a few times at once, then at a steady pace; nobody is locked out.

Each try is counted before the password is looked at and taken back when it was right, so that neither many
server processes nor many requests at once get more. A name has one pace for everybody and one for each
address from which its person has signed in lately: whoever tries a name from elsewhere does not make its
person wait.

The pace is a leaky bucket, kept as the time when it is empty (the "theoretical arrival time" of the generic
cell rate algorithm, ITU-T I.371).
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import sqlite3
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sopilot_assets.desk.database import transaction
from sopilot_assets.desk.log import Doer
from sopilot_assets.store.home import Home

KNOWN_FOR: Final = timedelta(days=30)
"""An address is one of a person's own for so long after they signed in from it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """``at_once`` tries, and then one every ``every_s`` seconds."""

    at_once: int
    every_s: float


OF_NAME: Final = Pace(5, 60.0)
OF_ADDRESS: Final = Pace(30, 10.0)
"""Many people may share an address, and begin their shift at the same time."""


@dataclass(frozen=True, slots=True)
class PasswordTry:
    """A try, and by what it was counted, so that it can be taken back. It may go on where ``wait_s`` is 0,
    else after so many seconds. ``last`` says that the next one has to wait.
    """

    subjects: tuple[tuple[str, Pace], ...] = ()
    wait_s: int = 0
    last: bool = False


def begin_attempt(home: Home, who: str, doer: Doer) -> PasswordTry:
    """Count a try of the name ``who`` from the doer's address; one that has to wait is not counted."""
    with transaction(home) as database:
        return _begun(database, _subjects(database, who, doer), doer)


def begin_token(home: Home, doer: Doer) -> PasswordTry:
    """Count a wrong token from the doer's address; one that has to wait is not counted. Whoever has a token
    that holds never waits.
    """
    with transaction(home) as database:
        return _begun(database, ((_hidden("token", _near(doer.address)), OF_ADDRESS),), doer)


def _begun(database: sqlite3.Connection, subjects: tuple[tuple[str, Pace], ...], doer: Doer) -> PasswordTry:
    now_s = doer.at.timestamp()
    database.execute("delete from attempts where until_s <= ?", (now_s,))
    ends = {name: _until(database, name, now_s, pace) for name, pace in subjects}
    wait_s = max(ends[name] - now_s - (pace.at_once - 1) * pace.every_s for name, pace in subjects)
    if wait_s > 0:
        return PasswordTry(wait_s=math.ceil(wait_s))
    for name, pace in subjects:
        database.execute("insert or replace into attempts values (?, ?)", (name, ends[name] + pace.every_s))
    full = (ends[name] - now_s > (pace.at_once - 2) * pace.every_s for name, pace in subjects)
    return PasswordTry(subjects, last=any(full))


def take_back(home: Home, attempt: PasswordTry, who: str, doer: Doer) -> None:
    """The try was right: it does not count, and the address is one of the person's own."""
    with transaction(home) as database:
        for name, pace in attempt.subjects:
            database.execute(
                "update attempts set until_s = until_s - ? where subject = ?", (pace.every_s, name)
            )
        database.execute("delete from places where at < ?", ((doer.at - KNOWN_FOR).isoformat(),))
        database.execute(
            "insert or replace into places values (?, ?, ?)", (who, _near(doer.address), doer.at.isoformat())
        )


def _subjects(database: sqlite3.Connection, who: str, doer: Doer) -> tuple[tuple[str, Pace], ...]:
    near = _near(doer.address)
    since = (doer.at - KNOWN_FOR).isoformat()
    own = database.execute(
        "select 1 from places where who = ? and address = ? and at >= ?", (who, near, since)
    ).fetchone()
    name = _hidden("name", who, near) if own else _hidden("name", who)
    return (name, OF_NAME), (_hidden("address", near), OF_ADDRESS)


def _until(database: sqlite3.Connection, subject: str, now_s: float, pace: Pace) -> float:
    """When its bucket is empty; never later than when it was full now, whatever the clock did meanwhile."""
    row = database.execute("select until_s from attempts where subject = ?", (subject,)).fetchone()
    return min(max(now_s, row[0] if row else now_s), now_s + pace.at_once * pace.every_s)


def _hidden(*parts: str) -> str:
    """A name for what is counted that does not say what was typed, which may be a password."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _near(address: str) -> str:
    """The address, or the network of one household in IPv6, where everybody has 2^64 of them."""
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return address
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if version == 6 else address
