"""Dagster's records in PostgreSQL without what shows or names erased recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

from sopilot_assets.errors import ErasureError
from sopilot_assets.store.shared_lock import shared_database

if TYPE_CHECKING:
    import psycopg2.extensions

WAIT_S: Final = 60
"""How long a table may be held by somebody else."""
_TEXTS: Final = """
select table_name, column_name from information_schema.columns join information_schema.tables
using (table_schema, table_name)
where table_schema = current_schema() and table_type = 'BASE TABLE'
and data_type in ('text', 'character varying')
order by table_name, ordinal_position
"""


def clean_postgres(cleaned: Callable[[str], str]) -> int:
    """Write every text cell of the database that ``SOPILOT_POSTGRES_URL`` names as ``cleaned`` gives it, and
    its tables anew, so that nothing is left in their files; returns how many cells changed.

    Others may read and write meanwhile, but wait for a table while it is written anew. Raises `ErasureError`
    where the database cannot be reached, or somebody holds a table for too long.
    """
    import psycopg2  # noqa: PLC0415 - only with the extra `scale`

    try:
        with shared_database() as database:
            tables = _tables(database)
            changed = sum(_clean_table(database, *one, cleaned) for one in tables)
            _write_anew(database, [name for name, _ in tables])
            return changed
    except psycopg2.Error as error:
        raise ErasureError(
            f"Dagster's records in PostgreSQL cannot be changed ({str(error).strip()}). See that the "
            "database can be reached and nobody holds its tables, then call the same command again; what was "
            "removed stays removed."
        ) from error


def _tables(database: psycopg2.extensions.connection) -> list[tuple[str, list[str]]]:
    """The tables and their columns of text."""
    with database, database.cursor() as cursor:
        cursor.execute(_TEXTS)
        rows = cursor.fetchall()
    return [(name, [column for _, column in those]) for name, those in groupby(rows, key=lambda row: row[0])]


def _clean_table(
    database: psycopg2.extensions.connection,
    table: str,
    columns: Sequence[str],
    cleaned: Callable[[str], str],
) -> int:
    """Look through a table until there is nothing more to change: a row may be written by others between
    being read and being changed, and is then left for the next look.
    """
    changed = 0
    while True:
        with database:
            found = [_change(database, *one) for one in _changes(database, table, columns, cleaned)]
        changed += sum(found)
        if not found:
            return changed


def _changes(
    database: psycopg2.extensions.connection,
    table: str,
    columns: Sequence[str],
    cleaned: Callable[[str], str],
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The table, the place of a row in it, and its cells that have to be others."""
    from psycopg2 import sql  # noqa: PLC0415

    # a named cursor stays with the server, which hands on some rows at a time
    with database.cursor(name="texts") as rows:
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        rows.execute(sql.SQL("select ctid, {} from {}").format(names, sql.Identifier(table)))
        for place, *cells in rows:
            told = {
                name: new
                for name, cell in zip(columns, cells, strict=True)
                if cell is not None and (new := cleaned(cell)) != cell
            }
            if told:
                yield table, place, told


def _change(database: psycopg2.extensions.connection, table: str, place: str, cells: dict[str, str]) -> int:
    """How many cells were changed: none where somebody else has changed the row since it was read."""
    from psycopg2 import sql  # noqa: PLC0415

    given = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in cells)
    with database.cursor() as cursor:
        cursor.execute(
            sql.SQL("update {} set {} where ctid = %s::tid").format(sql.Identifier(table), given),
            (*cells.values(), place),
        )
        return len(cells) if cursor.rowcount else 0


def _write_anew(database: psycopg2.extensions.connection, tables: Sequence[str]) -> None:
    """Without what was there before: PostgreSQL keeps old rows in a table's file. Of all tables, since an
    erasure that was killed before this has nothing to change any more when it is called again.
    """
    from psycopg2 import sql  # noqa: PLC0415

    database.autocommit = True
    with database.cursor() as cursor:
        cursor.execute("select set_config('lock_timeout', %s, false)", (f"{WAIT_S}s",))
        for table in tables:
            cursor.execute(sql.SQL("vacuum (full) {}").format(sql.Identifier(table)))
