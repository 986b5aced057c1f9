"""Step annotations of golds: who says when each step begins and ends, in ``steps.csv``."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Final

from upath import UPath

from sopilot_assets.documents.sheets import csv_sheet, seconds_in, sheet_text
from sopilot_assets.errors import GoldError
from sopilot_assets.reference.step_names import StepNames, folded, meant
from sopilot_assets.segments import Segment
from sopilot_assets.texts.languages import Text

COLUMNS: Final = ("video", "step", "start_s", "end_s")
_COLUMN_NAMES: Final = {
    **dict.fromkeys(("video", "file", "動画", "録画", "ファイル"), "video"),
    **dict.fromkeys(("step", "手順"), "step"),
    **dict.fromkeys(("start_s", "start", "begin", "from", "開始", "開始_s", "開始(秒)"), "start_s"),
    **dict.fromkeys(("end_s", "end", "to", "終了", "終了_s", "終了(秒)"), "end_s"),
}
"""What people call the columns, folded."""
OVERLAP_S: Final = 0.05
"""Steps may overlap by this much: times are rounded."""
MOST_TOLD: Final = 100
"""So many faults of a file are put into words: where each stands takes a while to find out."""
MORE: Final = Text("one more fault", "ほかの誤り")
"""A fault that is only counted."""
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
class _Told:
    """A time as a cell tells it."""

    text: str


@dataclass(frozen=True, slots=True)
class SaidStep:
    """What a file says of one step of one recording: ``where`` tells the place in the file, ``video`` and
    ``step`` are names as they stand there, ``start`` and ``end`` seconds. ``in_columns``: it is a row of a
    sheet, whose columns are named in messages.
    """

    where: Callable[[], Text]
    video: str
    step: str
    start: float | _Told
    end: float | _Told
    in_columns: bool = False


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
    path: UPath, steps: StepNames, golds: Sequence[GoldNames], *, source: str
) -> Annotations:
    """The annotated steps in a file, empty when there is no such file; ``source`` is its name in messages."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Annotations()
    except OSError as error:
        return Annotations(faults=(Text(*[f"{source}: cannot be read ({error.strerror})"] * 2),))
    return annotations_of(data, steps, golds, source=source)


def annotations_of(data: bytes, steps: StepNames, golds: Sequence[GoldNames], *, source: str) -> Annotations:
    """The annotated steps in the bytes of a sheet, which messages call ``source``."""
    try:
        rows, faults = sheet_steps(data, source=source)
    except GoldError as error:
        why = str(error).rstrip(".")
        return Annotations(faults=(Text(why, f"読めません（{why}）"),))
    return annotations_in(rows, steps, golds, source=source, faults=faults)


def sheet_steps(data: bytes, *, source: str) -> tuple[list[SaidStep], list[Text]]:
    """The rows of a sheet of steps, and what of it cannot be read; raises `GoldError` where it is no such
    sheet.
    """
    sheet = csv_sheet(
        sheet_text(data, source=source, refuse=GoldError),
        source=source,
        needed=COLUMNS,
        refuse=GoldError,
        advice="Mend the first line.",
        called=lambda name: _COLUMN_NAMES.get(folded(name), name),
    )
    faults = [Text(f"{source}, {one}", f"{source}, {one}") for one in sheet.faults]
    rows = [
        SaidStep(
            partial(_line, row.where),
            row.cells.get("video", ""),
            row.cells.get("step", ""),
            _Told(row.cells.get("start_s", "")),
            _Told(row.cells.get("end_s", "")),
            in_columns=True,
        )
        for row in sheet.rows
    ]
    return rows, faults


def _line(line: int) -> Text:
    return Text(f"line {line}", f"{line} 行目")


def annotations_in(
    rows: Sequence[SaidStep],
    steps: StepNames,
    golds: Sequence[GoldNames],
    *,
    source: str,
    faults: Sequence[Text] = (),
) -> Annotations:
    """What the rows of any file say of golds; ``faults`` are what was found before. Nothing is taken where
    there is one.
    """
    return _Reader(source, rows, steps, tuple(golds), list(faults)).read()


@dataclass(slots=True)
class _Row:
    said: SaidStep
    interval: StepInterval


