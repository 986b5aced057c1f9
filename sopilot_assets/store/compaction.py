"""Merging the many small files of a ledger into one, while others read and append.

The merged file is published, read back and compared before the files it was made from go. Until then every
row is there twice, which no view shows; so a process that is killed at any moment leaves the same rows, and
the next compaction goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from sopilot_assets.errors import LedgerError
from sopilot_assets.processes.posix.files import flush
from sopilot_assets.store.listing import removing_from, whole_listing
from sopilot_assets.store.publish import local_path, only_writer, publish_path
from sopilot_assets.store.shared import withdraw

MAINTENANCE_LOCK: Final = ".maintenance.lock"
"""Held below the ledgers by whoever needs that their files stay: compaction and backups, one at a time."""

_IDENTITY: Final = ("row_id", "written_at", "run_id")
_MERGED: Final = "compacted-"


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of one ledger; ``doubled`` rows were stored twice and are now stored once."""

    ledger: str
    files_before: int
    rows: int
    doubled: int
    bytes_before: int
    bytes_after: int


def compact_ledgers(ledgers: UPath, *, at_least: int) -> list[Compacted]:
    """Merge the files of every ledger below ``ledgers`` that has at least so many (never fewer than two)."""
    with only_writer(ledgers / MAINTENANCE_LOCK):
        folders = sorted(path for path in local_path(ledgers).iterdir() if path.is_dir())
        return [done for folder in folders if (done := _compact(folder, max(2, at_least))) is not None]


def fragmented(ledgers: UPath, *, at_least: int) -> dict[str, int]:
    """The ledgers with at least so many files, and their number."""
    root = local_path(ledgers)
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    counts = {folder.name: len(whole_listing(folder, ".parquet")) for folder in folders}
    return {name: count for name, count in counts.items() if count >= max(2, at_least)}


def _compact(folder: Path, at_least: int) -> Compacted | None:
    sources = [Path(name) for name in whole_listing(folder, ".parquet")]
    if len(sources) < at_least:
        return None
    size = sum(source.stat().st_size for source in sources)
    stored = _stored(sources)
    merged = _each_once(stored)
    target = folder / f"{_MERGED}{_digest(merged)}.parquet"
    publish_path(target, lambda path: pq.write_table(merged, path, compression="zstd"))
    _refuse_other_rows(target, merged)
    with removing_from(folder):
        for source in sources:
            if source != target:
                withdraw(source)
                source.unlink()
        flush(folder)
    doubled = stored.num_rows - merged.num_rows
    return Compacted(folder.name, len(sources), merged.num_rows, doubled, size, target.stat().st_size)


def _stored(sources: Sequence[Path]) -> pa.Table:
    """The rows of all files; columns that only newer files have are empty in the others."""
    return pa.concat_tables([_read(source) for source in sources], promote_options="permissive")


def _read(source: Path) -> pa.Table:
    try:
        return pq.ParquetFile(source).read()
    except (OSError, pa.ArrowException) as error:
        raise LedgerError(
            f"{source}: expected a whole Parquet file, found one that cannot be read ({error}); nothing of "
            f"ledger {source.parent.name} was merged. Restore the file from a backup."
        ) from error


def _each_once(stored: pa.Table) -> pa.Table:
    """The rows without those that were stored twice, oldest first."""
    ids = zip(*(stored.column(name).to_pylist() for name in _IDENTITY), strict=True)
    first: dict[tuple[str, ...], int] = {}
    for place, identity in enumerate(ids):
        first.setdefault(identity, place)
    return stored.take(list(first.values())).sort_by([("written_at", "ascending"), ("row_id", "ascending")])


def _digest(merged: pa.Table) -> str:
    rows = sorted(zip(*(merged.column(name).to_pylist() for name in _IDENTITY), strict=True))
    return hashlib.sha256("\n".join(" ".join(row) for row in rows).encode()).hexdigest()[:16]


def _refuse_other_rows(target: Path, merged: pa.Table) -> None:
    if not pq.ParquetFile(target).read().equals(merged):
        raise LedgerError(
            f"{target}: expected the {merged.num_rows} rows that were merged, found others when it was read "
            "back; the files they came from are all kept. Check the disk."
        )
