"""Sheets that people fill in: written as templates, taken in as drafts of label events."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from pydantic import ValidationError

from sopilot_assets.capture.registry import find_key
from sopilot_assets.documents.sheets import Sheet, SheetRow, refusal
from sopilot_assets.errors import ConfigError, LabelError
from sopilot_assets.labels import cells
from sopilot_assets.labels.cells import CellError
from sopilot_assets.labels.disputes import BY_PEOPLE
from sopilot_assets.labels.events import Draft, LabelEvent, Source
from sopilot_assets.labels.recordings import RecordingToLabel
from sopilot_assets.labels.sheet_files import read_sheet, write_sheet
from sopilot_assets.store.chain import WHO_PATTERN
from sopilot_assets.texts.cells import harmless

BLIND_COLUMNS: Final = ("key", "video", "who", "source", "critical_expected", "seen", "note")
FINDINGS_COLUMNS: Final = (
    "key",
    "name",
    "video",
    "page",
    "decision",
    "score",
    "who",
    "source",
    "critical_expected",
    "verdict",
    "deviations",
    "seen",
    "note",
)
PEOPLE_FILL: Final = ("critical_expected", "verdict", "deviations", "seen", "note")
"""The columns that people fill in; everything else is written for them.

A blind sheet shows neither findings nor the file name, which may say what was done wrong on purpose.
"""

_GIVES_AWAY: Final = tuple(name for name in FINDINGS_COLUMNS if name not in BLIND_COLUMNS)
_NEEDED: Final = ("key", "critical_expected")


@dataclass(frozen=True, slots=True)
class Written:
    """What a template holds: rows in all, rows that are new in it, and rows that somebody filled in."""

    path: Path
    rows: int
    added: int
    filled: int


def write_template(
    path: Path,
    recordings: Sequence[RecordingToLabel],
    *,
    source: Source,
    who: str,
    said: Mapping[str, LabelEvent] | None = None,
) -> Written:
    """Write a sheet to fill in, with a row for each of the recordings; ``said`` are answers to fill in
    already, by key.

    A sheet that is there already keeps its rows and all that people filled in; other recordings are added
    below. Raises ``LabelError``, and leaves it as it is, where it is another kind of sheet.
    """
    if source not in BY_PEOPLE:
        raise LabelError(f"a sheet is of source {' or '.join(BY_PEOPLE)}, found {source.value}.")
    columns = BLIND_COLUMNS if source is Source.BLIND_HUMAN else FINDINGS_COLUMNS
    old = _kept_rows(path, columns, source, who)
    fresh = {one.key: template_row(one, source, who, (said or {}).get(one.key)) for one in recordings}
    rows = [_merged(row, fresh.get(row["key"])) for row in old]
    known = {row["key"] for row in old}
    added = [row for key, row in fresh.items() if key not in known]
    write_sheet(path, columns, [*rows, *added])
    every = [*rows, *added]
    return Written(path, len(every), len(added), sum(is_filled(row) for row in every))


def sheet_drafts(
    sheet: Sheet,
    *,
    task_id: str,
    steps: Collection[str],
    recordings: Mapping[str, RecordingToLabel],
    at: str,
    who: str | None = None,
    source: Source | None = None,
    adjudicates: bool = False,
) -> list[Draft]:
    """The labels in a filled-in sheet; rows that nobody filled in are left out.

    ``steps`` are those of the task, ``recordings`` all it knows by key, ``at`` the time of the labels.
    ``who`` and ``source`` are for rows that do not say; ``adjudicates``: all rows settle what others disagree
    on. Raises ``LabelError`` with the faults by line and column; then nothing of the sheet may be taken.
    """
    faults = [*_column_faults(sheet), *sheet.faults]
    drafts: list[Draft] = []
    seen: dict[tuple[str, str], int] = {}
    file_names = {key: one.name for key, one in recordings.items()}
    reader = _Reader(sheet, task_id, steps, recordings, file_names, at, who, source, adjudicates)
    for row in sheet.rows:
        if not is_filled(row.cells):
            continue
        draft, wrong = reader.draft(row)
        faults += wrong
        if draft is None:
            continue
        first = seen.setdefault((draft.who, draft.key), row.where)
        if first != row.where:
            faults.append(
                f"{sheet.unit} {row.where}, column key: {draft.key} is labeled in {sheet.unit} {first} "
                f"already by {draft.who}; leave one of the two"
            )
        drafts.append(draft)
    if faults:
        raise LabelError(refusal(sheet, faults))
    return drafts


def is_filled(row: Mapping[str, str]) -> bool:
    """Whether a person filled in anything of the row; questions without an answer are not."""
    return any(row.get(name) for name in PEOPLE_FILL if name != "deviations") or _of_the_decision(row)


def _of_the_decision(row: Mapping[str, str]) -> bool:
    """Whether somebody says something of the decision, or of what was found; only questions are nothing."""
    asked = row.get("deviations", "").split()
    return bool(row.get("verdict")) or any(not word.endswith(f"={cells.OPEN}") for word in asked)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the rows of one sheet; see `sheet_drafts`."""

    sheet: Sheet
    task_id: str
    steps: Collection[str]
    recordings: Mapping[str, RecordingToLabel]
    file_names: Mapping[str, str]
    at: str
    who: str | None
    source: Source | None
    adjudicates: bool

    def draft(self, row: SheetRow) -> tuple[Draft | None, list[str]]:
        """The label in a row, or its faults."""
        parsers: dict[str, Callable[[str], object]] = {
            "key": lambda text: find_key(text, self.file_names),
            "who": self._who,
            "source": self._source,
            "critical_expected": cells.answer,
            "verdict": cells.verdict,
            "deviations": lambda text: cells.agreements(text, self.steps),
            "seen": lambda text: cells.seen(text, self.steps),
            "note": str,
        }
        values: dict[str, object] = {}
        faults: list[str] = []
        for column, parse in parsers.items():
            try:
                values[column] = parse(row.cells.get(column, ""))
            except (CellError, ConfigError) as error:
                faults.append(self._fault(row, column, str(error)))
        if faults:
            return None, faults
        video, own = row.cells.get("video", ""), self.recordings[str(values["key"])].video
        if video and own and PurePath(video).name != PurePath(own).name:
            what = (
                f"expected {own}, the video of this key, found {video!r}; were cells sorted or moved apart?"
            )
            return None, [self._fault(row, "video", what)]
        shown, now = row.cells.get("decision", ""), self.recordings[str(values["key"])].decision
        if shown and shown != now and _of_the_decision(row.cells):
            what = (
                f"expected {now or 'none'}, as it is by now, found {shown}; look at it again, and empty "
                "verdict and deviations, or the whole row and write the sheet again"
            )
            return None, [self._fault(row, "decision", what)]
        fixed = {"task_id": self.task_id, "at": self.at, "adjudicates": self.adjudicates}
        try:
            return Draft.model_validate({**values, **fixed}), []
        except ValidationError as error:
            return None, [
                self._fault(row, str(one["loc"][0]) if one["loc"] else "source", f"{one['msg']}")
                for one in error.errors()
            ]

    def _fault(self, row: SheetRow, column: str, what: str) -> str:
        return f"{self.sheet.unit} {row.where}, column {column}: {what}"

    def _who(self, text: str) -> str:
        who = text or self.who
        if not who:
            raise CellError("expected the id of who labeled, found nothing; fill it in or name it by --who")
        if not re.fullmatch(WHO_PATTERN, who):
            raise CellError(f'expected an id of at most 64 characters without spaces or , ; ", found {who!r}')
        return who

    def _source(self, text: str) -> Source:
        name = text or (self.source or "")
        if name not in BY_PEOPLE:
            found = name or "nothing; fill it in or name it by --source"
            raise CellError(f"expected {' or '.join(BY_PEOPLE)}, found {found}")
        shown = [column for column in self.sheet.columns if column in _GIVES_AWAY]
        if name == Source.BLIND_HUMAN and shown:
            raise CellError(
                f"expected a blind sheet to be without the columns {', '.join(shown)}; with them in view a "
                f"label is of source {Source.HUMAN.value}"
            )
        return Source(name)


