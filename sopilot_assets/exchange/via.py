"""VIA 3, the video annotator of Oxford's Visual Geometry Group: its projects and its two exports as CSV.

Times are seconds with decimals. A segment's name is what its attributes say; an attribute with options says
which of them. Each attribute is a tier.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Final, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from sopilot_assets.documents.sheets import sheet_text
from sopilot_assets.errors import ExchangeError
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
    at_line,
    milliseconds,
)
from sopilot_assets.texts.languages import Text

COMMENT: Final = "# Exported using VGG Image Annotator"
TIER: Final = "steps"
_Kind = TypeVar("_Kind")
_HEADER: Final = re.compile(r"#\s*CSV_HEADER\s*=\s*(.+)")
_ATTRIBUTE: Final = re.compile(r"#\s*ATTRIBUTE\s*=\s*(.+)")
_SEGMENTS: Final = ("temporal_segment_start", "temporal_segment_end")
_LEFT_OUT: Final = Text(
    "{} regions in pictures and marks without a begin and an end are not read",
    "画像内の領域や、開始と終了のない印 {} 件は読みません",
)


class _Attribute(Loose):
    aname: str = ""
    options: dict[str, str] = Field(default_factory=dict)


class _Metadata(Loose):
    vid: str
    z: tuple[float, ...] = ()
    av: dict[str, str | float | int | None] = Field(default_factory=dict)


class _File(Loose):
    fname: str = ""
    src: str = ""


class _View(Loose):
    fid_list: tuple[str | int, ...] = ()


class _Project(Loose):
    attribute: dict[str, _Attribute]
    file: dict[str, _File]
    metadata: dict[str, _Metadata]
    view: dict[str, _View]


def read_via_json(data: bytes, *, source: str) -> SaidFile:
    """What a VIA 3 project says; raises ``ExchangeError`` with every fault by line."""
    faults = Faults(source)
    text = JsonText(data, faults)
    project = text.parsed(_Project)
    by_view: dict[str, list[SaidInterval]] = {}
    left_out = 0
    for name, one in project.metadata.items():
        where = text.at("metadata", name)
        if one.vid not in project.view:
            faults.add(
                where,
                f"expected a view of the project, found {one.vid!r}",
                f"ビュー {one.vid!r} がありません",
            )
        elif len(one.z) == 2:
            said = list(_intervals(where, one.z, one.av, project.attribute, faults))
            by_view.setdefault(one.vid, []).extend(said)
        else:
            left_out += 1
    videos = []
    for vid, intervals in by_view.items():
        names = [_file_name(project.file.get(str(fid))) for fid in project.view[vid].fid_list]
        where = text.at("view", vid)
        videos.append(SaidVideo(_only(names, where, faults), where, tuple(intervals)))
    faults.done()
    return SaidFile(tuple(videos), _left(left_out))


def _file_name(file: _File | None) -> str:
    return "" if file is None else file.fname or file.src


def _only(names: Sequence[str], where: Place, faults: Faults) -> str:
    """The only recording of a view."""
    if len(names) != 1:
        faults.add(
            where,
            f"expected one video, found {len(names)}: {', '.join(names)}",
            f"動画は 1 本のはずですが、{len(names)} 本あります",
        )
    return names[0] if names else ""


def _left(count: int) -> tuple[Text, ...]:
    return (Text(_LEFT_OUT.en.format(count), _LEFT_OUT.ja.format(count)),) if count else ()


def _intervals(
    where: Place,
    span: Sequence[float],
    values: Mapping[str, str | float | int | None],
    attributes: Mapping[str, _Attribute],
    faults: Faults,
) -> Iterator[SaidInterval]:
    """What the attributes of a segment say, one interval each."""
    start_ms, end_ms = milliseconds(span[0]), milliseconds(span[1])
    if start_ms is None or end_ms is None:
        faults.add(where, f"expected seconds, found {list(span)}", f"秒として読めません：{list(span)}")
        return
    told = False
    for key, value in values.items():
        known = attributes.get(key)
        said = str(value if value is not None else "").strip()
        name = known.options.get(said, said) if known is not None else said
        if name:
            told = True
            tier = known.aname if known is not None else key
            yield SaidInterval(name, where, Border(start_ms), Border(end_ms), tier)
    if not told:
        faults.add(
            where,
            "expected an attribute that says what it is, found none",
            "区間に名前（属性）がありません",
        )


def read_via_csv(data: bytes, *, source: str) -> SaidFile:
    """What either CSV export of VIA 3 says; raises ``ExchangeError`` with every fault by line."""
    faults = Faults(source)
    try:
        text = sheet_text(data, source=source, refuse=_Unreadable)
    except _Unreadable as error:
        raise ExchangeError(f"{error} Nothing was taken.", ja=error.ja) from error
    columns, attributes = _head(text, faults)
    by_name: dict[str, tuple[Place, list[SaidInterval]]] = {}
    left_out = 0
    for line, cells in _records(text, faults):
        row = dict(zip(columns, cells, strict=False))
        where: Place = partial(at_line, line)
        if len(cells) != len(columns):
            faults.add(
                where, f"expected {len(columns)} cells, found {len(cells)}", f"列は {len(columns)} 個です"
            )
            continue
        files = _json(_NAMES, row["file_list"], where, faults)
        name = _only([""] if files is None else files, where, faults)
        span = _span(row, where, faults)
        values = _json(_VALUES, row["metadata"], where, faults)
        if span is None or values is None:
            continue
        if len(span) != 2:
            left_out += 1
            continue
        _, known = by_name.setdefault(name, (where, []))
        known.extend(_intervals(where, span, values, attributes, faults))
    faults.done()
    videos = tuple(SaidVideo(name, where, tuple(said)) for name, (where, said) in by_name.items())
    return SaidFile(videos, _left(left_out))


class _Unreadable(ExchangeError):
    def __init__(self, message: str) -> None:
        super().__init__(message, ja=f"文字コードを読めません（{message}）")


def _head(text: str, faults: Faults) -> tuple[list[str], dict[str, _Attribute]]:
    columns: list[str] = []
    attributes: dict[str, _Attribute] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("#"):
            break
        if found := _HEADER.match(line):
            columns = [name.strip() for name in found[1].split(",")]
        if found := _ATTRIBUTE.match(line):
            attributes = _json(_ATTRIBUTES, found[1], partial(at_line, number), faults) or {}
    if not {"file_list", "metadata"} <= set(columns) or not (
        "temporal_coordinates" in columns or set(_SEGMENTS) <= set(columns)
    ):
        faults.stop(
            "expected a line '# CSV_HEADER = metadata_id,file_list,...' that names the columns",
            "列の名前の行（# CSV_HEADER = ...）がありません",
        )
    return columns, attributes


def _records(text: str, faults: Faults) -> Iterator[tuple[int, list[str]]]:
    """The rows below the comments, each with its line."""
    kept = "\n".join("" if line.startswith("#") else line for line in text.splitlines())
    reader = csv.reader(io.StringIO(kept), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            faults.add(at_line(line), f"expected CSV, found {error}", f"CSV として読めません（{error}）")
            return
        if cells is None:
            return
        if cells:
            yield line, cells


_NAMES: Final = TypeAdapter(list[str])
_VALUES: Final = TypeAdapter(dict[str, str | float | int | None])
_ATTRIBUTES: Final = TypeAdapter(dict[str, _Attribute])
_SPAN: Final = TypeAdapter(list[Annotated[float, Field(allow_inf_nan=False)]])


def _json(kind: TypeAdapter[_Kind], cell: str, where: Place, faults: Faults) -> _Kind | None:
    """The JSON in a cell; None where it is none, which is told."""
    try:
        return kind.validate_json(cell)
    except ValidationError:
        shown = cell if len(cell) <= 60 else f"{cell[:57]}..."
        faults.add(
            where,
            f"expected JSON as VIA writes it, found {shown!r}",
            f"VIA の形式ではありません：{shown!r}",
        )
        return None


def _span(row: Mapping[str, str], where: Place, faults: Faults) -> list[float] | None:
    if "temporal_coordinates" in row:
        return _json(_SPAN, row["temporal_coordinates"], where, faults)
    cells = [row[name] for name in _SEGMENTS]
    if not any(cells):
        return []
    return _json(_SPAN, f"[{','.join(cells)}]", where, faults)


def write_via_json(videos: Sequence[MarkedVideo], vocabulary: Vocabulary) -> bytes:
    """Recordings as a VIA 3 project, a view each, with one attribute for the names."""
    metadata, files, views = {}, {}, {}
    for place, video in enumerate(videos, start=1):
        files[str(place)] = {"fid": str(place), "fname": video.name, "type": 4, "loc": 1, "src": ""}
        views[str(place)] = {"fid_list": [str(place)]}
        for number, one in enumerate(video.intervals):
            metadata[f"{place}_{number:08d}"] = {
                "vid": str(place),
                "flg": 0,
                "z": [one.start_ms / 1000, one.end_ms / 1000],
                "xy": [],
                "av": {"1": one.name},
            }
    project = {
        "project": {
            "pid": "__VIA_PROJECT_ID__",
            "rev": "__VIA_PROJECT_REV_ID__",
            "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
            "pname": vocabulary.title,
            "creator": "VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)",
            "created": 0,
            "vid_list": list(views),
        },
        "config": {
            "file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}},
            "ui": {
                "file_content_align": "center",
                "file_metadata_editor_visible": True,
                "spatial_metadata_editor_visible": False,
                "temporal_segment_metadata_editor_visible": True,
                "spatial_region_label_attribute_id": "",
                "gtimeline_visible_row_count": "4",
            },
        },
        "attribute": {"1": _attribute(vocabulary)},
        "file": files,
        "metadata": metadata,
        "view": views,
    }
    return json.dumps(project, ensure_ascii=False).encode()


def _attribute(vocabulary: Vocabulary) -> dict[str, object]:
    """The attribute whose values are the rows of VIA's timeline; of type text, which those have to be."""
    return {
        "aname": TIER,
        "anchor_id": "FILE1_Z2_XY0",
        "type": 1,
        "desc": vocabulary.title,
        "options": {},
        "default_option_id": "",
    }


def write_via_csv(videos: Sequence[MarkedVideo], vocabulary: Vocabulary) -> bytes:
    """Recordings as VIA 3 exports them as CSV."""
    out = io.StringIO()
    attribute = json.dumps({"1": _attribute(vocabulary)}, ensure_ascii=False)
    columns = "metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata"
    out.write(f"{COMMENT} (http://www.robots.ox.ac.uk/~vgg/software/via)\n")
    out.write(f"# ATTRIBUTE = {attribute}\n# CSV_HEADER = {columns}\n")
    rows = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for place, video in enumerate(videos, start=1):
        files = json.dumps([video.name], ensure_ascii=False)
        for number, one in enumerate(video.intervals):
            span = json.dumps([one.start_ms / 1000, one.end_ms / 1000])
            values = json.dumps({"1": one.name}, ensure_ascii=False)
            rows.writerow((f"{place}_{number:08d}", files, "0", span, "[]", values))
    return out.getvalue().encode()
