"""Sheets: rows of text cells as spreadsheet programs save them as CSV."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sopilot_assets.errors import SopilotError

SEPARATORS: Final = (",", ";", "\t")
FAULTS_SHOWN: Final = 20
"""A column that is missing makes a fault in every row; this many are named."""
_SIXTY: Final = 60
_TOLD: Final = re.compile(r"\ufeff?\"?sep=([,;\t])\"?[ \t]*\r?\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row of a sheet: where it begins (a line of the CSV, or the number of the row in the JSON list),
    and its cells by column, without space around them.
    """

    where: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet as it lies there; ``unit`` is what ``where`` counts, ``faults`` are unreadable rows."""

    name: str
    unit: str
    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    faults: tuple[str, ...] = ()


def sheet_text(data: bytes, *, source: object, refuse: type[SopilotError]) -> str:
    """The text of a sheet in UTF-8, in UTF-16 with a byte-order mark, or as Excel saves CSV on a Japanese
    Windows (code page 932); raises ``refuse`` for other bytes.

    ``source`` is the name used in errors.
    """
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    wrong = data.find(b"\0") if encoding == "utf-8-sig" else -1
    text = ""
    if wrong < 0:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            wrong = error.start
            if encoding == "utf-8-sig":
                text = _japanese(data)
    if wrong >= 0 and not text:
        line = data[:wrong].count(b"\n") + 1
        raise refuse(
            f"{source}, line {line}: expected text in UTF-8, found other bytes. In Excel, save the sheet as "
            "'CSV UTF-8'."
        )
    return text


def _japanese(data: bytes) -> str:
    """The bytes as text in code page 932; empty where they are none."""
    try:
        return data.decode("cp932")
    except UnicodeDecodeError:
        return ""


def csv_sheet(
    text: str,
    *,
    source: object,
    needed: Sequence[str],
    refuse: type[SopilotError],
    advice: str,
    called: Callable[[str], str] = str,
) -> Sheet:
    """The rows of a sheet in CSV; rows without any text are left out, and so are columns without a name.

    Commas, semicolons and tabs separate cells, and any line ends are taken; ``called`` gives a column the
    name by which it is known. Raises ``refuse``, with ``advice`` on what to do, where the ``needed`` columns
    are not there, and for broken quotation marks.
    """
    lines = _records(text, source, refuse)
    where, header = next(lines, (1, []))
    columns = tuple(called(name.strip()) for name in header)
    named = [name for name in columns if name]
    if not set(needed) <= set(named) or len(set(named)) < len(named):
        raise refuse(
            f"{source}, line {where}: expected different names of columns, among them {', '.join(needed)}, "
            f"found {', '.join(named) or 'none'}. {advice}"
        )
    rows, faults = [], []
    for line, cells in lines:
        row = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if name}
        outside = [cell for place, cell in enumerate(cells) if place >= len(columns) or not columns[place]]
        if any(cell.strip() for cell in outside):
            faults.append(
                f"line {line}: expected text below named columns only, found {outside} beside them; "
                "put text that holds a separator into quotation marks"
            )
        elif any(row.values()):
            rows.append(SheetRow(line, row))
    return Sheet(str(source), "line", tuple(named), tuple(rows), tuple(faults))


def refusal(sheet: Sheet, faults: Sequence[str]) -> str:
    """What to say of a sheet of which nothing is taken: its first faults, and how many more there are."""
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    listed = [f"  {fault}" for fault in faults[:FAULTS_SHOWN]]
    if len(faults) > FAULTS_SHOWN:
        listed.append(f"  and {len(faults) - FAULTS_SHOWN} more")
    told = "\n".join(listed)
    return f"{sheet.name}: {count}, and nothing was taken. Mend them and try again.\n{told}"


def _records(text: str, source: object, refuse: type[SopilotError]) -> Iterator[tuple[int, list[str]]]:
    """The records that are not empty, each with the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise refuse(
                f"{source}, line {line}: expected CSV, found {error}; look at its quotation marks."
            ) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells) and not (line == 1 and _told_separator(text)):
            yield line, cells


def _separator(text: str) -> str:
    """The separator that the first line tells, as Excel reads it, else the one that splits most of the first
    line with text.
    """
    header = next((line for line in text.splitlines() if line.strip()), "")
    return _told_separator(text) or max(SEPARATORS, key=header.count)


def _told_separator(text: str) -> str:
    """The separator of a first line such as ``sep=;``; empty where there is none."""
    found = _TOLD.match(text)
    return found[1] if found else ""


_TIME: Final = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d+)?)")


def seconds_in(text: str) -> float | None:
    """The seconds that a cell says, with a decimal point or comma, as ``mm:ss`` or ``h:mm:ss`` too; None for
    anything else.

    >>> seconds_in("6.4"), seconds_in("6,4"), seconds_in("1:06,4"), seconds_in("0:01:06"), seconds_in("1:75")
    (6.4, 6.4, 66.4, 66.0, None)
    """
    found = _TIME.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    value = float(seconds.replace(",", "."))
    if (minutes and value >= _SIXTY) or (hours and int(minutes) >= _SIXTY):
        return None
    return (int(hours or 0) * _SIXTY + int(minutes or 0)) * _SIXTY + value


_MOMENT: Final = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(\d{1,2})(:\d{2}.*))?")


def moment_in(text: str, *, local: Callable[[datetime], datetime]) -> datetime | None:
    """The moment that a cell says, the year first as ISO 8601 and spreadsheets write it; one that names no
    time zone gets it from ``local``. None for anything else.

    >>> [str(moment_in(text, local=lambda it: it)) for text in ("2026/3/2 8:15", "2026-03-02T08:15+09:00")]
    ['2026-03-02 08:15:00', '2026-03-02 08:15:00+09:00']
    """
    found = _MOMENT.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if found is None:
        return None
    year, month, day, hour, rest = found.groups()
    clock = f"T{hour:0>2}{rest.replace(' ', '')}" if hour else ""
    try:
        moment = datetime.fromisoformat(f"{year}-{month:0>2}-{day:0>2}{clock}")
        moment = moment if moment.tzinfo else local(moment)
        moment.astimezone(UTC)
    except (ValueError, OverflowError):  # also for one that is in no year of UTC
        return None
    return moment
