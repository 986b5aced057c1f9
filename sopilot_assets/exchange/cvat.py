"""CVAT's XML, version 1.1: "CVAT for video" with its tracks, and the tags of "CVAT for images".

Both count pictures from 0, in the order in which they are shown. A track is there from its first shape on
until one says that it is outside, else to the end of the task. What is written keeps times beside the
pictures, in two attributes of each track; CVAT keeps them where the label has them (the file lists them).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from sopilot_assets.exchange.said import (
    Border,
    Faults,
    MarkedInterval,
    MarkedVideo,
    SaidFile,
    SaidInterval,
    SaidVideo,
    Vocabulary,
    milliseconds,
)
from sopilot_assets.exchange.xml_tree import XmlNode, xml_tree
from sopilot_assets.texts.languages import Text

ROOT: Final = "annotations"
BEGINS, ENDS = "begin_s", "end_s"
"""The attributes of a track that keep its times."""
_SHAPES: Final = ("box", "polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton")
_NUMBER: Final = re.compile(r"\d{1,9}")
_SECONDS: Final = re.compile(r"\d{1,5}\.\d{3}")


def read_cvat(data: bytes, *, source: str) -> SaidFile:
    """What a task's or job's annotations say; raises ``ExchangeError`` with every fault by line."""
    faults = Faults(source)
    root = xml_tree(data, root=ROOT, faults=faults)
    version = next((one.text.strip() for one in root.children if one.tag == "version"), "")
    if version != "1.1":
        faults.stop(f"expected version 1.1, found {version!r}", f"版は 1.1 のはずですが、{version!r} です")
    tracks, images = list(root.all("track")), list(root.all("image"))
    last = _last_picture(root)
    intervals = [one for track in tracks for one in _track(track, last, faults)]
    intervals += _tags(images, faults)
    left_out = sum(1 for image in images for shape in image.children if shape.tag in _SHAPES)
    faults.done()
    media = _medium(root, [*tracks, *images], faults)
    left = (
        Text(
            f"{left_out} shapes on single pictures are not read",
            f"1 コマだけの図形 {left_out} 件は読みません",
        ),
    )
    return SaidFile((SaidVideo(media, root.where, tuple(intervals)),), left if left_out else ())


def _medium(root: XmlNode, parts: list[XmlNode], faults: Faults) -> str:
    """The video of the task, of which all parts are."""
    if len({one.get("task_id") for one in parts} - {""}) > 1:
        faults.stop(
            "expected the annotations of one task, found those of several; export each task by itself",
            "複数のタスクが入っています。タスクごとにエクスポートしてください",
        )
    return next((one.text.strip() for one in root.all("source") if one.text.strip()), "")


def _last_picture(root: XmlNode) -> int:
    """The number of the last picture of the task; 0 where nothing says so."""
    told = (one.text.strip() for one in root.all("stop_frame", "stop") if _NUMBER.fullmatch(one.text.strip()))
    return max(map(int, told), default=0)


def _track(track: XmlNode, last: int, faults: Faults) -> Iterator[SaidInterval]:
    """The intervals in which a track is there; one without an end lasts to the task's ``last`` picture, or to
    its own.
    """
    label, begun = track.get("label"), None
    shapes = _shapes(track, faults)
    for one in shapes:
        if one.there and begun is None:
            begun = one
        elif not one.there and begun is not None:
            yield _interval(label, begun.node, begun.frame, one.frame, faults)
            begun = None
    if begun is not None:
        yield _interval(label, begun.node, begun.frame, max(last, shapes[-1].frame) + 1, faults)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A shape of a track: on which picture, and whether the track is there from it on."""

    frame: int
    there: bool
    node: XmlNode


def _shapes(track: XmlNode, faults: Faults) -> list[_Shape]:
    """The shapes of a track in order; none where something is wrong with one, which is told."""
    found: list[_Shape] = []
    label = track.get("label")
    for node in track.children:
        if node.tag not in _SHAPES:
            continue
        frame, outside = node.get("frame"), node.get("outside") or "0"
        if not _NUMBER.fullmatch(frame) or outside not in ("0", "1"):
            faults.add(
                node.where,
                f"expected the number of a picture and outside 0 or 1, found {frame!r} and {outside!r}",
                f"コマ番号か outside の値が読めません：{frame!r}、{outside!r}",
            )
            return []
        if found and int(frame) <= found[-1].frame:
            faults.add(
                node.where,
                f"expected pictures in order, found {frame} after {found[-1].frame}",
                f"コマ番号が順になっていません（{found[-1].frame} の次が {frame}）",
            )
            return []
        found.append(_Shape(int(frame), outside == "0", node))
    if not found:
        faults.add(
            track.where,
            f"expected shapes of the track {label!r}, found none",
            f"{label!r} の図形がありません",
        )
    return found