@dataclass(slots=True)
class _Reader:
    """Checks the rows of one file; see `annotations_in`."""

    source: str
    rows: Sequence[SaidStep]
    steps: StepNames
    golds: tuple[GoldNames, ...]
    faults: list[Text]
    strangers: list[Text] = field(default_factory=list)

    def read(self) -> Annotations:
        found: dict[str, list[_Row]] = {}
        for name, rows in self._by_name().items():
            gold = self._gold(name, rows)
            for row in rows:
                interval = self._interval(row)
                if interval is not None and gold is not None and self._is_inside(row, interval, gold):
                    found.setdefault(gold.video_id, []).append(_Row(row, interval))
        ordered = {video_id: self._ordered(rows) for video_id, rows in found.items()}
        if self.faults:
            return Annotations(faults=tuple(self.faults), strangers=tuple(self.strangers))
        return Annotations(ordered, strangers=tuple(self.strangers))

    def _by_name(self) -> dict[str, list[SaidStep]]:
        named: dict[str, list[SaidStep]] = {}
        for row in self.rows:
            named.setdefault(row.video, []).append(row)
        return named

    def _gold(self, name: str, rows: Sequence[SaidStep]) -> GoldNames | None:
        """The gold that these rows are about; what is wrong with their name is told once, of the first."""
        called = golds_called(name, self.golds)
        if len(called) == 1:
            return called[0]
        more = len(rows) - 1
        en, ja = (f" ({more} more rows say so)", f"（ほか {more} 行も同じ）") if more else ("", "")
        if called:
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
        elif len(self.strangers) >= MOST_TOLD:
            self.strangers.append(MORE)
        else:
            near = meant(name, [shortest_name(gold, self.golds) for gold in self.golds])
            self.strangers.append(
                self._text(
                    rows[0],
                    "video",
                    f"no gold is called {name!r}{near.en}{en}",
                    f"{name!r} という名前のお手本はありません{near.ja}{ja}",
                )
            )
        return None

    def _interval(self, row: SaidStep) -> StepInterval | None:
        step = self.steps.find(row.step)
        if step is None:
            why = self.steps.unknown(row.step) if len(self.faults) < MOST_TOLD else MORE
            self._fault(row, "step", why.en, why.ja)
        start_s, end_s = self._seconds(row, row.start, "start_s"), self._seconds(row, row.end, "end_s")
        if start_s is None or end_s is None or step is None:
            return None
        if start_s < 0:
            self._fault(
                row,
                "start_s",
                f"expected a begin within the recording, found {start_s:g} s",
                f"開始が録画の始まりより前です（{start_s:g} 秒）",
            )
            return None
        if end_s <= start_s:
            self._fault(
                row,
                "end_s",
                f"expected an end after the start, found {start_s:g} s to {end_s:g} s",
                f"終了は開始より後でなければなりません（{start_s:g} 秒から {end_s:g} 秒）",
            )
            return None
        return StepInterval(step, Segment(start_s, end_s))

    def _seconds(self, row: SaidStep, told: float | _Told, column: str) -> float | None:
        if isinstance(told, float):
            return told
        value = seconds_in(told.text)
        if value is None:
            self._fault(
                row,
                column,
                f"expected seconds (66.4) or minutes and seconds (1:06.4), found {told.text!r}",
                f"秒（66.4）か分と秒（1:06.4）で書いてください。{told.text!r} は時刻として読めません",
            )
        return value

    def _is_inside(self, row: SaidStep, interval: StepInterval, gold: GoldNames) -> bool:
        end_s = interval.segment.end_s
        if not gold.duration_s or end_s <= gold.duration_s + PAST_END_S:
            return True
        frames = (
            ". Times are in seconds, not frames, from the beginning of this recording",
            "。フレーム番号ではなく、この録画の最初からの秒で書いてください",
        )
        en, ja = frames if row.in_columns else ("", "")
        self._fault(
            row,
            "end_s",
            f"expected an end within the {gold.duration_s:.1f} s of {gold.name}, found {end_s:g} s{en}",
            f"{gold.name} の長さは {gold.duration_s:.1f} 秒ですが、終了は {end_s:g} 秒です{ja}",
        )
        return False

    def _ordered(self, rows: list[_Row]) -> tuple[StepInterval, ...]:
        ordered = sorted(rows, key=lambda row: row.interval.segment)
        for one, other in pairwise(ordered):
            first, second = one.interval.segment, other.interval.segment
            if (first & second).duration_s <= OVERLAP_S:
                continue
            if len(self.faults) >= MOST_TOLD:
                self.faults.append(MORE)
            else:
                here, there = other.said.where(), one.said.where()
                self.faults.append(
                    Text(
                        f"{self.source}, {here.en}: the step from {second.start_s:g} s overlaps the one of "
                        f"{there.en}, which ends at {first.end_s:g} s",
                        f"{self.source} の {here.ja}：{second.start_s:g} 秒からの手順が {there.ja}の手順"
                        f"（{first.end_s:g} 秒まで）と重なっています",
                    )
                )
        return tuple(row.interval for row in ordered)

    def _fault(self, row: SaidStep, column: str, en: str, ja: str) -> None:
        told = len(self.faults) < MOST_TOLD
        self.faults.append(self._text(row, column, en, ja) if told else MORE)

    def _text(self, row: SaidStep, column: str, en: str, ja: str) -> Text:
        where = row.where()
        place, place_ja = (f", column {column}", f" {column} 列") if row.in_columns else ("", "")
        return Text(f"{self.source}, {where.en}{place}: {en}", f"{self.source} の {where.ja}{place_ja}：{ja}")


def golds_called(name: str, golds: Sequence[GoldNames]) -> list[GoldNames]:
    """The golds that are called so, by path."""
    return sorted((gold for gold in golds if gold.is_called(name)), key=lambda gold: gold.path)


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


def told(texts: Sequence[Text], most: int = 3) -> Iterator[Text]:
    """The first of these texts, and how many more there are."""
    yield from texts[:most]
    if len(texts) > most:
        yield Text(f"and {len(texts) - most} more", f"ほか {len(texts) - most} 件")
