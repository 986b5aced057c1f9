"""The database of several machines: PostgreSQL, and its advisory locks, which hold on all of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from sopilot_assets.errors import StoreError

if TYPE_CHECKING:
    import psycopg2.extensions

URL_VARIABLE: Final = "SOPILOT_POSTGRES_URL"


@contextlib.contextmanager
def shared_database(
    environment: Mapping[str, str] = os.environ,
) -> Iterator[psycopg2.extensions.connection]:
    """A connection to PostgreSQL, closed at the end. Raises ``StoreError`` where it is not named; what
    psycopg2 raises is the caller's to explain.
    """
    import psycopg2  # noqa: PLC0415 - only with the extra `scale`

    url = environment.get(URL_VARIABLE)
    if not url:
        raise StoreError(
            f"{URL_VARIABLE} is not set; a shared home needs PostgreSQL to keep two machines from writing "
            "the same thing at once. Set it as for `sopilot home init --profile scale`."
        )
    with contextlib.closing(psycopg2.connect(url.replace("+psycopg2", "", 1))) as connection:
        yield connection


@contextlib.contextmanager
def held_everywhere(name: str, environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Wait until no process on any machine holds the lock ``name``, and hold it meanwhile; it goes with its
    process.

    Raises ``StoreError`` where the database cannot be reached, and at the end where the connection was lost
    meanwhile, since the lock was lost with it.
    """
    import psycopg2  # noqa: PLC0415 - only with the extra `scale`

    try:
        with shared_database(environment) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("select pg_advisory_lock(%s)", (_number(name),))
                yield
                cursor.execute("select pg_advisory_unlock(%s)", (_number(name),))
    except psycopg2.Error as error:
        raise StoreError(
            f"the lock {name} in PostgreSQL could not be held ({str(error).strip()}). "
            "See that the database can be reached, then run the same step again."
        ) from error


def _number(name: str) -> int:
    """The lock's key: a signed 64-bit number.

    >>> -(2**63) <= _number("ledgers/labels.lock") < 2**63
    True
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
