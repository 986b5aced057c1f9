"""Step annotations of golds: who says when each step begins and ends, in ``steps.csv``."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from upath import UPath

from sopilot_assets.documents.sheets import Sheet, SheetRow, csv_sheet, seconds_in, sheet_text
from sopilot_assets.errors import GoldError
from sopilot_assets.segments import Segment
from sopilot_assets.texts.languages import Text

COLUMNS: Final = ("video", "step", "start_s", "end_s")
OVERLAP_S: Final = 0.05
"""Steps may overlap by this much: times are rounded."""
PAST_END_S: Final = 1.0
"""A step may end this much after the recording: people type whole seconds."""


@dataclass(frozen=True, slots=True)
class StepInterval:
    """One step of one gold: ``step`` is the index of the step in the task."""

    step: int
    segment: Segment


@dataclass(frozen=True, slots=True)
class GoldNames:
    """What a row may call a gold by: its video id, its hash, its partition key, its file name, or the end of
    ``path``, with the folders that it was dropped in. ``duration_s`` is 0 where it is not known.
    """

    video_id: str
    path: str
    duration_s: float
    others: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file name."""
        return _parts(self.path)[-1]

    def is_called(self, name: str) -> bool:
        """Whether a row with this name is about the gold; composed and decomposed letters are the same."""
        if name in (self.video_id, *self.others):
            return True
        parts = _parts(name)
        return bool(parts) and _parts(self.path)[-len(parts) :] == parts


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a ``steps.csv`` says: each gold's steps in order of time, by video id.

    Nothing of a file with ``faults`` is taken. ``strangers`` are rows whose video is none of the golds. Both
    name file, line and column.
    """

    steps: dict[str, tuple[StepInterval, ...]] = field(default_factory=dict)
    faults: tuple[Text, ...] = ()
    strangers: tuple[Text, ...] = ()


def read_annotations(
    path: UPath, step_ids: Sequence[str], golds: Sequence[GoldNames], *, source: str
) -> Annotations:
    """The annotated steps in a file, empty when there is no such file; ``source`` is its name in messages."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Annotations()
    except OSError as error:
        return Annotations(faults=(Text(*[f"{source}: cannot be read ({error.strerror})"] * 2),))
    return annotations_of(data, step_ids, golds, source=source)


def annotations_of(
    data: bytes, step_ids: Sequence[str], golds: Sequence[GoldNames], *, source: str
) -> Annotations:
    """The annotated steps in the bytes of a sheet, which messages call ``source``."""
    try:
        text = sheet_text(data, source=source, refuse=GoldError)
        sheet = csv_sheet(
            text, source=source, needed=COLUMNS, refuse=GoldError, advice="Mend the first line."
        )
    except GoldError as error:
        why = str(error).rstrip(".")
        return Annotations(faults=(Text(why, f"読めません（{why}）"),))
    return _Reader(sheet, tuple(step_ids), tuple(golds)).read()


@dataclass(slots=True)
class _Row:
    line: int
    interval: StepInterval


