"""Ledgers keep every distinct row once, whoever writes it and however often."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from sopilot_assets.errors import LedgerError
from sopilot_assets.store.ledgers import Ledger, query_together

COLUMNS = {"key": pa.string(), "value": pa.float64(), "count": pa.int64(), "fine": pa.bool_()}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(UPath(tmp_path), "things", COLUMNS, "key")


def row(key: str, value: float | None = 1.0) -> dict[str, str | float | int | bool | None]:
    return {"key": key, "value": value, "count": 3, "fine": True}


def test_an_empty_ledger_reads_as_no_rows(ledger: Ledger) -> None:
    assert ledger.all_rows().empty
    assert list(ledger.latest().columns) == [*COLUMNS, "row_id", "written_at", "run_id"]


def test_what_a_reader_does_to_its_rows_reaches_no_other_reader(ledger: Ledger) -> None:
    for rows in (0, 1):
        mine = ledger.latest()
        mine["more"] = "mine"
        del mine["key"]
        assert len(ledger.latest()) == rows
        assert list(ledger.latest().columns) == [*COLUMNS, "row_id", "written_at", "run_id"]
        ledger.append([row("a")], run_id="r1", written_at="2026-01-01T00:00:00+00:00")


def test_the_same_question_about_other_values_has_another_answer(ledger: Ledger) -> None:
    ledger.append([row("a"), row("b")], run_id="r1", written_at="2026-01-01T00:00:00+00:00")

    def asked(*keys: str | None) -> list[str]:
        wanted = pd.DataFrame({"key": keys}, dtype="string")
        return ledger.query("select key from latest join wanted using (key)", wanted=wanted)["key"].tolist()

    assert [asked("a"), asked("b"), asked(None), asked("a")] == [["a"], ["b"], [], ["a"]]
    ledger.append([row("c")], run_id="r2", written_at="2026-01-02T00:00:00+00:00")
    assert [asked("c"), asked("a", "c")] == [["c"], ["a", "c"]]


def test_a_file_that_is_changed_or_lost_is_not_read_from_memory(ledger: Ledger) -> None:
    ledger.append([row("a")], run_id="r1", written_at="2026-01-01T00:00:00+00:00")
    assert ledger.latest()["key"].tolist() == ["a"]
    (name,) = ledger.files()
    whole = Path(name).read_bytes()
    Path(name).write_bytes(whole[:-20])
    with pytest.raises(LedgerError, match="expected a whole Parquet file"):
        ledger.latest()
    Path(name).write_bytes(whole)
    assert ledger.latest()["key"].tolist() == ["a"]
    Path(name).unlink()
    assert ledger.latest().empty


def test_a_retried_run_adds_nothing(ledger: Ledger) -> None:
    first = ledger.append([row("a"), row("b")], run_id="r1", written_at="2026-01-01T00:00:00+00:00")
    again = ledger.append([row("a"), row("b")], run_id="r2", written_at="2026-01-02T00:00:00+00:00")
    assert len(first) == 2
    assert again == []
    assert len(ledger.files()) == 1
    assert set(ledger.all_rows()["run_id"]) == {"r1"}


def test_the_newest_row_of_a_subject_counts_also_when_it_says_what_an_older_one_said(ledger: Ledger) -> None:
    for day, value in enumerate([1.0, 2.0, 1.0], start=1):
        ledger.append([row("a", value)], run_id=f"r{day}", written_at=f"2026-01-0{day}T00:00:00+00:00")
    assert ledger.latest()["value"].tolist() == [1.0]
    assert ledger.all_rows()["value"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("back", ["2026-01-02T00:00:00+00:00", "2026-01-01T12:00:00+00:00"])
def test_the_last_row_counts_also_where_the_clock_stood_still_or_went_back(ledger: Ledger, back: str) -> None:
    ledger.append([row("a"), row("b")], run_id="r9", written_at="2026-01-02T00:00:00+00:00")
    for number, value in enumerate([2.0, 3.0, 1.0, 2.0]):
        ledger.append([row("a", value)], run_id=f"r{number}", written_at=back)
        assert ledger.latest()["value"].tolist() == [value, 1.0]
    times = ledger.query("select written_at from written where key = 'a' order by written_at")["written_at"]
    assert times.is_unique
    assert ledger.append([row("a", 2.0)], run_id="r9", written_at=back) == []
    ledger.append([row("b", 5.0)], run_id="r1", written_at="2026-01-03T00:00:00+00:00")
    assert ledger.as_of("2026-01-02T12:00:00+00:00")["value"].tolist() == [2.0, 1.0]


@given(st.permutations([1.0, 2.0, 3.0, 1.0]))
@settings(max_examples=10, deadline=None)
def test_of_rows_that_are_appended_together_the_last_of_a_subject_counts(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    ledger = Ledger(UPath(tmp_path_factory.mktemp("ledger")), "things", COLUMNS, "key")
    ledger.append([row("a", one) for one in values], run_id="r", written_at="2026-01-01T00:00:00+00:00")
    assert ledger.latest()["value"].tolist() == values[-1:]


def test_two_writers_at_once_do_not_double_a_row(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append([row("a")], run_id="r1", written_at="2026-01-01T00:00:00+00:00")
    (source,) = (tmp_path / "things").glob("*.parquet")
    (tmp_path / "things" / "r2-copy.parquet").write_bytes(source.read_bytes())
    assert len(ledger.all_rows()) == 1
    assert len(ledger.latest()) == 1


def test_a_row_with_other_columns_is_refused_and_nothing_is_written(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match=r"unknown columns \['odd'\] and lacks \['fine'\]"):
        ledger.append(
            [row("a"), {"key": "b", "value": 1.0, "count": 1, "odd": 1}], run_id="r", written_at="t"
        )
    assert ledger.files() == []


def test_an_unfinished_file_is_not_read(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append([row("a")], run_id="r1", written_at="t")
    (tmp_path / "things" / ".publishing-x.parquet").write_bytes(b"half a file")
    assert len(ledger.all_rows()) == 1


def test_missing_values_stay_missing(ledger: Ledger) -> None:
    ledger.append([row("a", None)], run_id="r", written_at="t")
    assert ledger.query("select count(*) as n from latest where value is null")["n"].tolist() == [1]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=8),
    st.randoms(use_true_random=False),
)
def test_the_order_of_columns_does_not_change_a_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int]], random: object
) -> None:
    ledger = Ledger(UPath(tmp_path_factory.mktemp("ledger")), "things", COLUMNS, "key")
    for index, (key, value) in enumerate(rows):
        content = row(key, float(value))
        names = list(content)
        random.shuffle(names)  # type: ignore[attr-defined]
        shuffled = {name: content[name] for name in names}
        assert ledger.row_id(shuffled) == ledger.row_id(content)
        ledger.append([shuffled], run_id=f"r{index}", written_at=f"{index:04d}")
    newest = {key: float(value) for key, value in rows}
    assert dict(zip(ledger.latest()["key"], ledger.latest()["value"], strict=True)) == newest
    assert len(ledger.all_rows()) == len(set(rows))


def test_a_column_that_no_file_has_yet_reads_as_missing(ledger: Ledger) -> None:
    ledger.append([row("a")], run_id="r", written_at="2026-01-01T00:00:00+00:00")
    later = Ledger(ledger.folder, ledger.name, {**COLUMNS, "more": pa.string()}, "key")
    assert later.query("select count(*) as n from latest where more is null")["n"].tolist() == [1]
    assert later.append([row("b") | {"more": "x"}], run_id="r", written_at="2026-01-02T00:00:00+00:00")
    assert [value if value == "x" else None for value in later.latest()["more"]] == [None, "x"]


def test_several_ledgers_are_asked_together_by_the_newest_row_of_each_subject(
    ledger: Ledger, tmp_path: Path
) -> None:
    others = Ledger(UPath(tmp_path), "others", COLUMNS, "key")
    for day, value in ((1, 1.0), (2, 2.0)):
        ledger.append([row("a", value)], run_id=f"r{day}", written_at=f"2026-01-0{day}T00:00:00+00:00")
    others.append([row("a", 9.0), row("b", 8.0)], run_id="r3", written_at="2026-01-03T00:00:00+00:00")
    found = query_together(
        {"one": ledger, "other": others},
        "select key, one.value as mine, other.value as theirs, one.first_written_at as since "
        "from other left join one using (key) join wanted using (key) order by key",
        wanted=pa.table({"key": ["a", "b", "c"]}),
    )
    assert found["mine"].fillna(0).tolist() == [2.0, 0.0]
    assert found["theirs"].tolist() == [9.0, 8.0]
    assert found["since"][0] == "2026-01-01T00:00:00+00:00"
    alone = query_together({}, "select count(*) as n from wanted", wanted=pa.table({"key": ["a"]}))
    assert alone["n"].tolist() == [1]
