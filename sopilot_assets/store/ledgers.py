"""Append-only tables as folders of Parquet files, read through DuckDB.

Each append publishes one new file, so any number of processes can write without a lock. A row's identity
(``row_id``) is a hash of its content without the columns that say when and by which run it was written: a
retried or repeated computation that reaches the same result is the same row, and appears once in every
view.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from sopilot_assets.errors import LedgerError
from sopilot_assets.store.listing import whole_listing
from sopilot_assets.store.publish import local_path, publish_path
from sopilot_assets.store.small_files import FileState, file_states, kept_rows

Cell: TypeAlias = str | int | float | bool | None
Row: TypeAlias = Mapping[str, Cell]

BOOKKEEPING: Final = ("written_at", "run_id")
"""Columns that every row has besides its content: ISO 8601 time in UTC and the run that wrote it."""

_MOST_TRIES: Final = 20
_MOST_KEPT_BYTES: Final = 1 << 17
"""The size of the files up to which the result of a query is kept for the next time."""
_MOST_KEPT_CELLS: Final = 64
"""And the size of the tables that such a query may be given."""
_FIRST: Final = "min(written_at) over (partition by {}) as first_written_at"
_NEWEST_FIRST: Final = "order by written_at desc, run_id desc, row_id"


@dataclass(frozen=True, slots=True)
class Ledger:
    """One table below ``folder``: ``columns`` names each content column and its Arrow type, ``subject`` the
    column whose newest row counts.

    ``append`` returns the rows that were new. ``all_rows`` is every distinct row, ``latest`` the newest of
    each subject.
    """

    folder: UPath
    name: str
    columns: Mapping[str, pa.DataType]
    subject: str

    def append(self, rows: Iterable[Row], *, run_id: str, written_at: str) -> list[str]:
        """Append the rows that differ from their subject's newest row; returns their ids.

        A row always is newer than those of its subject before it: where the clock went back since, it is
        dated just after them. The file is named by the run, the times and the content, so that a file never
        gets other rows than it had.
        """
        given = [(self.row_id(row), row) for row in rows]
        newest = self._newest({str(row[self.subject]) for _, row in given})
        fresh: list[dict[str, Cell]] = []
        for row_id, row in given:
            subject = str(row[self.subject])
            newest_id, newest_at = newest.get(subject, ("", ""))
            if row_id != newest_id:
                at = written_at if written_at > newest_at else _just_after(newest_at)
                newest[subject] = row_id, at
                fresh.append({**row, "row_id": row_id, "written_at": at, "run_id": run_id})
        if not fresh:
            return []
        ids, times = ([str(row[name]) for row in fresh] for name in ("row_id", "written_at"))
        batch = "".join([written_at, *ids, *(at for at in times if at != written_at)])
        table = pa.Table.from_pylist(fresh, schema=self.schema)
        publish_path(
            self.folder / self.name / f"{run_id}-{hashlib.sha256(batch.encode()).hexdigest()[:16]}.parquet",
            lambda path: pq.write_table(table, path, compression="zstd"),
        )
        return ids

    def row_id(self, row: Row) -> str:
        """The identity of a row: 32 hex digits of the SHA-256 of its canonical content."""
        unknown, missing = set(row) - set(self.columns), set(self.columns) - set(row)
        if unknown or missing:
            raise LedgerError(
                f"ledger {self.name}: row has unknown columns {sorted(unknown)} and lacks "
                f"{sorted(missing)}; expected {sorted(self.columns)}."
            )
        canonical = json.dumps(
            {name: row[name] for name in sorted(row)}, ensure_ascii=False, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]

    def _newest(self, subjects: Collection[str]) -> dict[str, tuple[str, str]]:
        """Id and time of the newest row of those of the subjects that have one."""
        if not subjects or not self.files():
            return {}
        wanted = pd.DataFrame({self.subject: sorted(subjects)}, dtype="string")

        def of_every_file(sources: Sequence[str]) -> str:
            """What `latest` says, of columns that every file has: half the time of a query that has all."""
            return (
                f"select {self.subject}, row_id, written_at from ({sources[0]}) "  # noqa: S608 - our own
                f"semi join wanted using ({self.subject}) "
                f"qualify row_number() over (partition by {self.subject} {_NEWEST_FIRST}) = 1"
            )

        found = _queried([self], of_every_file, {"wanted": wanted})
        return {str(subject): (row_id, at) for subject, row_id, at in found.itertuples(index=False)}

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of every file: content columns, ``row_id`` and the bookkeeping."""
        return pa.schema(
            [*self.columns.items(), ("row_id", pa.string()), *((name, pa.string()) for name in BOOKKEEPING)]
        )

    def files(self) -> list[str]:
        """The Parquet files of the table, by name."""
        return whole_listing(local_path(self.folder / self.name), ".parquet")

    def as_of(self, moment: str, columns: Sequence[str] = ("*",)) -> pd.DataFrame:
        """The newest row of each subject among those written before ``moment`` (ISO 8601 in UTC), ordered by
        subject: what `latest` said then. Of many rows, some ``columns`` cost far less than all.
        """
        wanted = ", ".join(f"written.{name}" for name in columns)
        return self.query(
            f"select {wanted} from written, cut where written_at < cut.moment qualify row_number() over "  # noqa: S608 - columns of ours
            f"(partition by {self.subject} {_NEWEST_FIRST}) = 1 order by {self.subject}",
            cut=pd.DataFrame({"moment": [moment]}, dtype="string"),
        )

    def all_rows(self) -> pd.DataFrame:
        """Every distinct row, oldest first."""
        return self.query("select * from all_rows order by written_at, row_id")

    def latest(self) -> pd.DataFrame:
        """The newest row of each subject, ordered by subject."""
        return self.query(f"select * from latest order by {self.subject}")  # noqa: S608 - a column of ours

    def query(self, sql: str, **tables: pd.DataFrame) -> pd.DataFrame:
        """The result of a DuckDB ``select`` over ``written`` (every stored row), ``all_rows`` and
        ``latest``, and the frames given by name.
        """

        def with_views(sources: Sequence[str]) -> str:
            return f"{views_sql(sources[0], self.schema, self.subject)} {sql}"

        return _queried([self], with_views, tables)


