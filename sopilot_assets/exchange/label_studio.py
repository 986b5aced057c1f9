"""Label Studio: tasks with timelines of videos, as its exports JSON and JSON_MIN have them.

Regions of ``TimelineLabels`` are pictures, counted from 1, the last one included; those of labels of sound
and of time series are seconds. When a picture is shown, the recording's own timestamps say: Label Studio
counts by the frame rate of its settings, which has to be that of the video. What is written keeps the time
beside the pictures, in the note of each region.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Final

from pydantic import Field, RootModel

from sopilot_assets.exchange.json_tree import JsonText, Loose
from sopilot_assets.exchange.said import (
    Border,
    Faults,
    MarkedVideo,
    Place,
    SaidFile,
    SaidInterval,
    SaidVideo,
    Vocabulary,
    milliseconds,
)
from sopilot_assets.texts.languages import Text

TIER: Final = "steps"
_KEPT: Final = re.compile(r"(\d+\.\d{3})-(\d+\.\d{3}) s")
_NAMES: Final = ("timelinelabels", "labels", "timeserieslabels")
_MOST_FRAMES: Final = 10_000_000

_Frame = Annotated[float, Field(ge=-_MOST_FRAMES, le=_MOST_FRAMES)]


class _Range(Loose):
    start: _Frame
    end: _Frame


class _Value(Loose):
    ranges: tuple[_Range, ...] = ()
    start: float | None = None
    end: float | None = None
    timelinelabels: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    timeserieslabels: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    text: str | tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return self.timelinelabels or self.labels or self.timeserieslabels


class _Meta(Loose):
    text: tuple[str, ...] = ()


class _Result(Loose):
    type: str
    from_name: str = ""
    value: _Value = Field(default_factory=_Value)
    meta: _Meta = Field(default_factory=_Meta)


class _Annotation(Loose):
    result: tuple[_Result, ...] = ()
    was_cancelled: bool = False


class _Task(Loose):
    data: dict[str, object]
    annotations: tuple[_Annotation, ...]


class _Tasks(RootModel[tuple[_Task, ...]]):
    pass


class _MinimalTasks(RootModel[tuple[dict[str, object], ...]]):
    pass


class _MinimalRegions(RootModel[tuple[_Value, ...]]):
    pass


def read_label_studio(data: bytes, *, source: str) -> SaidFile:
    """What an export in JSON or JSON_MIN says; raises ``ExchangeError`` with every fault by line."""
    faults = Faults(source)
    if b'"annotations"' in data or b'"data"' in data:
        return _Full(JsonText(data, faults), faults).read()
    return _minimal(JsonText(data, faults), faults)


class _Full:
    def __init__(self, text: JsonText, faults: Faults) -> None:
        self.text, self.faults = text, faults
        self.left_out = 0

    def read(self) -> SaidFile:
        tasks = self.text.parsed(_Tasks).root
        videos = tuple(filter(None, (self._video(place, task) for place, task in enumerate(tasks))))
        self.faults.done()
        left = (
            Text(
                f"{self.left_out} regions without a begin and an end, such as boxes, are not read",
                f"枠など、開始と終了のない領域 {self.left_out} 件は読みません",
            ),
        )
        return SaidFile(videos, left if self.left_out else ())

    def _video(self, place: int, task: _Task) -> SaidVideo | None:
        done = [
            (number, one)
            for number, one in enumerate(task.annotations)
            if one.result and not one.was_cancelled
        ]
        where = self.text.at(place)
        if not done:
            return None
        if len(done) > 1:
            self.faults.add(
                where,
                f"expected one annotation of each recording, found {len(done)}; keep the one that counts",
                f"1 つの録画に注釈が {len(done)} 件あります。使うものだけを残してください",
            )
            return None
        number, annotation = done[0]
        intervals: list[SaidInterval] = []
        answers: list[tuple[str, str]] = []
        for index, one in enumerate(annotation.result):
            at = self.text.at(place, "annotations", number, "result", index)
            if one.value.choices:
                answers.append((one.from_name, " ".join(one.value.choices)))
            elif one.type == "textarea":
                text = one.value.text
                answers.append((one.from_name, text if isinstance(text, str) else " ".join(text)))
            else:
                intervals += self._intervals(one, at)
        return SaidVideo(
            _video_name(task.data),
            where,
            tuple(intervals),
            sha256=str(task.data.get("sha256", "")),
            answers=tuple(answers),
        )

    def _intervals(self, one: _Result, where: Place) -> Iterator[SaidInterval]:
        found = list(_spans(one.value, one.from_name, where, self.faults, kept=" ".join(one.meta.text)))
        if not found and one.type not in _NAMES:
            self.left_out += 1
        yield from found


def _spans(
    value: _Value, tier: str, where: Place, faults: Faults, *, kept: str = ""
) -> Iterator[SaidInterval]:
    """The intervals of one region: one for each of its ranges and labels."""
    times = _KEPT.search(kept)
    start_ms, end_ms = (
        (round(float(times[1]) * 1000), round(float(times[2]) * 1000)) if times else (None, None)
    )
    borders: list[tuple[Border, Border]] = []
    for one in value.ranges:
        if one.start < 1 or one.end < one.start:
            faults.add(
                where,
                f"expected pictures counted from 1, the first before the last, found {one.start:g} to "
                f"{one.end:g}",
                f"コマ番号は 1 からです。{one.start:g} から {one.end:g} は読めません",
            )
            continue
        borders.append((Border(start_ms, int(one.start) - 1), Border(end_ms, int(one.end))))
    if not value.ranges and value.start is not None and value.end is not None:
        begin, end = milliseconds(value.start), milliseconds(value.end)
        if begin is None or end is None:
            faults.add(
                where,
                f"expected seconds, found {value.start:g} to {value.end:g}",
                f"秒として読めません：{value.start:g} から {value.end:g}",
            )
        else:
            borders.append((Border(begin), Border(end)))
    if borders and not value.names:
        faults.add(where, "expected a label, found a region without one", "名前のない区間があります")
    for begins, ends in borders:
        for name in value.names:
            yield SaidInterval(name, where, begins, ends, tier)


def _video_name(data: dict[str, object]) -> str:
    """The address of the video among the data of a task."""
    texts = {name: value for name, value in data.items() if isinstance(value, str)}
    named = (value for name, value in texts.items() if "video" in name.lower())
    return next(named, next(iter(texts.values()), ""))


def _minimal(text: JsonText, faults: Faults) -> SaidFile:
    videos = []
    for place, task in enumerate(text.parsed(_MinimalTasks).root):
        intervals: list[SaidInterval] = []
        answers = tuple((name, said) for name, value in task.items() if (said := _minimal_answer(value)))
        for name, value in task.items():
            if not isinstance(value, list) or not value or not isinstance(value[0], dict):
                continue
            if not any(key in value[0] for key in _NAMES):
                continue
            regions = JsonText(json.dumps(value).encode(), faults).parsed(_MinimalRegions).root
            for index, one in enumerate(regions):
                intervals += _spans(one, name, text.at(place, name, index), faults)
        sha256 = str(task.get("sha256", ""))
        videos.append(
            SaidVideo(_video_name(task), text.at(place), tuple(intervals), sha256=sha256, answers=answers)
        )
    faults.done()
    return SaidFile(tuple(videos))


def _minimal_answer(value: object) -> str:
    """A text, or what was chosen of several: one text, a list of them, or ``{"choices": [...]}``."""
    if isinstance(value, dict):
        value = value.get("choices")
    texts = value if isinstance(value, list) else [value]
    return " ".join(one for one in texts if isinstance(one, str))


def write_label_studio(videos: Sequence[MarkedVideo], _: Vocabulary) -> bytes:
    """Recordings as tasks with an annotation each, as Label Studio imports them. A border is the nearest
    picture; its time is kept in the note of the region.
    """
    tasks = []
    for place, video in enumerate(videos):
        regions = []
        for number, one in enumerate(video.intervals):
            start, end = video.pictures.frames_of(one.start_ms, one.end_ms)
            regions.append(
                {
                    "id": f"r{place}_{number}",
                    "from_name": TIER,
                    "to_name": "video",
                    "type": "timelinelabels",
                    "origin": "manual",
                    "value": {"ranges": [{"start": start + 1, "end": end}], "timelinelabels": [one.name]},
                    "meta": {"text": [f"{one.start_ms / 1000:.3f}-{one.end_ms / 1000:.3f} s"]},
                }
            )
        tasks.append(
            {
                "data": {"video": video.name, "sha256": video.sha256},
                "annotations": [{"result": regions}],
            }
        )
    return json.dumps(tasks, ensure_ascii=False, indent=1).encode()
