"""Compaction changes no row of any view, whoever reads, appends or is killed meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from sopilot_assets.errors import LedgerError
from sopilot_assets.store.compaction import compact_ledgers, fragmented
from sopilot_assets.store.ledgers import Ledger
from sopilot_assets.store.listing import removing_from, whole_listing
from sopilot_assets_tests.store.ledger_load import ledger as load_ledger

COLUMNS = {"key": pa.string(), "value": pa.float64(), "count": pa.int64(), "fine": pa.bool_()}
MOMENTS = [f"2026-01-{day:02d}T00:00:00+00:00" for day in range(1, 5)]


def things(folder: Path) -> Ledger:
    return Ledger(UPath(folder), "things", COLUMNS, "key")


def row(key: str, value: float | None) -> dict[str, str | float | int | bool | None]:
    return {"key": key, "value": value, "count": 3, "fine": None}


def views(ledger: Ledger) -> list[pd.DataFrame]:
    """Everything that can be asked of a ledger."""
    return [ledger.all_rows(), ledger.latest(), ledger.as_of(MOMENTS[2])]


def same(before: list[pd.DataFrame], after: list[pd.DataFrame]) -> bool:
    return all(old.equals(new) for old, new in zip(before, after, strict=True))


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(MOMENTS),
            st.sampled_from("rs"),
            st.sampled_from("abc"),
            st.sampled_from([None, 1.0, 2.0]),
        ),
        min_size=2,
        max_size=10,
    )
)
def test_no_view_changes_and_a_second_time_does_nothing(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[str, str, str, float | None]]
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    ledger = things(folder)
    for moment, run, key, value in writes:
        ledger.append([row(key, value), row("d", value)], run_id=run, written_at=moment)
    before, files = views(ledger), len(ledger.files())
    compact_ledgers(UPath(folder), at_least=2)
    assert same(before, views(ledger))
    assert len(ledger.files()) == 1
    assert compact_ledgers(UPath(folder), at_least=2) == []
    assert files == 1 or ledger.files()[0].split("/")[-1].startswith("compacted-")


def test_a_row_that_was_stored_twice_is_stored_once(tmp_path: Path) -> None:
    ledger = things(tmp_path)
    ledger.append([row("a", 1.0)], run_id="r", written_at=MOMENTS[0])
    (source,) = ledger.files()
    (tmp_path / "things" / "again.parquet").write_bytes(Path(source).read_bytes())
    (done,) = compact_ledgers(UPath(tmp_path), at_least=2)
    assert (done.files_before, done.rows, done.doubled) == (2, 1, 1)


def test_files_from_before_a_column_was_added_keep_it_empty(tmp_path: Path) -> None:
    older = Ledger(UPath(tmp_path), "things", {"key": pa.string()}, "key")
    older.append([{"key": "a"}], run_id="r0", written_at=MOMENTS[0])
    things(tmp_path).append([row("b", 2.0)], run_id="r1", written_at=MOMENTS[1])
    before = views(things(tmp_path))
    compact_ledgers(UPath(tmp_path), at_least=2)
    assert same(before, views(things(tmp_path)))


def test_ledgers_with_fewer_files_than_asked_stay(tmp_path: Path) -> None:
    for number in range(3):
        things(tmp_path).append([row("a", float(number))], run_id=f"r{number}", written_at=MOMENTS[number])
    assert fragmented(UPath(tmp_path), at_least=4) == {}
    assert compact_ledgers(UPath(tmp_path), at_least=4) == []
    assert fragmented(UPath(tmp_path), at_least=3) == {"things": 3}


def test_a_damaged_file_stops_it_by_name_and_everything_stays(tmp_path: Path) -> None:
    for number in range(3):
        things(tmp_path).append([row("a", float(number))], run_id=f"r{number}", written_at=MOMENTS[number])
    files = things(tmp_path).files()
    Path(files[1]).write_bytes(Path(files[1]).read_bytes()[:-9])
    with pytest.raises(LedgerError, match=r"r1-.*nothing of ledger things was merged"):
        compact_ledgers(UPath(tmp_path), at_least=2)
    assert things(tmp_path).files() == files


def test_a_merged_file_that_reads_back_differently_costs_no_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        things(tmp_path).append([row("a", float(number))], run_id=f"r{number}", written_at=MOMENTS[number])
    before, files = views(things(tmp_path)), things(tmp_path).files()
    write = pq.write_table
    monkeypatch.setattr(pq, "write_table", lambda table, path, **_: write(table.slice(1), path))
    with pytest.raises(LedgerError, match="read back"):
        compact_ledgers(UPath(tmp_path), at_least=2)
    assert set(files) < set(things(tmp_path).files())
    assert same(before, views(things(tmp_path)))


@pytest.mark.whole
def test_killed_between_any_two_of_its_steps_it_leaves_every_view_and_goes_on(tmp_path: Path) -> None:
    for number in range(4):
        rows = [row("ab"[number % 2], float(number))]
        things(tmp_path / "first").append(rows, run_id="r", written_at=MOMENTS[number])
    before = views(things(tmp_path / "first"))
    steps, ended = 0, False
    while not ended:
        folder = Path(shutil.copytree(tmp_path / "first", tmp_path / str(steps)))
        process = multiprocessing.get_context("fork").Process(target=_compact_until, args=(folder, steps))
        process.start()
        process.join()
        ended, steps = process.exitcode == 0, steps + 1
        assert same(before, views(things(folder))), steps
        compact_ledgers(UPath(folder), at_least=2)
        assert same(before, views(things(folder))), steps
        assert len(things(folder).files()) == 1, steps
    assert steps > 10


def _compact_until(folder: Path, step: int) -> None:
    """Compact, and die by signal 9 at the ``step``-th call that touches the file system."""
    calls = {"n": 0}

    def tracer(event: str, _: object) -> None:
        if event in WATCHED:
            calls["n"] += 1
            if calls["n"] > step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(tracer)
    compact_ledgers(UPath(folder), at_least=2)
    os._exit(0)


WATCHED = (
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.chmod",
    "os.listdir",
    "os.scandir",
    "fcntl.flock",
)


def test_nobody_lists_while_files_go_and_nobody_waits_before_the_first_time(tmp_path: Path) -> None:
    folder = tmp_path / "things"
    folder.mkdir()
    for name in ("a.parquet", "b.parquet", ".hidden.parquet", "c.txt"):
        (folder / name).touch()
    assert [Path(one).name for one in whole_listing(folder, ".parquet")] == ["a.parquet", "b.parquet"]
    with ThreadPoolExecutor(1) as pool:
        with removing_from(folder):
            (folder / "a.parquet").unlink()
            waiting = pool.submit(whole_listing, folder, ".parquet")
            time.sleep(0.2)
            assert not waiting.done()
            (folder / "merged.parquet").touch()
            (folder / "b.parquet").unlink()
        assert [Path(one).name for one in waiting.result()] == ["merged.parquet"]


def test_a_reader_whose_files_are_merged_after_it_listed_them_reads_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        things(tmp_path).append([row("a", float(number))], run_id=f"r{number}", written_at=MOMENTS[number])
    before, listed, files = things(tmp_path).all_rows(), [], Ledger.files

    def merged_just_after(ledger: Ledger) -> list[str]:
        listed.append(files(ledger))
        compact_ledgers(UPath(tmp_path), at_least=2)
        return listed[-1]

    monkeypatch.setattr(Ledger, "files", merged_just_after)
    assert things(tmp_path).all_rows().equals(before)
    assert [len(names) for names in listed] == [3, 1]


@pytest.mark.whole
def test_readers_and_writers_at_work_miss_nothing_while_compactors_are_killed(tmp_path: Path) -> None:
    writers = [_start("write", tmp_path, who, "20") for who in ("ann", "bob")]
    readers = [_start("read", tmp_path, stdout=subprocess.PIPE) for _ in range(2)]
    rng, kills = random.Random(1), 0
    compactor = _start("compact", tmp_path)
    while any(writer.poll() is None for writer in writers):
        time.sleep(rng.uniform(0.7, 1.6))
        compactor.kill()
        compactor.wait()
        compactor, kills = _start("compact", tmp_path), kills + 1
    (tmp_path / "stop").touch()
    looks = [int(reader.communicate(timeout=60)[0]) for reader in readers]
    compactor.kill()
    compactor.wait()
    assert [process.returncode for process in (*writers, *readers)] == [0, 0, 0, 0]
    assert min(looks) > 5
    assert kills > 1
    assert len(load_ledger(tmp_path).latest()) == 40
    assert load_ledger(tmp_path).query("select count(*) as n from all_rows")["n"].tolist() == [40]


def _start(*arguments: object, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sopilot_assets_tests.store.ledger_load", *map(str, arguments)]
    return subprocess.Popen(command, stdout=stdout, text=True)
