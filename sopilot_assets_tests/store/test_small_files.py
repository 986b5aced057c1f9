"""A ledger with many small files is read from memory, and says what its files say now."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from sopilot_assets.errors import LedgerError
from sopilot_assets.store import small_files
from sopilot_assets.store.compaction import compact_ledgers
from sopilot_assets.store.ledgers import Ledger, query_together

COLUMNS = {"key": pa.string(), "value": pa.float64()}
MANY = 12


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    its = Ledger(UPath(tmp_path), "things", COLUMNS, "key")
    for number in range(MANY):
        say(its, number)
    return its


def say(ledger: Ledger, number: int) -> None:
    at = f"2026-01-01T00:00:{number:02d}+00:00"
    ledger.append([{"key": f"k{number % 5}", "value": float(number)}], run_id=f"r{number}", written_at=at)


def read_as_files(ledger: Ledger) -> pd.DataFrame:
    return pd.concat([pq.read_table(name).to_pandas() for name in ledger.files()], ignore_index=True)


def test_all_rows_are_those_of_the_files(ledger: Ledger) -> None:
    for number in range(MANY, MANY + 4):  # each is read into memory when it is new
        say(ledger, number)
        stored = read_as_files(ledger).sort_values("written_at", ignore_index=True)
        pd.testing.assert_frame_equal(ledger.all_rows(), stored)
    newest = stored.groupby("key")["value"].max().to_dict()
    assert ledger.query("select key, value from latest").set_index("key")["value"].to_dict() == newest
    together = query_together(
        {"one": ledger, "two": ledger}, "select one.value from one join two using (key)"
    )
    assert sorted(together["value"]) == sorted(newest.values())


def test_what_another_process_appends_and_merges_is_there(ledger: Ledger) -> None:
    before = ledger.all_rows()
    other = multiprocessing.get_context("fork").Process(target=_append_and_merge, args=(ledger,))
    other.start()
    other.join(60)
    now = ledger.all_rows()
    assert len(ledger.files()) == 1
    assert now["value"].tolist() == [*before["value"], 99.0]


def test_a_file_that_is_damaged_lost_or_replaced_is_not_read_from_memory(ledger: Ledger) -> None:
    assert len(ledger.all_rows()) == MANY
    name = Path(ledger.files()[3])
    whole = name.read_bytes()
    name.write_bytes(whole[:-20])
    with pytest.raises(LedgerError, match="expected a whole Parquet file"):
        ledger.all_rows()
    name.write_bytes(whole)
    assert len(ledger.all_rows()) == MANY
    name.unlink()
    assert len(ledger.all_rows()) == MANY - 1


def test_files_from_before_a_column_was_there_have_null_in_it(ledger: Ledger) -> None:
    wider = Ledger(ledger.folder, "things", {**COLUMNS, "why": pa.string()}, "key")
    assert len(wider.all_rows()) == MANY
    wider.append([{"key": "k9", "value": 1.0, "why": "said"}], run_id="w", written_at="2026-01-02")
    assert wider.all_rows()["why"].dropna().tolist() == ["said"]


def test_no_more_is_kept_than_has_room(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_files, "_MOST_BYTES", 1)
    monkeypatch.setattr(small_files, "_AT_ONCE_BYTES", 1)
    small_files._place.cache_clear()
    read: list[str] = []

    def rows_of(names: Sequence[str]) -> pa.Table:
        read.extend(names)
        return pq.read_table(list(names))

    states = small_files.file_states(ledger.files())
    kept = small_files.kept_rows(states, rows_of)
    assert (len(kept.files), len(read)) == (1, 1)
    assert small_files.kept_rows(states, rows_of) == kept
    assert len(read) == 1
    assert len(ledger.all_rows()) == MANY


def test_a_few_files_and_large_ones_are_not_kept(ledger: Ledger) -> None:
    states = dict.fromkeys(ledger.files(), (1, small_files.SMALL_BYTES + 1, time.time_ns()))
    assert small_files.kept_rows(states, pq.read_table).rows is None
    few = small_files.file_states(ledger.files()[: small_files.FEW])
    assert small_files.kept_rows(few, pq.read_table).rows is None


def _append_and_merge(ledger: Ledger) -> None:
    ledger.append([{"key": "k1", "value": 99.0}], run_id="other", written_at="2026-01-03")
    compact_ledgers(ledger.folder, at_least=2)