def query_together(
    ledgers: Mapping[str, Ledger], sql: str, **tables: pd.DataFrame | pa.Table
) -> pd.DataFrame:
    """The result of a DuckDB ``select`` over the newest rows of several ledgers, each by its name here, and
    over the tables given by name; of these alone where there are no ledgers. A newest row also has
    ``first_written_at``, when the first row of its subject was written.
    """

    def with_views(sources: Sequence[str]) -> str:
        views = [
            f"{name} as ({views_sql(its, one.schema, one.subject)} select *, {_FIRST.format(one.subject)} "  # noqa: S608 - names of ours
            f"from written qualify row_number() over (partition by {one.subject} {_NEWEST_FIRST}) = 1)"
            for its, (name, one) in zip(sources, ledgers.items(), strict=True)
        ]
        return f"with {', '.join(views)} {sql}" if views else sql

    return _queried(list(ledgers.values()), with_views, tables)


def _queried(
    ledgers: Sequence[Ledger],
    sql_of: Callable[[Sequence[str]], str],
    tables: Mapping[str, pd.DataFrame | pa.Table],
) -> pd.DataFrame:
    """The answer to a query over the files that the ledgers have now; once more where they are merged
    meanwhile. ``sql_of`` makes it of where each ledger's rows are.
    """
    for _ in range(_MOST_TRIES):
        files = [one.files() for one in ledgers]
        try:
            return _answered([file_states(names) for names in files], sql_of, tables)
        except (duckdb.Error, FileNotFoundError) as error:
            every = [name for names in files for name in names]
            if all(map(os.path.exists, every)):
                _refuse_damaged(every, error)
                raise
    names = ", ".join(one.name for one in ledgers)
    raise LedgerError(
        f"ledger {names}: its files were merged {_MOST_TRIES} times while it was read. See what "
        "compacts ledgers again and again, then run the same step again."
    )


def _answered(
    files: Sequence[Mapping[str, FileState]],
    sql_of: Callable[[Sequence[str]], str],
    tables: Mapping[str, pd.DataFrame | pa.Table],
) -> pd.DataFrame:
    given = tuple(
        _Given.of(name, table) for name, table in tables.items() if math.prod(table.shape) <= _MOST_KEPT_CELLS
    )
    state = tuple(state for its in files for state in its.values())
    if len(given) == len(tables) and sum(size for _, size, _ in state) <= _MOST_KEPT_BYTES:
        return _kept(sql_of([_source(list(its)) for its in files]), state, given).copy()
    kept = {f"small_files_{place}": kept_rows(its, _read) for place, its in enumerate(files)}
    sources = [
        _source([name for name in its if name not in one.files], None if one.rows is None else table)
        for its, (table, one) in zip(files, kept.items(), strict=True)
    ]
    in_memory = {table: one.rows for table, one in kept.items() if one.rows is not None}
    with _database(os.getpid()).cursor() as connection:
        for name, table in {**tables, **in_memory}.items():
            connection.register(name, table)
        return connection.execute(sql_of(sources)).df()


def _read(files: Sequence[str]) -> pa.Table:
    with _database(os.getpid()).cursor() as connection:
        return connection.sql(_source(files)).to_arrow_table()


