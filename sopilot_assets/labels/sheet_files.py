"""Sheets as files: rows of text cells in CSV, also as Excel saves it, or in JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sopilot_assets.errors import LabelError
from sopilot_assets.store.publish import publish_bytes

SUFFIXES: Final = (".csv", ".json")
SEPARATORS: Final = (",", ";", "\t")
_NAMED: Final = "key"
"""The column by which the header is recognised."""


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


def read_sheet(path: Path) -> Sheet:
    """The rows of a ``.csv`` or ``.json`` sheet; rows without any text are left out.

    CSV may have a byte-order mark, commas, semicolons or tabs, and any line ends. Raises ``LabelError``.
    """
    check_suffix(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LabelError(f"{path}: cannot be read ({error.strerror}). Name a sheet.") from error
    text = _text(data, path)
    return _json(text, path) if path.suffix.lower() == ".json" else _csv(text, path)


def one_row(name: str, cells: Mapping[str, str]) -> Sheet:
    """A sheet of one row, not from a file."""
    return Sheet(name, "row", tuple(cells), (SheetRow(1, cells),))


def write_sheet(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Publish a sheet; the same rows give the same bytes. CSV gets a byte-order mark, by which Excel
    recognises UTF-8.
    """
    check_suffix(path)
    if path.suffix.lower() == ".json":
        cells = [{name: row.get(name, "") for name in columns} for row in rows]
        text = json.dumps({"rows": cells}, ensure_ascii=False, indent=1) + "\n"
        publish_bytes(path, text.encode())
        return
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(columns), lineterminator="\r\n", restval="")
    writer.writeheader()
    writer.writerows({name: row.get(name, "") for name in columns} for row in rows)
    publish_bytes(path, out.getvalue().encode("utf-8-sig"))


def check_suffix(path: Path) -> None:
    """Raise ``LabelError`` unless the file is called like a sheet."""
    if path.suffix.lower() not in SUFFIXES:
        raise LabelError(f"{path}: expected a sheet that ends in {' or '.join(SUFFIXES)}.")


def _text(data: bytes, path: Path) -> str:
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise LabelError(
            f"{path}, line {line}: expected text in UTF-8, found other bytes. In Excel, save the sheet as "
            "'CSV UTF-8'."
        ) from error


def _csv(text: str, path: Path) -> Sheet:
    lines = _records(text, path)
    where, header = next(lines, (1, []))
    columns = tuple(name.strip() for name in header)
    named = [name for name in columns if name]
    if _NAMED not in named or len(set(named)) < len(named):
        raise LabelError(
            f"{path}, line {where}: expected different names of columns, among them {_NAMED}, found "
            f"{', '.join(named) or 'none'}. `sopilot label prepare` writes a sheet to fill in."
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
    return Sheet(str(path), "line", tuple(named), tuple(rows), tuple(faults))


def _records(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The records that are not empty, each with the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise LabelError(
                f"{path}, line {line}: expected CSV, found {error}; look at its quotation marks."
            ) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, cells


def _separator(text: str) -> str:
    """The separator that splits most of the first line with text."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(SEPARATORS, key=header.count)


def _json(text: str, path: Path) -> Sheet:
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise LabelError(f"{path}: expected JSON, found {error}.") from error
    rows = content.get("rows") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise LabelError(f'{path}: expected {{"rows": [...]}}, found no list of rows.')
    columns: dict[str, None] = {}
    read, faults = [], []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not all(_is_cell(value) for value in row.values()):
            faults.append(
                f"row {number}: expected an object of texts, yes/no values or lists of texts, "
                f"found {json.dumps(row, ensure_ascii=False)[:120]}"
            )
            continue
        cells = {name: _cell_text(value) for name, value in row.items()}
        columns |= dict.fromkeys(cells)
        if any(cells.values()):
            read.append(SheetRow(number, cells))
    return Sheet(str(path), "row", tuple(columns), tuple(read), tuple(faults))


def _is_cell(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(part, str) for part in value)
    return value is None or isinstance(value, str | bool)


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value) if isinstance(value, list) else str(value).strip()
