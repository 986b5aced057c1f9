"""BORIS, the behavioural observation software: its projects (``.boris``, JSON, also compressed with gzip).

Times are seconds from the beginning of the recording, to the millisecond. A step is a state event: it begins
with one event and ends with the next one of the same subject, behaviour and modifiers. A point event is a
moment. Subjects are tiers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import Field

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

FORMAT_VERSION: Final = "7.0"
"""The version of project files that BORIS 7 and 8 write."""
NO_MEDIA: Final = Text(
    "{} observations without a video (live, or of pictures) are not read",
    "動画のない観察（ライブや画像）{} 件は読みません",
)
_KEYS: Final = "123456789abcdefghijklmnopqrstuvwxyz"
"""The keys by which behaviours are coded; those after them have none."""
_WRITTEN_AT: Final = "1970-01-01T00:00:00"


@dataclass(frozen=True, slots=True)
class BorisEvent:
    """One event as BORIS keeps it: ``change`` is ``START``, ``STOP`` or ``POINT``; None where the order of
    events says which of the first two.
    """

    where: Place
    time_s: float
    subject: str
    behaviour: str
    modifiers: str
    comment: str
    change: str | None


def intervals_of(events: Sequence[BorisEvent], faults: Faults) -> Iterator[SaidInterval]:
    """The state events in pairs, and the point events, in order of time."""
    open_states: dict[tuple[str, str, str], BorisEvent] = {}
    found: list[SaidInterval] = []
    for event in sorted(events, key=lambda one: one.time_s):
        time_ms = milliseconds(event.time_s)
        if time_ms is None:
            faults.add(
                event.where,
                f"expected seconds, found {event.time_s:g}",
                f"{event.time_s:g} は秒として読めません",
            )
            continue
        if event.change == "POINT":
            found.append(_interval(event, event, point=True))
            continue
        state = (event.subject, event.behaviour, event.modifiers)
        begun = open_states.pop(state, None)
        if begun is None and event.change != "STOP":
            open_states[state] = event
        elif begun is None or event.change == "START":
            what = "ends, and never began" if begun is None else "begins again before it ended"
            faults.add(
                event.where,
                f"expected begins and ends in pairs; {event.behaviour!r} {what}",
                f"{event.behaviour!r} の開始と終了が対になっていません",
            )
        else:
            found.append(_interval(begun, event, point=False))
    for event in open_states.values():
        faults.add(
            event.where,
            f"expected begins and ends in pairs; {event.behaviour!r} begins and never ends",
            f"{event.behaviour!r} の終了がありません",
        )
    yield from found


def _interval(begun: BorisEvent, ended: BorisEvent, *, point: bool) -> SaidInterval:
    name = f"{begun.behaviour}:{begun.modifiers}" if begun.modifiers and point else begun.behaviour
    end = None if point else Border(milliseconds(ended.time_s))
    note = " ".join(filter(None, dict.fromkeys((begun.comment, ended.comment))))
    return SaidInterval(name, begun.where, Border(milliseconds(begun.time_s)), end, begun.subject, note)


class _Behaviour(Loose):
    code: str
    type: str = ""


class _MediaInfo(Loose):
    length: dict[str, float] = Field(default_factory=dict)


class _Observation(Loose):
    type: str
    file: dict[str, tuple[str, ...]] | tuple[()] = Field(default_factory=dict)
    events: tuple[tuple[str | float | int | None, ...], ...] = ()
    media_info: _MediaInfo = Field(default_factory=_MediaInfo)
    time_offset: float | str | None = Field(default=None, alias="time offset")
    description: str = ""


class _Project(Loose):
    behaviors_conf: dict[str, _Behaviour]
    observations: dict[str, _Observation]


def read_boris(data: bytes, *, source: str) -> SaidFile:
    """What a project says; raises ``ExchangeError`` with every fault by line."""
    faults = Faults(source)
    text = JsonText(data, faults)
    project = text.parsed(_Project)
    states = {
        one.code: "POINT" if one.type.lower().startswith("point") else None
        for one in project.behaviors_conf.values()
    }
    videos, without = [], 0
    for name, one in project.observations.items():
        media = one.file.get("1", ()) if isinstance(one.file, dict) else ()
        if one.type != "MEDIA" or not media:
            without += bool(one.events)
            continue
        videos.append(_video(text, name, one, media, states, faults))
    faults.done()
    left = (Text(NO_MEDIA.en.format(without), NO_MEDIA.ja.format(without)),) if without else ()
    return SaidFile(tuple(videos), left)


def _video(
    text: JsonText,
    name: str,
    one: _Observation,
    media: Sequence[str],
    states: Mapping[str, str | None],
    faults: Faults,
) -> SaidVideo:
    where = text.at("observations", name)
    require_one_clock(where, [*media], one.time_offset, faults)
    events = []
    for number, cells in enumerate(one.events):
        event = _event(cells, text.at("observations", name, "events", number), states, faults)
        if event is not None:
            events.append(event)
    length_ms = milliseconds(one.media_info.length.get(media[0], 0.0))
    sha256 = one.description.rpartition("sha256:")[2].strip() if "sha256:" in one.description else ""
    intervals = tuple(intervals_of(events, faults))
    return SaidVideo(media[0], where, intervals, duration_ms=length_ms or None, sha256=sha256[:64])


def require_one_clock(where: Place, media: Sequence[str], offset: float | str | None, faults: Faults) -> None:
    """A fault where times do not count from the beginning of one recording."""
    if len(media) > 1:
        faults.add(
            where,
            f"expected one video, found {len(media)} one after the other, whose times run on: "
            f"{', '.join(media)}",
            f"動画が {len(media)} 本続けて再生される観察は読めません。1 本ずつにしてください",
        )
    if str(offset or "0").strip("0.,") not in ("", "NA"):
        faults.add(
            where,
            f"expected no time offset, found {offset}; set it to 0 in BORIS and save again",
            f"時間オフセットが {offset} です。BORIS で 0 にして保存し直してください",
        )


def _event(
    cells: Sequence[str | float | int | None],
    where: Place,
    states: Mapping[str, str | None],
    faults: Faults,
) -> BorisEvent | None:
    texts = [str(cell if cell is not None else "").strip() for cell in cells]
    if len(cells) < 3 or not isinstance(cells[0], int | float):
        faults.add(
            where,
            f"expected time, subject, behaviour and more, found {list(cells)}",
            f"時刻・対象・行動の並びではありません：{list(cells)}",
        )
        return None
    time_s, behaviour = float(cells[0]), texts[2]
    if behaviour not in states:
        faults.add(
            where,
            f"expected a behaviour of the project, found {behaviour!r}",
            f"{behaviour!r} という行動はプロジェクトにありません",
        )
        return None
    modifiers, comment, *_ = [*texts[3:5], "", ""]
    return BorisEvent(where, time_s, texts[1], behaviour, modifiers, comment, states[behaviour])


def write_boris(videos: Sequence[MarkedVideo], vocabulary: Vocabulary) -> bytes:
    """Recordings as a project, an observation each; times keep their milliseconds. Subject: none."""
    behaviours = {
        str(place): {
            "type": "State event",
            "key": _KEYS[place : place + 1],
            "code": name,
            "description": "",
            "color": "",
            "category": "",
            "modifiers": "",
            "excluded": "",
            "coding map": "",
        }
        for place, name in enumerate(vocabulary.names)
    }
    project = {
        "time_format": "hh:mm:ss",
        "project_date": _WRITTEN_AT,
        "project_name": vocabulary.title,
        "project_description": "",
        "project_format_version": FORMAT_VERSION,
        "subjects_conf": {},
        "behaviors_conf": behaviours,
        "observations": {video.name: _observation(video) for video in videos},
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    return json.dumps(project, ensure_ascii=False, indent=1).encode()


def _observation(video: MarkedVideo) -> dict[str, object]:
    events: list[list[object]] = []
    for one in video.intervals:
        events += [
            [time_ms / 1000, "", one.name, "", "", video.pictures.nearest(time_ms)]
            for time_ms in (one.start_ms, one.end_ms)
        ]
    return {
        "file": {"1": [video.name], **{str(player): [] for player in range(2, 9)}},
        "type": "MEDIA",
        "date": _WRITTEN_AT,
        "description": f"sha256:{video.sha256}",
        "time offset": 0.0,
        "events": events,
        "observation time interval": [0, 0],
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "media_creation_date_as_offset": False,
        "media_scan_sampling_duration": 0,
        "image_display_duration": 1,
        "close_behaviors_between_videos": False,
        "media_info": {
            "length": {video.name: video.pictures.end_ms / 1000},
            "fps": {video.name: video.rate_hz},
            "hasVideo": {video.name: True},
            "hasAudio": {video.name: False},
            "offset": {"1": 0.0},
        },
    }
