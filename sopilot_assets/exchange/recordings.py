"""Which recording a file of another tool is about: by its hash, its name, or as somebody says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from sopilot_assets.exchange.said import PictureTimes, SaidVideo
from sopilot_assets.reference.annotations import GoldNames, golds_called
from sopilot_assets.texts.languages import Text

APART_MS: Final = 1000
"""A recording may last this much longer or shorter than a file says: tools count sound, or whole seconds."""

_LOCAL_FILES: Final = "/data/local-files"
_UPLOADED: Final = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded file."""


@dataclass(frozen=True, slots=True)
class MatchedRecording:
    """The recording that a part of a file is about, by the ``name`` to look it up by; ``remarks`` are what
    does not fit.
    """

    name: str
    gold: GoldNames | None
    remarks: tuple[Text, ...] = ()


def recording_of(
    video: SaidVideo,
    golds: Sequence[GoldNames],
    *,
    given: GoldNames | None = None,
) -> MatchedRecording:
    """The recording that ``video`` means: the ``given`` one, else the one with its hash, else the one of its
    name with as many of its folders as any has. ``gold`` is None where none or several are called so.
    """
    by_name = _by_name(video.name, golds)
    own = by_name[1][0] if len(by_name[1]) == 1 else None
    same = next((gold for gold in golds if video.sha256 and video.sha256 in gold.others), None)
    gold = given or same or own
    if gold is None:
        return MatchedRecording(by_name[0], None)
    name = gold.video_id if given or same else by_name[0]
    return MatchedRecording(name, gold, tuple(_remarks(video, gold, own)))


def _remarks(
    video: SaidVideo,
    gold: GoldNames,
    own: GoldNames | None,
) -> Iterator[Text]:
    if video.name and own is not gold:
        yield Text(
            f"the file speaks of {video.name!r}, taken as {gold.name}",
            f"ファイルには {video.name!r} とありますが、{gold.name} として扱います",
        )
    if video.sha256 and video.sha256 not in gold.others:
        yield Text(
            f"the file was made for other content than {gold.name} has now (its hash differs)",
            f"{gold.name} とは内容の異なる録画のために作られたファイルです（ハッシュ値が違います）",
        )
    lasts_ms = round(gold.duration_s * 1000)
    if video.duration_ms and lasts_ms and abs(video.duration_ms - lasts_ms) > APART_MS:
        told_s, lasts_s = video.duration_ms / 1000, lasts_ms / 1000
        yield Text(
            f"the file speaks of a recording of {told_s:.1f} s, {gold.name} lasts {lasts_s:.1f} s: is it "
            "another one?",
            f"ファイルでは長さ {told_s:.1f} 秒ですが、{gold.name} は {lasts_s:.1f} 秒です。"
            "別の録画ではありませんか",
        )


def _by_name(name: str, golds: Sequence[GoldNames]) -> tuple[str, list[GoldNames]]:
    """The most exact way of saying ``name`` by which a recording is called, and all that are called so."""
    ways = list(_ways(name))
    for way in ways:
        if called := golds_called(way, golds):
            return way, called
    return (ways[-1] if ways else ""), []


def _ways(name: str) -> Iterator[str]:
    """A name, path or address as a recording may be called, the longest first."""
    for path in dict.fromkeys((_path(name.strip()), unquote(_path(name.strip())))):
        parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        for count in range(len(parts), 0, -1):
            yield "/".join(parts[-count:])
        if parts and _UPLOADED.match(parts[-1]):
            yield _UPLOADED.sub("", parts[-1], count=1)


def _path(name: str) -> str:
    """The path in an address; anything else as it is."""
    scheme, colon, _ = name.partition("://")
    if not name.startswith(_LOCAL_FILES) and not (colon and scheme.isalnum()):
        return name
    try:
        parts = urlsplit(name)
    except ValueError:
        return name
    asked = parse_qs(parts.query).get("d", []) if parts.path.startswith(_LOCAL_FILES) else []
    return asked[0] if asked else parts.path


PicturesOf = Callable[[GoldNames], PictureTimes]
"""When the pictures of a recording are shown, read from its own timestamps."""