def moment_sql(column: str) -> str:
    """SQL for the moment that a column's ISO 8601 times tell, by which they are ordered: the same whatever
    zone a time is told in; one without a zone counts as UTC; null where there is none.
    """
    return f"try_cast({column} as timestamptz)"


def _just_after(at: str) -> str:
    return (datetime.fromisoformat(at) + timedelta(microseconds=1)).isoformat()


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Cell]]:
    """The rows of a ledger's frame as plain values, an unknown one as None."""
    names, unknown = [str(name) for name in frame.columns], frame.isna().to_numpy()
    columns = [_plain(column, unknown[:, place]) for place, (_, column) in enumerate(frame.items())]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def among(column: pd.Series, values: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Whether each text of a column is one of the values: what `Series.isin` says, which takes long to read
    many values.
    """
    known = set(values)
    return np.fromiter((one in known for one in column.tolist()), np.bool_, len(column))


def _plain(column: pd.Series, unknown: npt.NDArray[np.bool_]) -> list[Cell]:
    values: list[Cell] = column.tolist()
    if not unknown.any():
        return values
    return [None if missing else value for value, missing in zip(values, unknown, strict=True)]


@functools.cache
def _database(process: int) -> duckdb.DuckDBPyConnection:  # noqa: ARG001 - what it is kept by
    """An empty database in memory, kept for the whole process: opening one takes several times as long as
    reading a ledger does. It has no threads of its own, so that a process may fork; a child opens another.
    """
    database = duckdb.connect(":memory:", config={"threads": 1, "async_threads": 0})
    database.execute("set global TimeZone = 'UTC'")  # what a time without a zone is in, on every machine
    return database


@dataclass(frozen=True, slots=True)
class _Given:
    """A small table that a query is given: the same as another one with the same content."""

    name: str
    content: str
    table: pd.DataFrame | pa.Table = field(compare=False)

    @classmethod
    def of(cls, name: str, table: pd.DataFrame | pa.Table) -> _Given:
        if isinstance(table, pa.Table):
            return cls(name, f"{table.schema} {table.to_pylist()}", table)
        columns = [(str(of), str(column.dtype), column.tolist()) for of, column in table.items()]
        return cls(name, repr(columns), table)


@functools.lru_cache(maxsize=128)
def _kept(
    sql: str,
    files: tuple[FileState, ...],  # noqa: ARG001 - kept by them
    given: tuple[_Given, ...],
) -> pd.DataFrame:
    """What a query gave that read these files, which nobody changes: a new row is a new file. The same small
    ledgers are asked the same again and again, and many of a home stay without any file.
    """
    with _database(os.getpid()).cursor() as connection:
        for one in given:
            connection.register(one.name, one.table)
        return connection.execute(sql).df()


atexit.register(_database.cache_clear)  # closed while the interpreter is still whole


def _source(files: Sequence[str], table: str | None = None) -> str:
    """A query for all rows of the files and of a table of DuckDB, empty without either: rows from before a
    column was there have null in it.
    """
    parts = [] if table is None else [f"select * from {table}"]  # noqa: S608 - a name of ours
    if files:
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in files)
        parts.append(f"select * from read_parquet([{names}], union_by_name = true)")  # noqa: S608 - quoted
    return " union all by name ".join(parts)


def views_sql(source: str, schema: pa.Schema, subject: str) -> str:
    """The head of a query that defines ``written`` (every stored row, which ``source`` gives), ``all_rows``
    (one row per row id, the first written) and ``latest`` (the newest row per subject).
    """
    empty = ", ".join(f"cast(null as {_duckdb_type(field.type)}) as {field.name}" for field in schema)
    rows = " union all by name ".join(filter(None, (f"select {empty} where false", source)))
    return (
        f"with written as (select * from ({rows})), "  # noqa: S608 - our own
        "all_rows as (select * from written qualify "
        "row_number() over (partition by row_id order by written_at, run_id) = 1), "
        "latest as (select * from written qualify "
        f"row_number() over (partition by {subject} {_NEWEST_FIRST}) = 1)"
    )


def _refuse_damaged(files: Sequence[str], error: Exception) -> None:
    """Raise `LedgerError` where one of the files is not a whole Parquet file."""
    for name in files:
        try:
            pq.ParquetFile(name).read()
        except (OSError, pa.ArrowException) as damage:
            raise LedgerError(
                f"{name}: expected a whole Parquet file, found one that cannot be read ({damage}); it was "
                "cut short or changed. Restore it from a backup."
            ) from error


def _duckdb_type(kind: pa.DataType) -> str:
    names = {pa.string(): "varchar", pa.int64(): "bigint", pa.float64(): "double", pa.bool_(): "boolean"}
    if kind not in names:
        raise LedgerError(
            f"a ledger column of Arrow type {kind} is not supported; use one of {sorted(map(str, names))}."
        )
    return names[kind]
