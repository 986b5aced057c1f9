"""Processes that append to, read and compact one ledger at the same time:
``python -m sopilot_assets_tests.store.ledger_load ROLE FOLDER [NUMBER]``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pyarrow as pa
from upath import UPath

from sopilot_assets.store.compaction import compact_ledgers
from sopilot_assets.store.ledgers import Cell, Ledger

COLUMNS = {"key": pa.string(), "writer": pa.string(), "number": pa.int64()}


def ledger(folder: Path) -> Ledger:
    """The ledger that all of them use."""
    return Ledger(UPath(folder), "load", COLUMNS, "key")


def write(folder: Path, who: str, count: int) -> None:
    """Append the rows 0, 1, 2… of one writer, each in a file of its own."""
    for number in range(count):
        row: dict[str, Cell] = {"key": f"{who}/{number}", "writer": who, "number": number}
        ledger(folder).append([row], run_id=who, written_at=f"2026-01-01T00:00:00.{number:06d}+00:00")


def read(folder: Path) -> None:
    """Read again and again until ``stop`` lies in the folder; fail where a row that was there is gone."""
    before: dict[str, int] = {}
    looks = 0
    while not (folder / "stop").exists():
        seen = ledger(folder).query("select writer, number from all_rows order by writer, number")
        for who, numbers in seen.groupby("writer")["number"]:
            found = numbers.tolist()
            assert found == list(range(len(found))), (who, found)
            assert len(found) >= before.get(str(who), 0), (who, len(found), before)
            before[str(who)] = len(found)
        looks += 1
    sys.stdout.write(f"{looks}\n")


def compact(folder: Path) -> None:
    """Compact again and again, for ever."""
    while True:
        compact_ledgers(UPath(folder), at_least=2)
        time.sleep(0.001)


if __name__ == "__main__":
    role, place, *rest = sys.argv[1:]
    if role == "write":
        write(Path(place), rest[0], int(rest[1]))
    elif role == "read":
        read(Path(place))
    else:
        compact(Path(place))
