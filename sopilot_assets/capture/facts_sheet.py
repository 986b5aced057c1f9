"""A sheet that says who is seen in many recordings, when and where: read as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from sopilot_assets.capture.facts import facts_of
from sopilot_assets.capture.registry import Recording, find_recordings, unmistakable_names
from sopilot_assets.capture.sidecar import Label, Sidecar
from sopilot_assets.documents.sheets import Sheet, SheetRow, csv_sheet, moment_in, refusal, sheet_text
from sopilot_assets.errors import ConfigError
from sopilot_assets.texts.names import composed

NAMES: Final = ("recording", "file", "key")
"""The columns that may name the recording; the first of them that is there counts."""
TEXTS: Final = ("person", "session", "site", "camera")
RECORDED_AT: Final = "recorded_at"

_ADVICE: Final = (
    f"Name recordings in a column {' or '.join(NAMES)}, and facts in columns "
    f"{', '.join((*TEXTS, RECORDED_AT))}; "
    "`sopilot recording list --csv` writes a sheet to fill in."
)
_LABEL: Final[TypeAdapter[str]] = TypeAdapter(Label)


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """What a sheet says, by partition key, and its columns that say nothing of a recording."""

    facts: Mapping[str, Mapping[str, str | None]]
    unread: tuple[str, ...]


def read_facts(
    path: Path, recordings: Mapping[str, Recording], *, local: Callable[[datetime], datetime]
) -> SheetFacts:
    """The facts in a CSV sheet, as spreadsheet programs save it; an empty cell says nothing.

    ``recordings`` are all that may be named, by key; ``local`` gives a time its zone where the cell names
    none. Raises
    ``ConfigError`` with every fault by line and column; then nothing of the sheet may be taken.
    """
    try:
        text = sheet_text(path.read_bytes(), source=path, refuse=ConfigError)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}). Name a sheet.") from error
    sheet = csv_sheet(text, source=path, needed=(), refuse=ConfigError, advice=_ADVICE)
    naming = next((name for name in NAMES if name in sheet.columns), None)
    told = [name for name in (*TEXTS, RECORDED_AT) if name in sheet.columns]
    if naming is None or not told:
        found = ", ".join(sheet.columns) or "none"
        raise ConfigError(f"{path}: expected columns of names and of facts, found {found}. {_ADVICE}")
    reader = _Reader(sheet, naming, recordings, local, list(sheet.faults))
    facts = reader.read()
    if not (facts or reader.faults):
        raise ConfigError(f"{path}: expected rows that say something of a recording, found none.")
    if reader.faults:
        raise ConfigError(refusal(sheet, reader.faults))
    return SheetFacts(facts, tuple(name for name in sheet.columns if name not in (*NAMES, *told)))


@dataclass(slots=True)
class _Reader:
    """Reads the rows of one sheet; see `read_facts`."""

    sheet: Sheet
    naming: str
    recordings: Mapping[str, Recording]
    local: Callable[[datetime], datetime]
    faults: list[str]
    _lines: dict[str, int] = field(default_factory=dict)

    def read(self) -> dict[str, Mapping[str, str | None]]:
        found: dict[str, Mapping[str, str | None]] = {}
        names = unmistakable_names(self.recordings)
        for row in self.sheet.rows:
            key, facts = self._key(row, names), self._facts(row)
            if key is not None and facts:
                found[key] = facts
        return found

    def _key(self, row: SheetRow, names: Mapping[str, str]) -> str | None:
        name = row.cells.get(self.naming, "")
        try:
            key = names.get(composed(name)) or find_recordings(self.recordings, [name])[0]
        except ConfigError as error:
            self._fault(row, self.naming, str(error))
            return None
        first = self._lines.setdefault(key, row.where)
        if first != row.where:
            self._fault(row, self.naming, f"{key} is in line {first} already; leave one of the two")
        return key

    def _facts(self, row: SheetRow) -> dict[str, str | None]:
        facts: dict[str, str | None] = {}
        for name in TEXTS:
            if text := row.cells.get(name, ""):
                try:
                    facts[name] = _LABEL.validate_python(text)
                except ValidationError as error:
                    self._fault(row, name, error.errors()[0]["msg"])
        if text := row.cells.get(RECORDED_AT, ""):
            moment = moment_in(text, local=self.local)
            if moment is None:
                self._fault(
                    row,
                    RECORDED_AT,
                    f"expected a time such as 2026-03-02 08:15, the year first, found {text!r}",
                )
            facts |= facts_of(Sidecar(recorded_at=moment))
        return facts

    def _fault(self, row: SheetRow, column: str, what: str) -> None:
        self.faults.append(f"{self.sheet.unit} {row.where}, column {column}: {what}")