def _interval(label: str, shape: XmlNode, start: int, end: int, faults: Faults) -> SaidInterval:
    kept = {one.get("name"): one.text.strip() for one in shape.children if one.tag == "attribute"}
    times: list[int | None] = []
    for name in (BEGINS, ENDS):
        text = kept.get(name, "")
        if text and not _SECONDS.fullmatch(text):
            faults.add(
                shape.where,
                f"expected {name} in seconds with three decimals, found {text!r}",
                f"{name} は小数点以下 3 桁の秒です。{text!r} は読めません",
            )
        times.append(milliseconds(float(text)) if _SECONDS.fullmatch(text) else None)
    return SaidInterval(label, shape.where, Border(times[0], start), Border(times[1], end))


def _tags(images: list[XmlNode], faults: Faults) -> list[SaidInterval]:
    """The intervals of pictures in a row that have the same tag."""
    tagged: dict[str, dict[int, XmlNode]] = {}
    for image in images:
        for tag in image.children:
            if tag.tag != "tag":
                continue
            if not _NUMBER.fullmatch(image.get("id")):
                faults.add(
                    image.where,
                    f"expected the number of a picture (id), found {image.get('id')!r}",
                    f"コマ番号（id）が読めません：{image.get('id')!r}",
                )
                continue
            tagged.setdefault(tag.get("label"), {})[int(image.get("id"))] = tag
    return [one for label, pictures in tagged.items() for one in _runs(label, pictures)]


def _runs(label: str, pictures: dict[int, XmlNode]) -> Iterator[SaidInterval]:
    numbers = sorted(pictures)
    begin = numbers[0]
    for number, after in pairwise([*numbers, -1]):
        if after != number + 1:
            yield SaidInterval(label, pictures[begin].where, Border(frame=begin), Border(frame=number + 1))
            begin = after


def write_cvat(video: MarkedVideo, vocabulary: Vocabulary) -> bytes:
    """One recording as "CVAT for video 1.1": a track over the whole picture for each interval. A border is
    the nearest picture; its time is kept in an attribute.
    """
    count = len(video.pictures.starts_ms)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<annotations>",
        "<version>1.1</version>",
        "<meta><task>",
        f"<name>{escape(vocabulary.title)}</name>",
        f"<size>{count}</size><mode>interpolation</mode><overlap>0</overlap><flipped>False</flipped>",
        f"<start_frame>0</start_frame><stop_frame>{count - 1}</stop_frame><frame_filter></frame_filter>",
        "<labels>",
        *(_label(name) for name in vocabulary.names),
        "</labels>",
        f"<original_size><width>{video.width}</width><height>{video.height}</height></original_size>",
        f"<source>{escape(video.name)}</source>",
        "</task></meta>",
        *(line for place, one in enumerate(video.intervals) for line in _lines(video, place, one)),
        "</annotations>",
        "",
    ]
    return "\n".join(lines).encode()


def _label(name: str) -> str:
    attributes = "".join(
        f"<attribute><name>{one}</name><mutable>False</mutable><input_type>text</input_type>"
        "<default_value></default_value><values></values></attribute>"
        for one in (BEGINS, ENDS)
    )
    return (
        f"<label><name>{escape(name)}</name><color>#808080</color><type>any</type>"
        f"<attributes>{attributes}</attributes></label>"
    )


def _lines(video: MarkedVideo, place: int, one: MarkedInterval) -> Iterator[str]:
    """The track of one interval; a picture on which it is outside says that it ended, unless it lasts to the
    end.
    """
    start, end = video.pictures.frames_of(one.start_ms, one.end_ms)
    yield f'<track id="{place}" label={quoteattr(one.name)} source="manual">'
    yield from _box(video, one, start, outside=False)
    if end < len(video.pictures.starts_ms):
        yield from _box(video, one, end, outside=True)
    yield "</track>"


def _box(video: MarkedVideo, one: MarkedInterval, frame: int, *, outside: bool) -> Iterator[str]:
    yield (
        f'<box frame="{frame}" keyframe="1" outside="{int(outside)}" occluded="0" xtl="0.00" ytl="0.00" '
        f'xbr="{video.width:.2f}" ybr="{video.height:.2f}" z_order="0">'
    )
    for name, time_ms in ((BEGINS, one.start_ms), (ENDS, one.end_ms)):
        yield f'<attribute name="{name}">{time_ms / 1000:.3f}</attribute>'
    yield "</box>"
