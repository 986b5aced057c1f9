"""`sopilot report show` and `sopilot retention apply` as a user meets them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from sopilot_assets.defs.retention import retention
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.upkeep.made_up_days import add_task, record, refuse

NOON = "2026-03-02T12:00:00+00:00"


def test_a_day_is_shown_as_tables_as_json_and_in_japanese_and_its_page_is_written(home: Home) -> None:
    add_task(home)
    record(home, "a", at=NOON)
    refuse(home, "x.mp4", at=NOON)
    shown = sopilot(home, "report", "show", "--date", "2026-03-02").stdout
    assert "What needs a person" in shown
    assert "sopilot recording list --refused" in shown
    assert (Path(str(home.reports)) / "2026-03-02.html").is_file()
    document = json.loads(sopilot(home, "report", "show", "--date", "2026-03-02", "--json").stdout)
    assert document["sections"]["tasks"][0]["trainees"] == 1
    japanese = sopilot(
        home, "report", "show", "--date", "2026-03-02", "--table", "needs", "--lang", "ja"
    ).stdout
    assert "対応が必要なこと" in japanese
    table = sopilot(home, "report", "show", "--date", "2026-03-02", "--table", "quarantine", "--csv").stdout
    assert [row["file"] for row in csv.DictReader(io.StringIO(table))] == ["x.mp4"]


def test_what_is_no_day_or_no_table_is_refused_by_name(home: Home) -> None:
    prepare_home(home)
    assert (
        "expected a date such as" in sopilot(home, "report", "show", "--date", "monday", exit_code=1).stderr
    )
    assert (
        "expected one of needs," in sopilot(home, "report", "show", "--table", "scores", exit_code=1).stderr
    )
    assert (
        "expected a day that has begun"
        in sopilot(home, "report", "show", "--date", "2999-01-01", exit_code=1).stderr
    )


def test_retention_says_what_it_would_remove_and_then_removes_it(home: Home) -> None:
    prepare_home(home)
    (Path(str(home.root)) / "settings.yaml").write_text("retention: {compact_ledger_files: 2}\n", "utf-8")
    record(home, "a", at=NOON)
    record(home, "b", at=NOON.replace("12", "13"))
    for words, files in ((("--dry-run",), 2), ((), 1)):
        (ledgers,) = (row for row in rows(home, "retention", "apply", *words) if row["what"] == "ledgers")
        assert ledgers["removed"] == 1
        assert len(list((Path(str(home.ledgers)) / "videos").glob("*.parquet"))) == files


@pytest.mark.parametrize("place", ["help", "asset"])
def test_what_retention_says_of_itself_names_all_that_it_removes(home: Home, place: str) -> None:
    prepare_home(home)
    (description,) = retention.retention.descriptions_by_key.values()
    said = sopilot(home, "retention", "apply", "--help").stdout if place == "help" else description
    text = " ".join(said.replace("│", " ").split())
    removed = {str(row["what"]) for row in rows(home, "retention", "apply", "--dry-run")}
    names = {"logs of runs that stay": "logs", "campaign logs": "logs", "finished runs": "runs"}
    assert [one for one in sorted(removed) if names.get(one, one) not in text] == []
    assert "recordings stay" not in text
