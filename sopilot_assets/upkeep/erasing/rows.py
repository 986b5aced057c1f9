"""Rows of ledgers without the names of erased recordings.

Ledgers are only added to, with this one exception: a file that holds a name is written anew without it and
then removed. Rows keep their ids, which are the hashes of what they said, so that nothing else that speaks of
them changes. Chains are left as they are: their events name each other by hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from sopilot_assets.capture.ledgers import ERASED
from sopilot_assets.processes.posix.files import flush
from sopilot_assets.store.chain import CHAIN_COLUMNS
from sopilot_assets.store.compaction import MAINTENANCE_LOCK
from sopilot_assets.store.home import Home
from sopilot_assets.store.listing import removing_from, whole_listing
from sopilot_assets.store.publish import local_path, only_writer, publish_path
from sopilot_assets.store.shared import withdraw
from sopilot_assets.upkeep.erasing.texts import REMOVED, NamesInText

NAMES: Final = ("original_name", "capture_path", "session", "source_video")
"""Columns that name a recording, or when it was made and from what, in people's words; ``why`` beside them is
what somebody typed about it.
"""
_KEPT: Final = frozenset({"row_id", "written_at", "run_id", "key", "sha256", "task_id"})


def without_names(home: Home, keys: Collection[str], names: NamesInText) -> int:
    """Write the rows of these recordings without names, and other rows without ``names``; returns how many
    rows changed. Files without such a row are not touched.
    """
    changed = 0
    root = local_path(home.ledgers)
    with only_writer(home.ledgers / MAINTENANCE_LOCK):
        for folder in sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else ():
            files = [Path(name) for name in whole_listing(folder, ".parquet")]
            if files and not set(CHAIN_COLUMNS) <= set(pq.read_schema(files[0]).names):
                changed += sum(_rewrite(path, frozenset(keys), names) for path in files)
    return changed


def _rewrite(path: Path, keys: frozenset[str], names: NamesInText) -> int:
    table = pq.ParquetFile(path).read()
    rows = table.to_pylist()
    told = [_without(row, keys, names) for row in rows]
    changed: int = sum(before != after for before, after in zip(rows, told, strict=True))
    if changed:
        digest = hashlib.sha256("".join(row["row_id"] for row in rows).encode()).hexdigest()[:16]
        target = path.with_name(
            f"erased-{digest}-{hashlib.sha256(path.name.encode()).hexdigest()[:8]}.parquet"
        )
        redone = pa.Table.from_pylist(told, schema=table.schema)
        publish_path(target, lambda place: pq.write_table(redone, place, compression="zstd"))
        if target != path:
            with removing_from(path.parent):
                withdraw(path)
                path.unlink()
                flush(path.parent)
    return changed


def _without(row: Mapping[str, object], keys: frozenset[str], names: NamesInText) -> dict[str, object]:
    own = row.get("key") in keys
    gone = {*NAMES, "why"} if row.get("status") != ERASED else {*NAMES}
    return {
        name: REMOVED
        if own and name in gone and value is not None
        else names.removed(value)
        if isinstance(value, str) and name not in _KEPT
        else value
        for name, value in row.items()
    }
