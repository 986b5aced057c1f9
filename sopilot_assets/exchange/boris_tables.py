"""The tables that BORIS exports as CSV or TSV.

Aggregated events have a row for each interval, tabular events one for each begin and end. Both are read as
BORIS 7 and 8 write them, the tabular ones of BORIS 7 with lines above the header.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from functools import partial
from typing import Final

from sopilot_assets.documents.sheets import Sheet, SheetRow, csv_sheet, seconds_in, sheet_text
from sopilot_assets.errors import ExchangeError
from sopilot_assets.exchange.boris import BorisEvent, intervals_of, require_one_clock
from sopilot_assets.exchange.said import (
    Border,
    Faults,
    MarkedVideo,
    Place,
    SaidFile,
    SaidInterval,
    SaidVideo,
    Vocabulary,
    at_line,
    milliseconds,
)
from sopilot_assets.reference.step_names import folded

_AGGREGATED: Final = ("behavior", "start (s)", "stop (s)")
_TABULAR: Final = ("behavior", "time")
_MEDIA: Final = ("source", "media file name", "media file", "media file path")
_LENGTH: Final = ("media duration (s)", "total length")
_CHANGE: Final = ("behavior type", "status")
_PLAYER: Final = re.compile(r"player #\d+:")
_ABOVE: Final = 80
"""Among so many first lines the header is looked for."""
COLUMNS: Final = (
    "Observation id",
    "Observation date",
    "Description",
    "Observation type",
    "Source",
    "Time offset (s)",
    "Coding duration",
    "Media duration (s)",
    "FPS (frame/s)",
    "Subject",
    "Observation duration by subject by observation",
    "Behavior",
    "Behavioral category",
    "Behavior type",
    "Start (s)",
    "Stop (s)",
    "Duration (s)",
    "Media file name",
    "Image index start",
    "Image index stop",
    "Image file path start",
    "Image file path stop",
    "Comment start",
    "Comment stop",
)
"""The columns of aggregated events in BORIS 8."""


class _Refused(ExchangeError):
    def __init__(self, message: str) -> None:
        super().__init__(
            f"{message} Nothing was taken.", ja=f"読めません（{message}）。何も取り込んでいません。"
        )


def is_boris_table(text: str) -> bool:
    """Whether a text is one of the tables, by its header."""
    return _header_line(text) is not None


def _header_line(text: str) -> int | None:
    for number, line in enumerate(text.splitlines()[:_ABOVE]):
        names = {folded(name.strip('"')) for name in re.split(r"[\t,;]", line)}
        if set(_AGGREGATED) <= names or (set(_TABULAR) <= names and names & set(_CHANGE)):
            return number
    return None


def read_boris_table(data: bytes, *, source: str) -> SaidFile:
    """What either table says; raises ``ExchangeError`` with every fault by line."""
    faults = Faults(source)
    text = sheet_text(data, source=source, refuse=_Refused)
    header = _header_line(text)
    if header is None:
        faults.stop(
            "expected a table of BORIS with the columns Behavior, Start (s) and Stop (s), or Behavior and "
            "Time",
            "BORIS の表の列（Behavior と Start (s)、Stop (s)、または Time）がありません",
        )
    lines = text.splitlines(keepends=True)
    above = lines[:header]
    below = "".join(["\n"] * len(above) + lines[header:])
    needed = _AGGREGATED if set(_AGGREGATED) <= _names(lines[header]) else _TABULAR
    sheet = csv_sheet(
        below, source=source, needed=needed, refuse=_Refused, advice="Export it again.", called=folded
    )
    for fault in sheet.faults:
        faults.add(at_line(1), fault, fault)
    videos = _videos(sheet, _above(above), faults, aggregated=needed is _AGGREGATED)
    faults.done()
    return SaidFile(videos)


def _names(line: str) -> set[str]:
    return {folded(name.strip().strip('"')) for name in re.split(r"[\t,;]", line)}


def _above(lines: Sequence[str]) -> dict[str, str]:
    """What stands above the header: a name and a value a line."""
    cells = (re.split(r"[\t,;]", line.strip("\r\n")) for line in lines)
    return {folded(row[0]): row[1].strip() for row in cells if len(row) > 1 and row[0].strip()}


def _videos(
    sheet: Sheet, above: dict[str, str], faults: Faults, *, aggregated: bool
) -> tuple[SaidVideo, ...]:
    by_observation: dict[str, list[SheetRow]] = {}
    for row in sheet.rows:
        by_observation.setdefault(row.cells.get("observation id", ""), []).append(row)
    videos = []
    for rows in by_observation.values():
        where: Place = partial(at_line, rows[0].where)
        media = list(dict.fromkeys(name for row in rows for name in _media(row)))
        offset = _first(rows[0], ("time offset (s)",)) or above.get("time offset (s)", "")
        require_one_clock(where, media, offset, faults)
        length_s = seconds_in(_first(rows[0], _LENGTH).split(";")[0]) or 0.0
        if aggregated:
            said = list(filter(None, (_interval(row, faults) for row in rows)))
        else:
            events = list(filter(None, (_event(row, faults) for row in rows)))
            said = list(intervals_of(events, faults))
        name = media[0] if media else ""
        videos.append(SaidVideo(name, where, tuple(said), duration_ms=milliseconds(length_s) or None))
    return tuple(videos)


def _first(row: SheetRow, names: Sequence[str]) -> str:
    """The first of these columns that says something."""
    return next((text for name in names if (text := row.cells.get(name, "")) not in ("", "NA")), "")


def _media(row: SheetRow) -> list[str]:
    """The recordings of the first player."""
    first = _first(row, _MEDIA).partition("|")[0]
    return [name.strip() for name in _PLAYER.sub("", first).split(";") if name.strip()]


def _time(row: SheetRow, column: str, faults: Faults) -> float | None:
    text = row.cells.get(column, "")
    value = seconds_in(text)
    if value is None:
        faults.add(
            at_line(row.where, column), f"expected seconds, found {text!r}", f"秒として読めません：{text!r}"
        )
    return value


def _interval(row: SheetRow, faults: Faults) -> SaidInterval | None:
    start_s, stop_s = _time(row, "start (s)", faults), _time(row, "stop (s)", faults)
    if start_s is None or stop_s is None:
        return None
    point = _first(row, _CHANGE).upper() == "POINT"
    behaviour, modifiers = row.cells.get("behavior", ""), _modifiers(row)
    return SaidInterval(
        f"{behaviour}:{modifiers}" if point and modifiers else behaviour,
        partial(at_line, row.where),
        Border(milliseconds(start_s)),
        None if point else Border(milliseconds(stop_s)),
        row.cells.get("subject", ""),
        " ".join(filter(None, (row.cells.get("comment start", ""), row.cells.get("comment stop", "")))),
    )


def _event(row: SheetRow, faults: Faults) -> BorisEvent | None:
    time_s, change = _time(row, "time", faults), _first(row, _CHANGE).upper()
    if change not in ("START", "STOP", "POINT"):
        faults.add(
            at_line(row.where),
            f"expected START, STOP or POINT, found {change!r}",
            f"START、STOP、POINT のいずれかのはずですが、{change!r} です",
        )
        return None
    if time_s is None:
        return None
    return BorisEvent(
        partial(at_line, row.where),
        time_s,
        row.cells.get("subject", ""),
        row.cells.get("behavior", ""),
        _modifiers(row),
        row.cells.get("comment", ""),
        change,
    )


def _modifiers(row: SheetRow) -> str:
    named = (text for name, text in row.cells.items() if name.startswith("modifier") and text)
    return "|".join(named)


def write_boris_table(videos: Sequence[MarkedVideo], _: Vocabulary) -> bytes:
    """Recordings as aggregated events in CSV, as BORIS 8 exports them; times keep their milliseconds."""
    out = io.StringIO()
    rows = csv.DictWriter(out, fieldnames=COLUMNS, lineterminator="\n", restval="")
    rows.writeheader()
    for video in videos:
        for one in video.intervals:
            rows.writerow(
                {
                    "Observation id": video.name,
                    "Observation type": "Media file",
                    "Source": f"player #1:{video.name}",
                    "Time offset (s)": "0.0",
                    "Media duration (s)": f"{video.pictures.end_ms / 1000:.3f}",
                    "FPS (frame/s)": f"{video.rate_hz:.3f}",
                    "Subject": "No focal subject",
                    "Behavior": one.name,
                    "Behavior type": "STATE",
                    "Start (s)": f"{one.start_ms / 1000:.3f}",
                    "Stop (s)": f"{one.end_ms / 1000:.3f}",
                    "Duration (s)": f"{(one.end_ms - one.start_ms) / 1000:.3f}",
                    "Media file name": video.name,
                }
            )
    return out.getvalue().encode()
