"""Homes that are alike apart from ids and times, and each way in which they can differ."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from sopilot_assets.store.ledgers import Ledger
from sopilot_assets_tests.soak.same import differences, doubled_rows, torn_databases

IDS: Final = ("0123456789abcdef", "fedcba9876543210")
OTHER_IDS: Final = ("1111111111111111", "2222222222222222")
COLUMNS: Final = {"key": pa.string(), "made_from": pa.string()}


def write_home(folder: Path, *, ids: tuple[str, str], day: str, run_id: str) -> Path:
    """A small home: a binary file, a document with ids and times, a ledger, a database."""
    home = folder / "home"
    (home / "embeddings").mkdir(parents=True)
    np.savez(home / "embeddings" / "abcdefabcdef.npz", values=np.arange(5))
    document = {"at": f"{day}T08:00:00+00:00", "first": ids[0], "second": ids[1], "figure": 0.25}
    (home / "result.json").write_text(json.dumps(document), encoding="utf-8")
    rows = [{"key": "a", "made_from": ids[0]}, {"key": "b", "made_from": ids[1]}]
    things(home).append(rows, run_id=run_id, written_at=f"{day}T09:00:00+00:00")
    (home / "dagster").mkdir()
    with sqlite3.connect(home / "dagster" / "runs.db") as connection:
        connection.execute("create table runs (id text)")
        connection.executemany("insert into runs values (?)", [(str(n) * 50,) for n in range(2000)])
    connection.close()
    return home


def things(home: Path) -> Ledger:
    return Ledger(UPath(home / "ledgers"), "things", COLUMNS, "key")


@pytest.fixture
def calm(tmp_path: Path) -> Path:
    return write_home(tmp_path / "calm", ids=IDS, day="2026-03-02", run_id="one")


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    return write_home(tmp_path / "killed", ids=OTHER_IDS, day="2026-03-03", run_id="two")


def test_other_ids_and_times_are_no_difference(calm: Path, killed: Path) -> None:
    assert differences(calm, killed) == []
    assert doubled_rows(killed, [("things", "key")]) == []
    assert torn_databases(killed) == []


def test_the_same_row_written_by_two_runs_is_one_row(calm: Path, killed: Path) -> None:
    (again,) = things(killed).files()
    shutil.copy(again, Path(again).with_name("three.parquet"))
    assert differences(calm, killed) == []
    assert doubled_rows(killed, [("things", "key")]) == []


def test_what_a_killed_writer_left_unfinished_is_not_compared(calm: Path, killed: Path) -> None:
    (killed / ".publishing-xyz.json").write_text('{"half', encoding="utf-8")
    assert differences(calm, killed) == []


def change_a_byte(home: Path) -> None:
    path = home / "embeddings" / "abcdefabcdef.npz"
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(data)


def lose_a_file(home: Path) -> None:
    (home / "result.json").unlink()


def add_a_file(home: Path) -> None:
    (home / "more.txt").write_text("more", encoding="utf-8")


def change_a_figure(home: Path) -> None:
    path = home / "result.json"
    path.write_text(path.read_text(encoding="utf-8").replace("0.25", "0.26"), encoding="utf-8")


def exchange_ids_in_one_place(home: Path) -> None:
    path = home / "result.json"
    first, second = OTHER_IDS
    text = path.read_text(encoding="utf-8").replace(first, "x").replace(second, first).replace("x", second)
    path.write_text(text, encoding="utf-8")


def lose_a_row(home: Path) -> None:
    (path,) = things(home).files()
    pq.write_table(pq.read_table(path).slice(0, 1), path)


def double_a_row(home: Path) -> None:
    things(home).append(
        [{"key": "b", "made_from": "3333333333333333"}],
        run_id="three",
        written_at="2026-03-04T00:00:00+00:00",
    )


@pytest.mark.parametrize(
    "damage",
    [
        change_a_byte,
        lose_a_file,
        add_a_file,
        change_a_figure,
        exchange_ids_in_one_place,
        lose_a_row,
        double_a_row,
    ],
)
def test_every_other_difference_is_found(damage: Callable[[Path], None], calm: Path, killed: Path) -> None:
    damage(killed)
    assert differences(calm, killed) != []


def test_a_doubled_subject_is_found(killed: Path) -> None:
    double_a_row(killed)
    assert doubled_rows(killed, [("things", "key")]) == ["ledger things: b has 2 rows"]


def test_a_torn_table_is_refused(calm: Path, killed: Path) -> None:
    (name,) = things(killed).files()
    Path(name).write_bytes(Path(name).read_bytes()[:-20])
    with pytest.raises(pa.ArrowInvalid):
        differences(calm, killed)


def test_a_torn_database_is_found(killed: Path) -> None:
    path = killed / "dagster" / "runs.db"
    data = bytearray(path.read_bytes())
    data[8192:12288] = bytes(4096)
    path.write_bytes(data)
    assert torn_databases(killed) != []
