"""`sopilot report`: what a day brought, where things stand, and what needs a person."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from sopilot_assets.cli.options import AS_CSV, AS_JSON, HOME, LANG, examples
from sopilot_assets.cli.output import say, show_rows
from sopilot_assets.errors import ConfigError
from sopilot_assets.texts.languages import Language
from sopilot_assets.upkeep.daily import words
from sopilot_assets.upkeep.daily.page import BILINGUAL
from sopilot_assets.upkeep.daily.report import write_report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sopilot_assets.store.ledgers import Cell
    from sopilot_assets.upkeep.daily.report import DailyReport


app = typer.Typer()


@app.command(
    "show",
    epilog=examples(
        "sopilot report show",
        "sopilot report show --date 2026-03-01 --lang ja",
        "sopilot report show --table needs --csv > needs.csv",
    ),
)
def show(
    *,
    day: Annotated[
        str | None,
        typer.Option("--date", metavar="DATE", help="The day in UTC, e.g. 2026-03-01. (Default: today.)"),
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="Show one table only, e.g. needs, tasks, decisions or gates.")
    ] = None,
    home: HOME,
    lang: LANG = Language.EN,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """Write the report of a day as a page and as tables, and show it; of today as far as it went."""
    now = datetime.now(UTC)
    written = write_report(home, _date(day, now), now=now, run_id=f"daily-{now:%Y%m%dT%H%M%S}")
    report = written.report
    if table is not None and table not in report.sections:
        raise ConfigError(f"--table {table}: expected one of {', '.join(report.sections)}.")
    if as_json and table is None:
        typer.echo(written.table.read_text("utf-8"), nl=False)
        return
    for name in [table] if table else report.sections if not as_csv else ["needs"]:
        _show(report, name, lang, as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv):
        say(f"Page: {written.page}")


def _date(text: str | None, now: datetime) -> date:
    if text is None:
        return now.date()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--date {text}: expected a date such as {now.date()}.") from error


def _show(report: DailyReport, name: str, lang: Language, *, as_json: bool, as_csv: bool) -> None:
    rows = [_in_language(row, lang) for row in report.sections[name]]
    if not (as_json or as_csv):
        rows = [{column: _said(column, value, lang) for column, value in row.items()} for row in rows]
    head, empty = words.HEADS[name], words.EMPTY.get(name)
    show_rows(
        rows,
        columns=tuple(words.COLUMNS[name]),
        title=getattr(head, lang.value),
        empty=getattr(empty, lang.value) if empty else "nothing",
        as_json=as_json,
        as_csv=as_csv,
    )


def _said(column: str, value: Cell, lang: Language) -> Cell:
    """The words of a cell that stands for something said, in a language."""
    said = column in words.SAID and isinstance(value, str)
    return getattr(words.word(str(value)), lang.value) if said else value


def _in_language(row: Mapping[str, Cell], lang: Language) -> dict[str, Cell]:
    """The row with its texts in one language."""
    texts = {name: row[f"{name}_{lang.value}"] for name in BILINGUAL if f"{name}_{lang.value}" in row}
    return {name: value for name, value in row.items() if not name.endswith(("_en", "_ja"))} | texts