@dataclass(slots=True)
class _Reader:
    """Reads the rows of one file; see `read_annotations`."""

    sheet: Sheet
    step_ids: tuple[str, ...]
    golds: tuple[GoldNames, ...]
    faults: list[Text] = field(default_factory=list)
    strangers: list[Text] = field(default_factory=list)

    def read(self) -> Annotations:
        self.faults += [
            Text(f"{self.sheet.name}, {one}", f"{self.sheet.name}, {one}") for one in self.sheet.faults
        ]
        found: dict[str, list[_Row]] = {}
        for name, rows in self._by_name().items():
            gold = self._gold(name, rows)
            for row in rows:
                interval = self._interval(row)
                if interval is not None and gold is not None and self._is_inside(row, interval, gold):
                    found.setdefault(gold.video_id, []).append(_Row(row.where, interval))
        ordered = {video_id: self._ordered(rows) for video_id, rows in found.items()}
        if self.faults:
            return Annotations(faults=tuple(self.faults), strangers=tuple(self.strangers))
        return Annotations(ordered, strangers=tuple(self.strangers))

    def _by_name(self) -> dict[str, list[SheetRow]]:
        named: dict[str, list[SheetRow]] = {}
        for row in self.sheet.rows:
            named.setdefault(row.cells.get("video", ""), []).append(row)
        return named

    def _gold(self, name: str, rows: Sequence[SheetRow]) -> GoldNames | None:
        """The gold that these rows are about; what is wrong with their name is told once, of the first."""
        called = [gold for gold in self.golds if gold.is_called(name)]
        if len(called) == 1:
            return called[0]
        more = len(rows) - 1
        en, ja = (f" ({more} more rows say so)", f"（ほか {more} 行も同じ）") if more else ("", "")
        if called:
            called.sort(key=lambda gold: gold.path)
            example = shortest_name(called[0], called)
            ways = ", ".join(gold.path for gold in called)
            self._fault(
                rows[0],
                "video",
                f"{len(called)} golds are called {name!r}: {ways}. Name the folder too, as in {example}{en}",
                f"{name!r} という名前のお手本が {len(called)} 本あります：{ways}。"
                f"{example} のようにフォルダ名も書いてください{ja}",
            )
        elif not name:
            self._fault(
                rows[0],
                "video",
                f"expected the file name of a gold, found nothing{en}",
                f"お手本のファイル名がありません{ja}",
            )
        else:
            meant = _meant(name, [shortest_name(gold, self.golds) for gold in self.golds])
            self.strangers.append(
                self._text(
                    rows[0],
                    "video",
                    f"no gold is called {name!r}{meant.en}{en}",
                    f"{name!r} という名前のお手本はありません{meant.ja}{ja}",
                )
            )
        return None

    def _interval(self, row: SheetRow) -> StepInterval | None:
        step = row.cells.get("step", "")
        if step not in self.step_ids:
            meant, steps = _meant(step, self.step_ids), ", ".join(self.step_ids)
            self._fault(
                row,
                "step",
                f"expected one of the task's steps, found {step!r}{meant.en}; they are {steps}",
                f"{step!r} という手順はありません{meant.ja}。手順は {steps} です",
            )
        start_s, end_s = self._seconds(row, "start_s"), self._seconds(row, "end_s")
        if start_s is None or end_s is None or step not in self.step_ids:
            return None
        if end_s <= start_s:
            self._fault(
                row,
                "end_s",
                f"expected an end after the start, found {start_s:g} s to {end_s:g} s",
                f"終了は開始より後でなければなりません（{start_s:g} 秒から {end_s:g} 秒）",
            )
            return None
        return StepInterval(self.step_ids.index(step), Segment(start_s, end_s))

    def _seconds(self, row: SheetRow, column: str) -> float | None:
        text = row.cells.get(column, "")
        value = seconds_in(text)
        if value is None:
            self._fault(
                row,
                column,
                f"expected seconds (66.4) or minutes and seconds (1:06.4), found {text!r}",
                f"秒（66.4）か分と秒（1:06.4）で書いてください。{text!r} は時刻として読めません",
            )
        return value

    def _is_inside(self, row: SheetRow, interval: StepInterval, gold: GoldNames) -> bool:
        end_s = interval.segment.end_s
        if not gold.duration_s or end_s <= gold.duration_s + PAST_END_S:
            return True
        self._fault(
            row,
            "end_s",
            f"expected an end within the {gold.duration_s:.1f} s of {gold.name}, found {end_s:g} s. Times "
            "are in seconds, not frames, from the beginning of this recording",
            f"{gold.name} の長さは {gold.duration_s:.1f} 秒ですが、終了は {end_s:g} 秒です。"
            "フレーム番号ではなく、この録画の最初からの秒で書いてください",
        )
        return False

    def _ordered(self, rows: list[_Row]) -> tuple[StepInterval, ...]:
        ordered = sorted(rows, key=lambda row: row.interval.segment)
        for one, other in pairwise(ordered):
            first, second = one.interval.segment, other.interval.segment
            if (first & second).duration_s > OVERLAP_S:
                name, line = self.sheet.name, other.line
                self.faults.append(
                    Text(
                        f"{name}, line {line}: the step from {second.start_s:g} s overlaps the one of line "
                        f"{one.line}, which ends at {first.end_s:g} s",
                        f"{name} の {line} 行目：{second.start_s:g} 秒からの手順が {one.line} 行目の手順"
                        f"（{first.end_s:g} 秒まで）と重なっています",
                    )
                )
        return tuple(row.interval for row in ordered)

    def _fault(self, row: SheetRow, column: str, en: str, ja: str) -> None:
        self.faults.append(self._text(row, column, en, ja))

    def _text(self, row: SheetRow, column: str, en: str, ja: str) -> Text:
        name, line = self.sheet.name, row.where
        where_ja = f"{name} の {line} 行目 {column} 列"
        return Text(f"{name}, line {line}, column {column}: {en}", f"{where_ja}：{ja}")


def _parts(name: str) -> list[str]:
    """The folders and the name in a path, with letters composed (macOS writes them decomposed)."""
    plain = unicodedata.normalize("NFC", name).replace("\\", "/")
    return [part for part in (one.strip() for one in plain.split("/")) if part not in ("", ".")]


def shortest_name(gold: GoldNames, golds: Sequence[GoldNames]) -> str:
    """The shortest name, with as many folders as it takes, by which no other of the golds is called."""
    parts = _parts(gold.path)
    names = ["/".join(parts[-count:]) for count in range(1, len(parts) + 1)]
    others = [other for other in golds if other is not gold]
    return next((name for name in names if not any(o.is_called(name) for o in others)), gold.video_id)


def _meant(name: str, known: Sequence[str]) -> Text:
    """The known name that is nearest, as a question in brackets; nothing where none is near."""
    folded = {one.casefold(): one for one in known}
    plain = unicodedata.normalize("NFC", name).casefold()
    for near in difflib.get_close_matches(plain, folded, n=1):
        return Text(f" (did you mean {folded[near]}?)", f"（{folded[near]} ではありませんか）")
    return Text("", "")


def told(texts: Sequence[Text], most: int = 3) -> Iterator[Text]:
    """The first of these texts, and how many more there are."""
    yield from texts[:most]
    if len(texts) > most:
        yield Text(f"and {len(texts) - most} more", f"ほか {len(texts) - most} 件")
