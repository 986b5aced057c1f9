"""One row a recording, as CSV and as Excel, which say the same."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sopilot_assets.capture.facts import correct_each
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.times.figures import TimesFilter
from sopilot_assets.times.reading import Times, read_times
from sopilot_assets.times.sheet import csv_bytes, sheet_columns, sheet_rows, xlsx_bytes
from sopilot_assets_tests.times.conftest import task_of

WANTED = TimesFilter(task="filter_change")
XML = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def cells_of(data: bytes) -> list[list[str]]:
    """The texts of the only sheet of an Excel file, as its XML has them."""
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        strings = ET.fromstring(book.read("xl/sharedStrings.xml"))
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))
        assert sum("worksheets/sheet" in name for name in book.namelist()) == 1
    texts = ["".join(one.itertext()) for one in strings]
    assert not list(sheet.iter(f"{XML}f")), "a formula"
    assert not list(sheet.iter(f"{XML}hyperlink")), "a link"

    def text(cell: ET.Element) -> str:
        value = cell.findtext(f"{XML}v") or ""
        return texts[int(value)] if cell.get("t") == "s" else value

    return [[text(cell) for cell in row] for row in sheet.iter(f"{XML}row")]


def test_each_recording_is_a_row_with_the_seconds_of_each_step(times: Times, task: TaskSpec) -> None:
    rows = sheet_rows(times, task, WANTED)
    cycles, steps = times.cycles.to_pandas(), times.steps.to_pandas()
    assert [row["key"] for row in rows] == list(cycles.sort_values(["made_at", "key"])["key"])
    done = steps[steps["kind"] == "step"].groupby(["key", "step_id"])["seconds"].sum()
    for row in rows:
        assert tuple(row) == sheet_columns(task)
        for step_id in task.step_ids:
            expected = done.get((row["key"], step_id))
            assert row[f"{step_id}.time_s"] == (None if expected is None else pytest.approx(expected))


def test_what_is_told_in_several_zones_is_in_the_order_in_which_it_was(crowd: Home, tmp_path: Path) -> None:
    home = Home.at(shutil.copytree(str(crowd.root), tmp_path / "home"))
    rows = sheet_rows(read_times(home), task_of(home), replace(WANTED, person="p01"))
    decided = [str(row["key"]) for row in rows if row["decision"] != "not_verifiable"][:4]
    told = ("2100-01-01T08:00:00+09:00", "2100-01-01T00:15:00", "2100-01-01T00:30:00Z")
    facts = {
        key: {"recorded_at": at}
        for key, at in zip(decided, (*told, "2100-01-01T10:00:00+09:00"), strict=True)
    }
    correct_each(home, facts, who="ann", why="zones", at=datetime(2100, 1, 1, tzinfo=UTC), run_id="zones")
    after = sheet_rows(read_times(home), task_of(home), replace(WANTED, person="p01"))
    assert [row["key"] for row in after][-4:] == decided
    attempts = [row["attempt"] for row in after if row["attempt"] is not None]
    assert attempts == list(range(1, len(attempts) + 1))


def test_csv_and_excel_say_the_same(times: Times, task: TaskSpec) -> None:
    rows = sheet_rows(times, task, WANTED)
    read = list(csv.DictReader(io.StringIO(csv_bytes(rows, task).decode("utf-8-sig"))))
    cells = cells_of(xlsx_bytes(rows, task))
    assert cells[0] == list(sheet_columns(task))
    assert len(cells) == len(read) + 1 == len(rows) + 1
    assert [line[0] for line in cells[1:]] == [row["key"] for row in read]


def test_the_same_rows_give_the_same_bytes(times: Times, task: TaskSpec) -> None:
    rows = sheet_rows(times, task, WANTED)
    assert xlsx_bytes(rows, task) == xlsx_bytes([dict(row) for row in rows], task)
    with zipfile.ZipFile(io.BytesIO(xlsx_bytes(rows, task))) as book:
        assert {one.date_time for one in book.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "@SUM(1)", "-2", "https://example.org", "{=1}"])
def test_no_name_becomes_a_formula_or_a_link(times: Times, task: TaskSpec, name: str) -> None:
    (row, *_) = sheet_rows(times, task, WANTED)
    cells = cells_of(xlsx_bytes([{**row, "name": name}], task))
    assert cells[1][1].lstrip("'") == name
    text = csv_bytes([{**row, "name": name}], task).decode("utf-8-sig")
    assert f"'{name}" in text or not name.startswith(("=", "+", "@", "-"))


def test_without_recordings_there_is_a_head(times: Times, task: TaskSpec) -> None:
    nobody = TimesFilter(task="filter_change", person="nobody")
    assert sheet_rows(times, task, nobody) == []
    assert cells_of(xlsx_bytes([], task)) == [list(sheet_columns(task))]


def test_over_takt_is_said_of_complete_cycles_only(times: Times, task: TaskSpec) -> None:
    for row in sheet_rows(times, task.model_copy(update={"takt_s": 20.0}), WANTED):
        assert row["takt_s"] == 20.0
        over = max(float(row["cycle_s"] or 0.0) - 20.0, 0.0) if row["complete"] else None
        assert row["over_takt_s"] == (None if over is None else pytest.approx(over, abs=0.001))
