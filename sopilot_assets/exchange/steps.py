"""Steps of golds from the files of other tools: which gold, which step, and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from sopilot_assets.errors import GoldError
from sopilot_assets.exchange.formats import FileFormat, ReadFile
from sopilot_assets.exchange.recordings import PicturesOf, recording_of
from sopilot_assets.exchange.said import (
    MOST_INTERVALS,
    Faults,
    PictureTimes,
    SaidInterval,
    SaidVideo,
    refusal,
    said_at,
)
from sopilot_assets.reference.annotations import (
    OVERLAP_S,
    Annotations,
    GoldNames,
    SaidStep,
    StepInterval,
    annotations_in,
    golds_called,
    sheet_steps,
)
from sopilot_assets.reference.step_names import StepNames, folded
from sopilot_assets.texts.languages import Text

TIERS: Final = frozenset({"steps", "step", "手順"})
"""What a row or track with steps is called, folded, where a file has several."""


@dataclass(frozen=True, slots=True)
class SaidGold:
    """The steps of one gold by its video id, and the file and format that they come from."""

    steps: tuple[StepInterval, ...]
    source: str
    format: FileFormat


@dataclass(frozen=True, slots=True)
class FileSteps:
    """What files say of golds, by video id. ``strangers`` are recordings that are none of them, ``remarks``
    what was left out, or should be looked at.
    """

    golds: dict[str, SaidGold]
    strangers: tuple[Text, ...]
    remarks: tuple[Text, ...]


def steps_in(
    files: Iterable[ReadFile],
    names: StepNames,
    golds: Sequence[GoldNames],
    *,
    pictures_of: PicturesOf,
    given: GoldNames | None = None,
) -> FileSteps:
    """The steps that files say of ``golds``, or of a ``given`` one alone: a file of one recording is then
    about it, whatever the file calls it.

    Raises ``ExchangeError`` with every fault of all files; then nothing may be taken.
    """
    reader = _Reader(names, tuple(golds), pictures_of, given)
    for file in files:
        reader.read(file)
    return reader.done()


class _Reader:
    def __init__(
        self, names: StepNames, golds: tuple[GoldNames, ...], pictures_of: PicturesOf, given: GoldNames | None
    ) -> None:
        self.names, self.golds, self.given = names, golds, given
        self.pictures_of = pictures_of
        self.found: dict[str, SaidGold] = {}
        self.faults: list[Text] = []
        self.strangers: list[Text] = []
        self.remarks: list[Text] = []

    def done(self) -> FileSteps:
        if self.faults:
            raise refusal(self.faults)
        return FileSteps(self.found, tuple(self.strangers), tuple(self.remarks))

    def read(self, file: ReadFile) -> None:
        faults = Faults(file.source)
        rows = self._sheet(file, faults) if file.said is None else self._rows(file, faults)
        if len(rows) > MOST_INTERVALS:
            faults.stop(f"expected at most {MOST_INTERVALS} steps", f"手順は {MOST_INTERVALS} 件までです")
        read = annotations_in(rows, self.names, self.golds, source=file.source, faults=faults.found)
        self.faults += read.faults
        self.strangers += read.strangers
        self._add(file, read)

    def _add(self, file: ReadFile, read: Annotations) -> None:
        for video_id, steps in read.steps.items():
            before = self.found.get(video_id)
            if before is not None:
                name = next(gold.name for gold in self.golds if gold.video_id == video_id)
                self.faults.append(
                    Text(
                        f"{file.source}: {before.source} has steps of {name} too; keep one of the two",
                        f"{file.source}：{before.source} にも {name} の手順があります。"
                        "片方だけにしてください",
                    )
                )
            self.found[video_id] = SaidGold(steps, file.source, file.format)

    def _sheet(self, file: ReadFile, faults: Faults) -> list[SaidStep]:
        try:
            rows, wrong = sheet_steps(file.data, source=file.source)
        except GoldError as error:
            why = str(error).rstrip(".")
            raise refusal([Text(why, f"読めません（{why}）")]) from error
        faults.found += wrong
        given = self.given
        if given is None:
            return rows
        if len({row.video for row in rows}) > 1:
            rows = [row for row in rows if golds_called(row.video, self.golds) == [given]]
            self._require(given, rows, faults)
        return [replace(row, video=given.video_id) for row in rows]

    def _rows(self, file: ReadFile, faults: Faults) -> list[SaidStep]:
        if file.said is None:
            raise AssertionError("a sheet is read by its rows")
        self.remarks += said_at(file.source, file.said.left_out)
        videos = [video for video in file.said.videos if video.intervals]
        if not videos:
            faults.stop(
                "expected intervals with the names of steps, found none", "手順の区間が一つもありません"
            )
        if self.given is not None and len(videos) > 1:
            videos = [video for video in videos if recording_of(video, self.golds).gold is self.given]
            self._require(self.given, videos, faults)
        seen: set[str] = set()
        return [row for video in videos for row in self._of_video(file.source, video, seen, faults)]

    def _require(self, given: GoldNames, found: Sequence[object], faults: Faults) -> None:
        """Of a file with several recordings, those of the given one are taken: there have to be some."""
        if not found:
            faults.stop(
                f"expected {given.name} among the recordings in it, found none that is called so",
                f"ファイルの中に {given.name} がありません",
            )

    def _of_video(self, source: str, video: SaidVideo, seen: set[str], faults: Faults) -> list[SaidStep]:
        """The steps of one recording; ``seen`` are the golds that other parts of the file are about."""
        found = recording_of(video, self.golds, given=self.given)
        self.remarks += said_at(source, found.remarks)
        if found.gold is not None and found.gold.video_id in seen:
            faults.add(
                video.where,
                f"expected one part about {found.gold.name}, found another; keep the one that counts",
                f"{found.gold.name} についての内容が 2 か所にあります。使うものだけを残してください",
            )
            return []
        seen.update([found.gold.video_id] if found.gold is not None else [])
        if found.gold is None and not video.name:
            faults.add(
                video.where,
                "it does not say which recording it is about; say so (--recording)",
                "どの録画のファイルか書かれていません。録画を指定してください（--recording）",
            )
            return []
        intervals = self._chosen(source, video.intervals)
        times = self._times(found.gold, intervals, faults)
        if rivals := _rivals(intervals, times):
            faults.add(
                video.where,
                f"expected one tier of steps, found the tiers {' and '.join(rivals)}, whose steps overlap. "
                "If they are two people's, call the one that counts 'steps', or delete the other",
                f"層 {' と '.join(rivals)} の手順が重なっています。2 人分の記録であれば、使う層の名前を"
                "「手順」に変えるか、もう一方の層を削除してください",
            )
            return []
        return [
            SaidStep(one.where, found.name, one.name, start_ms / 1000, end_ms / 1000)
            for one, (start_ms, end_ms) in zip(intervals, times, strict=True)
        ]

    def _chosen(self, source: str, intervals: Sequence[SaidInterval]) -> list[SaidInterval]:
        """The intervals of the tiers that hold steps, where a file has several."""
        tiers = list(dict.fromkeys(one.tier for one in intervals))
        called = [tier for tier in tiers if folded(tier) in TIERS]
        known = [
            tier
            for tier in tiers
            if any(self.names.find(one.name) is not None for one in intervals if one.tier == tier)
        ]
        chosen = called or known or tiers
        if passed := [tier for tier in tiers if tier not in chosen]:
            self.remarks += said_at(
                source,
                [
                    Text(
                        f"not read, since it holds no steps: {', '.join(passed)}",
                        f"手順がないため読みませんでした：{'、'.join(passed)}",
                    )
                ],
            )
        return [one for one in intervals if one.tier in chosen]

    def _times(
        self, gold: GoldNames | None, intervals: Sequence[SaidInterval], faults: Faults
    ) -> list[tuple[int, int]]:
        """When each interval begins and ends, in milliseconds."""
        pictured = any(one.start.frame is not None for one in intervals)
        pictures = self.pictures_of(gold) if pictured and gold is not None else None
        times = []
        for one in intervals:
            if one.end is None:
                faults.add(
                    one.where,
                    f"expected {one.name!r} to have a begin and an end, found a single moment",
                    f"{one.name!r} は一瞬の印です。手順には開始と終了が必要です",
                )
                times.append((0, 1))
                continue
            if one.start.frame is not None and pictures is None:
                times.append((0, 1))  # of no gold, which is told
                continue
            start_ms, end_ms = (
                (one.start.ms, one.end.ms) if pictures is None else pictures.times_of(one.start, one.end)
            )
            for border, ms in ((one.start, start_ms), (one.end, end_ms)):
                if ms is None and pictures is not None:
                    count = len(pictures.starts_ms)
                    faults.add(
                        one.where,
                        f"expected one of the {count} pictures of the recording, found number {border.frame}",
                        f"録画は {count} コマですが、{border.frame} コマ目が指定されています",
                    )
            times.append((start_ms or 0, end_ms if end_ms is not None else (start_ms or 0) + 1))
        return times if pictures is None else _parted(intervals, times, pictures)


def _rivals(intervals: Sequence[SaidInterval], times: Sequence[tuple[int, int]]) -> tuple[str, str] | None:
    """Two tiers that say different things of one moment; None where there are none."""
    in_order = sorted(zip(times, intervals, strict=True), key=lambda placed: placed[0])
    for ((_, end_ms), one), ((start_ms, _), other) in pairwise(in_order):
        if one.tier != other.tier and end_ms - start_ms > OVERLAP_S * 1000:
            return _called(one), _called(other)
    return None


def _called(one: SaidInterval) -> str:
    return f"{one.tier} (by {one.annotator})" if one.annotator else one.tier


def _parted(
    intervals: Sequence[SaidInterval], times: Sequence[tuple[int, int]], pictures: PictureTimes
) -> list[tuple[int, int]]:
    """The same; an interval that shares its last picture with the beginning of another ends before it."""
    starts = {start_ms for start_ms, _ in times}
    parted = []
    for one, (start_ms, end_ms) in zip(intervals, times, strict=True):
        last_ms = None
        if one.end is not None and one.end.frame is not None and one.end.ms is None:
            last_ms = pictures.time_of(one.end.frame - 1)
        shared = last_ms is not None and last_ms in starts and last_ms > start_ms
        parted.append((start_ms, last_ms if shared and last_ms is not None else end_ms))
    return parted