def template_row(
    one: RecordingToLabel, source: Source, who: str, said: LabelEvent | None = None
) -> dict[str, str]:
    """The row of a recording in a sheet of either kind; the blind sheet has fewer columns."""
    blind = source is Source.BLIND_HUMAN
    answers = cells.cells_of(said, one.findings) if said else {"deviations": cells.questions(one.findings)}
    row = {
        "key": one.key,
        "name": harmless(one.name),
        "video": one.video,
        "page": one.page,
        "decision": one.decision,
        "score": "" if one.score is None else f"{one.score:.1f}",
        "who": who,
        "source": source.value,
        **answers,
    }
    return {name: row.get(name, "") for name in (BLIND_COLUMNS if blind else FINDINGS_COLUMNS)}


def _merged(old: Mapping[str, str], fresh: Mapping[str, str] | None) -> Mapping[str, str]:
    """The row with what is known now and what people filled in, or said already."""
    if fresh is None:
        return old
    kept = (*PEOPLE_FILL, "who", "source") if is_filled(old) else ("who", "source")
    of_it = ("decision", "score") if _of_the_decision(old) else ()
    return {**fresh, **{name: old[name] for name in (*kept, *of_it) if old.get(name)}}


def _kept_rows(path: Path, columns: Sequence[str], source: Source, who: str) -> list[Mapping[str, str]]:
    """The rows of the sheet that is there already."""
    if not path.exists():
        return []
    sheet = read_sheet(path)
    if sheet.faults:
        raise LabelError(
            f"{path}: there is a sheet with rows that cannot be kept: {'; '.join(sheet.faults)}."
        )
    other = [row.cells["source"] for row in sheet.rows if row.cells.get("source") not in (source, "", None)]
    odd = [name for name in sheet.columns if name not in columns]
    if odd or other:
        found = f"the columns {', '.join(odd)}" if odd else f"rows of source {other[0]}"
        raise LabelError(
            f"{path}: expected a sheet of source {source.value}, found {found}. It was left as it is; name "
            "another file."
        )
    others = sorted({row.cells.get("who", "") for row in sheet.rows} - {who, ""})
    if others:
        raise LabelError(
            f"{path}: expected the sheet of {who}, found that of {', '.join(others)}. It was left as it is; "
            "name another file."
        )
    return [row.cells for row in sheet.rows]


def _column_faults(sheet: Sheet) -> list[str]:
    if not sheet.rows:
        return []
    unknown = [name for name in sheet.columns if name not in FINDINGS_COLUMNS]
    missing = [name for name in _NEEDED if name not in sheet.columns]
    faults = [f"column {name}: expected one of {', '.join(FINDINGS_COLUMNS)}" for name in unknown]
    return faults + [f"column {name}: expected such a column, found none" for name in missing]
