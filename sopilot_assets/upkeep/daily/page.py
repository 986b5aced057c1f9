"""The page of a daily report: one file in two languages, from the report's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sopilot_assets.scoring.review.document import render
from sopilot_assets.texts.languages import Text
from sopilot_assets.upkeep.daily import words

_PACKAGE: Final = "sopilot_assets.upkeep.daily"
BILINGUAL: Final = ("what", "action")
"""Columns that rows have twice, in English and Japanese."""
_TIMES: Final = ("reported_at", "since")


def page(document: Mapping[str, Any]) -> str:
    """The report as a page; the same document gives the same text."""
    sections = document["sections"]
    values: Mapping[str, object] = {
        "date": document["date"],
        "period": words.period(document["complete"], document["until"]),
        "measured_at": document["measured_at"][:16].replace("T", " "),
        "sections": [_section(name, sections[name]) for name in words.HEADS if name in sections],
    }
    return render(
        "daily.html.j2", styles=("base.css", "daily.css"), script="daily.js", values=values, package=_PACKAGE
    )


def _section(name: str, rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    columns = words.COLUMNS[name]
    return {
        "name": name,
        "head": words.HEADS[name],
        "columns": list(columns.values()),
        "empty": words.EMPTY.get(name),
        "rows": [[_cell(row, column) for column in columns] for row in rows],
        "urgencies": [str(row.get("urgency", "")) for row in rows],
    }


def _cell(row: Mapping[str, object], column: str) -> dict[str, object]:
    """A cell's text in both languages, and what kind of cell it is: a number, or its column."""
    if column in BILINGUAL and f"{column}_en" in row:
        return {"text": Text(str(row[f"{column}_en"]), str(row[f"{column}_ja"])), "kind": column}
    value = row.get(column)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"text": words.cell(_shown(value, column), column), "kind": "number" if number else column}


def _shown(value: object, column: str) -> object:
    """Times to the minute."""
    return str(value)[:16].replace("T", " ") if value and column in _TIMES else value
