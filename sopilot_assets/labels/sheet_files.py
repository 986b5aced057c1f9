"""Sheets of labels as files: rows of text cells in CSV, also as Excel saves it, or in JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sopilot_assets.documents.sheets import Sheet, SheetRow, csv_sheet, sheet_text
from sopilot_assets.errors import LabelError
from sopilot_assets.store.publish import publish_bytes

SUFFIXES: Final = (".csv", ".json")
_NEEDED: Final = ("key",)
"""The column by which the header is recognised."""
_ADVICE: Final = "`sopilot label prepare` writes a sheet to fill in."


def read_sheet(path: Path) -> Sheet:
    """The rows of a ``.csv`` or ``.json`` sheet; rows without any text are left out.

    CSV may have a byte-order mark, commas, semicolons or tabs, and any line ends. Raises ``LabelError``.
    """
    check_suffix(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LabelError(f"{path}: cannot be read ({error.strerror}). Name a sheet.") from error
    text = sheet_text(data, source=path, refuse=LabelError)
    if path.suffix.lower() == ".json":
        return _json(text, path)
    return csv_sheet(text, source=path, needed=_NEEDED, refuse=LabelError, advice=_ADVICE)


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


def _json(text: str, path: Path) -> Sheet:
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise LabelError(f"{path}: expected JSON, found {error}. {_ADVICE}") from error
    rows = content.get("rows") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise LabelError(f'{path}: expected {{"rows": [...]}}, found no list of rows. {_ADVICE}')
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
