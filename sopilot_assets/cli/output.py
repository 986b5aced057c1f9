"""What people see: tables (or JSON, or CSV), progress, errors. Results go to stdout, all else to stderr."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from sopilot_assets.errors import ConfigError
from sopilot_assets.texts.cells import harmless_row

if TYPE_CHECKING:
    from sopilot_assets.store.ledgers import Cell

WIDE: Final = 160
"""Columns of a table that goes to a file or a pipe."""

QUIET_S: Final = 10.0
"""Seconds between two lines of progress where there is no terminal."""

STYLES: Final[Mapping[str, str]] = {
    "pass": "green",
    "needs_review": "yellow",
    "retrain": "yellow",
    "fail": "red",
    "not_verifiable": "magenta",
    "ok": "green",
    "warning": "yellow",
    "problem": "red",
    "accepted": "green",
    "duplicate": "cyan",
    "quarantined": "red",
    "✓": "green",
    "✗": "red",
}
"""How single words in cells are coloured."""


JSON_TEXT: Final = frozenset({"deviations", "suspected", "seen"})
"""Columns of ledgers that hold JSON as text."""

_CONTROLS: Final = dict.fromkeys({*range(32), *range(127, 160)} - {ord("\n"), ord("\t")}, "\ufffd")
"""Characters by which a name could command the terminal."""


def stdout() -> Console:
    """The console for results."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDE)


def stderr() -> Console:
    """The console for progress and errors."""
    console = Console(stderr=True, highlight=False)
    return console if console.is_terminal else Console(stderr=True, highlight=False, width=WIDE)


def say(text: str) -> None:
    """Print a line of rich markup among the results."""
    stdout().print(text)


def show_error(message: str) -> None:
    """Print an error message, in red where the terminal has colours."""
    console = stderr()
    console.print(f"[bold red]Error:[/bold red] {escape(message.translate(_CONTROLS))}", soft_wrap=True)


def show_warning(message: str) -> None:
    """Print something that is worth a look."""
    stderr().print(f"[yellow]Warning:[/yellow] {escape(message.translate(_CONTROLS))}", soft_wrap=True)


def show_rows(
    rows: Sequence[Mapping[str, Cell]],
    *,
    columns: Sequence[str],
    title: str = "",
    empty: str = "nothing",
    as_json: bool = False,
    as_csv: bool = False,
) -> None:
    """Print the rows: as a table of ``columns``, or as JSON or CSV with all that they hold."""
    if as_json and as_csv:
        raise ConfigError("--json and --csv: choose one of them.")
    if as_json:
        show_json([nested(row) for row in rows])
    elif as_csv:
        names = list(rows[0]) if rows else list(columns)
        writer = csv.DictWriter(sys.stdout, fieldnames=names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(harmless_row(row) for row in rows)
    elif rows:
        stdout().print(_table(rows, columns, title))
    else:
        stdout().print(f"{title}: {empty}" if title else empty)


def show_json(document: object) -> None:
    """Print JSON."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def nested(row: Mapping[str, Cell]) -> dict[str, object]:
    """The row with the lists that ledgers store as JSON text as lists."""
    return {
        name: json.loads(value) if name in JSON_TEXT and isinstance(value, str) and value else value
        for name, value in row.items()
    }


def _table(rows: Sequence[Mapping[str, Cell]], columns: Sequence[str], title: str) -> Table:
    table = Table(title=title or None, title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for name in columns:
        numbers = all(isinstance(row.get(name), int | float | None) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    return table


def _cell(value: Cell) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return _coloured("✓" if value else "✗")
    return _coloured(f"{value:.1f}" if isinstance(value, float) else str(value))


def _coloured(text: str) -> str:
    style = STYLES.get(text)
    text = text.translate(_CONTROLS)
    return f"[{style}]{escape(text)}[/{style}]" if style else escape(text)


class Bar:
    """The bar of one stage; calling it sets how much is done, of how much, and what is at work.

    Where there is no terminal, it is a line now and then.
    """

    def __init__(self, progress: Progress, console: Console, what: str) -> None:
        self._progress, self._console, self._what = progress, console, what
        self._task = progress.add_task(what, total=None)
        self._told_s = time.monotonic()

    def __call__(self, done: int, total: int, doing: str = "") -> None:
        shown = f"{self._what}: {escape(doing)}" if doing else self._what
        self._progress.update(self._task, completed=done, total=total, description=shown)
        if not self._console.is_terminal and time.monotonic() - self._told_s > QUIET_S:
            self._console.print(f"  {escape(doing)} {done} of {total}".replace("   ", "  "))
            self._told_s = time.monotonic()


@contextmanager
def stage(what: str) -> Iterator[Bar]:
    """A bar while one stage is at work, and a line with its time when it is done."""
    console, started_s = stderr(), time.monotonic()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    if not console.is_terminal:
        console.print(f"… {what}")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bar(progress, console, what)
    console.print(f"[green]✓[/green] {what} [dim]({time.monotonic() - started_s:.0f} s)[/dim]")
