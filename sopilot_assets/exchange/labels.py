"""Labels from the files of other tools, as rows of a blind sheet, and labels to be written for them.

A deviation is an interval or moment whose name is its type and its steps, ``missing_step:open_cover``, by any
of their names; it is seen when the interval begins, or at no moment where it spans the whole recording.
Whether there is a critical deviation is said by ``critical:yes`` (``no``, ``unsure``), or by a tier or
question that is called ``critical``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.documents.sheets import Sheet, SheetRow
from sopilot_assets.exchange.formats import FileFormat, ReadFile, format_of
from sopilot_assets.exchange.recordings import PicturesOf, recording_of
from sopilot_assets.exchange.said import (
    Faults,
    MarkedInterval,
    MarkedVideo,
    SaidInterval,
    SaidVideo,
    refusal,
    said_at,
    several_people,
)
from sopilot_assets.labels.cells import answer_text
from sopilot_assets.labels.events import LabelEvent
from sopilot_assets.reference.annotations import GoldNames, golds_called
from sopilot_assets.reference.step_names import StepNames, folded, meant
from sopilot_assets.scoring.review.words import TYPES
from sopilot_assets.tasks import DeviationType
from sopilot_assets.texts.languages import Text

COLUMNS: Final = ("key", "critical_expected", "seen", "note")
CRITICAL: Final = "critical"
_CRITICAL: Final = frozenset({CRITICAL, "critical_expected", "重大", "重大な逸脱"})
_NOTE: Final = frozenset({"note", "comment", "備考", "メモ", "コメント"})
_TIERS: Final = frozenset({"deviations", "deviation", "逸脱"})
"""Tiers in which every name has to be a deviation, folded."""
_TYPES: Final = {
    folded(name): kind for kind, text in TYPES.items() for name in (kind.value, text.en, text.ja)
}
_WHOLE_MS: Final = 1
"""An interval that ends so near to the end, and begins with it, spans the whole recording."""


@dataclass(frozen=True, slots=True)
class SaidLabels:
    """The rows of a blind sheet that files say, and what was left out or should be looked at."""

    sheet: Sheet
    remarks: tuple[Text, ...]


def labels_in(
    files: Sequence[ReadFile],
    steps: StepNames,
    recordings: Sequence[GoldNames],
    *,
    pictures_of: PicturesOf,
) -> SaidLabels:
    """The labels that files say of ``recordings``, a row for each.

    Raises ``ExchangeError`` with every fault of all files; then nothing may be taken.
    """
    reader = _Reader(steps, recordings, pictures_of)
    for file in files:
        reader.read(file)
    return reader.done(files[0].source)


class _Reader:
    def __init__(self, steps: StepNames, recordings: Sequence[GoldNames], pictures_of: PicturesOf) -> None:
        self.steps, self.recordings, self.pictures_of = steps, recordings, pictures_of
        self.rows: list[SheetRow] = []
        self.faults: list[Text] = []
        self.remarks: list[Text] = []

    def done(self, source: str) -> SaidLabels:
        if self.faults:
            raise refusal(self.faults)
        if not self.rows:
            en = "expected labels (critical:yes, or deviations such as missing_step:STEP), found none"
            ja = "評価（critical:yes や missing_step:手順 など）がありません"
            raise refusal([Text(f"{source}: {en}", f"{source}：{ja}")])
        return SaidLabels(Sheet(source, "part", COLUMNS, tuple(self.rows)), tuple(self.remarks))

    def read(self, file: ReadFile) -> None:
        faults = Faults(file.source)
        if file.said is None:
            faults.stop(
                "expected a file of another tool; a sheet of labels is read by itself",
                "評価の表は単独のファイルで取り込んでください",
            )
        for video in file.said.videos:
            self._video(file.source, video, faults)
        self.remarks += said_at(file.source, file.said.left_out)
        self.faults += faults.found

    def _video(self, source: str, video: SaidVideo, faults: Faults) -> None:
        found = recording_of(video, self.recordings)
        said = _Said.of(video, self.steps, faults)
        if said is None:
            nothing = Text(f"nothing is said of {video.name!r}", f"{video.name!r} の評価はありません")
            self.remarks += said_at(source, [nothing])
            return
        self.remarks += said_at(source, (*found.remarks, *said.left))
        gold = found.gold
        if gold is None:
            why = self._unknown(found.name)
            faults.add(video.where, why.en, why.ja)
            return
        words = [f"{name}{self._moment(one, gold, faults)}" for name, one in said.deviations]
        cells = {
            "key": gold.others[0],
            "critical_expected": said.critical,
            "seen": " ".join(words),
            "note": said.note,
        }
        self.rows.append(SheetRow(len(self.rows) + 1, cells))

    def _unknown(self, name: str) -> Text:
        """Why no recording is meant by a name."""
        if called := golds_called(name, self.recordings):
            keys = ", ".join(one.others[0] for one in called)
            return Text(
                f"{len(called)} recordings are called {name!r}: {keys}; call the one you mean by its key",
                f"{name!r} という録画が {len(called)} 件あります：{keys}。キーで指定してください",
            )
        near = meant(name, [one.name for one in self.recordings])
        return Text(
            f"expected a recording to label, found {name!r}{near.en}",
            f"評価する録画に {name!r} はありません{near.ja}",
        )

    def _moment(self, one: SaidInterval, gold: GoldNames, faults: Faults) -> str:
        """When a deviation is seen, as a cell says it; nothing for one that spans the whole recording."""
        end_ms = None if one.end is None else one.end.ms
        start_ms, lasts_ms = one.start.ms, round(gold.duration_s * 1000)
        if one.start.frame is not None:
            pictures = self.pictures_of(gold)
            lasts_ms = pictures.end_ms
            start_ms, end_ms = pictures.times_of(one.start, one.end or one.start)
        if start_ms is None or start_ms < 0 or (lasts_ms and start_ms > lasts_ms):
            faults.add(
                one.where,
                f"expected {one.name!r} within the {lasts_ms / 1000:.1f} s of {gold.name}",
                f"{one.name!r} の時刻が {gold.name} の長さ（{lasts_ms / 1000:.1f} 秒）を超えています",
            )
            return ""
        whole = start_ms == 0 and end_ms is not None and lasts_ms and abs(end_ms - lasts_ms) <= _WHOLE_MS
        return "" if whole else f"@{start_ms // 1000}.{start_ms % 1000:03d}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class _Said:
    """What is said of one recording: the answer, deviations by their words, a note, and what was left out."""

    critical: str
    deviations: tuple[tuple[str, SaidInterval], ...]
    note: str
    left: tuple[Text, ...]

    @classmethod
    def of(cls, video: SaidVideo, steps: StepNames, faults: Faults) -> _Said | None:
        """What the intervals and answers of a recording say; None for nothing."""
        critical = [value for name, value in video.answers if folded(name) in _CRITICAL]
        notes = [value for name, value in video.answers if folded(name) in _NOTE]
        deviations, left = [], []
        annotators: set[str] = set()
        for one in video.intervals:
            name, _, value = one.name.partition(":")
            if folded(one.tier) in _CRITICAL:
                critical.append(one.name)
            elif folded(name) in _CRITICAL:
                critical.append(value.strip() or "yes")
            elif folded(one.tier) in _NOTE:
                notes.append(one.name)
            elif word := _deviation(one, steps, faults):
                deviations.append((word, one))
            else:
                left.append(one.name)
                continue
            annotators.add(one.annotator)
        if not critical and not deviations:
            return None
        if several := several_people(annotators):
            faults.add(video.where, several.en, several.ja)
        if len(set(map(folded, critical))) > 1:
            told = ", ".join(critical)
            faults.add(
                video.where,
                f"expected one answer whether there is a critical deviation, found {told}",
                f"重大な逸脱の有無について異なる答えがあります：{told}",
            )
        return cls(critical[0] if critical else "", tuple(deviations), " ".join(notes), _left(left))


def _left(names: Sequence[str]) -> tuple[Text, ...]:
    if not names:
        return ()
    listed = ", ".join(dict.fromkeys(names))
    en = f"not read, since these are no deviations: {listed}"
    return (Text(en, f"逸脱ではないため読みませんでした：{listed}"),)


def _deviation(one: SaidInterval, steps: StepNames, faults: Faults) -> str | None:
    """The word of a deviation as a sheet says it; None for a name that is none."""
    name, _, rest = one.name.partition(":")
    kind = _TYPES.get(folded(name))
    if kind is None:
        known = tuple(DeviationType)
        near = meant(name, known)
        if near.en or folded(one.tier) in _TIERS:
            listed = ", ".join(known)
            faults.add(
                one.where,
                f"expected a deviation, found {one.name!r}{near.en}; they are {listed}",
                f"{one.name!r} という逸脱はありません{near.ja}。逸脱は {listed} です",
            )
        return None
    named = [step.strip() for step in rest.replace("|", "+").split("+") if step.strip()]
    places = [steps.find(step) for step in named]
    for step, place in zip(named, places, strict=True):
        if place is None:
            why = steps.unknown(step)
            faults.add(one.where, why.en, why.ja)
    ids = "+".join(steps.ids[place] for place in places if place is not None)
    return f"{kind.value}:{ids}" if ids else kind.value


def is_label_sheet(data: bytes) -> bool:
    """Whether a file that is called like a sheet of labels is one, and no export of another tool."""
    form = format_of(data)
    if form is not FileFormat.LABEL_STUDIO:
        return form is FileFormat.CSV
    rows = b'"rows"' in data or b'"key"' in data
    return rows and not (b'"annotations"' in data or b"timelinelabels" in data)


def marked_labels(event: LabelEvent, end_ms: int) -> Iterator[MarkedInterval]:
    """A label as intervals of a recording that ends at ``end_ms``: the answer and what has no moment span all
    of it, a moment lasts a millisecond. The note is left out.
    """
    yield MarkedInterval(f"{CRITICAL}:{answer_text(event.critical_expected)}", 0, end_ms)
    for one in event.seen:
        name = str(one).partition("@")[0]
        if one.at_s is None:
            yield MarkedInterval(name, 0, end_ms)
        else:
            start_ms = min(round(one.at_s * 1000), end_ms - 1)
            yield MarkedInterval(name, start_ms, start_ms + 1)


def names_of(step_ids: Sequence[str], videos: Sequence[MarkedVideo]) -> tuple[str, ...]:
    """The names that labels of a task may have, those in ``videos`` included."""
    used = (one.name for video in videos for one in video.intervals)
    answers = [f"{CRITICAL}:{answer_text(value)}" for value in (True, False, None)]
    missing = [f"{DeviationType.MISSING_STEP.value}:{step}" for step in step_ids]
    return tuple(dict.fromkeys([*answers, *DeviationType, *missing, *used]))
