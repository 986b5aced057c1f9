"""ELAN's annotation files (``.eaf``, EAF 3.0 of the Max Planck Institute for Psycholinguistics).

Times are whole milliseconds from the beginning of the recording. Steps stand in the tier ``steps``, or in the
only tier that has annotations with times of their own. Of several media the first video is the recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from sopilot_assets.exchange.said import (
    Border,
    Faults,
    MarkedVideo,
    SaidFile,
    SaidInterval,
    SaidVideo,
    Vocabulary,
)
from sopilot_assets.exchange.xml_tree import XmlNode, xml_tree
from sopilot_assets.texts.languages import Text

ROOT: Final = "ANNOTATION_DOCUMENT"
TIER: Final = "steps"
_SHA: Final = "recording_sha256"
_NO_LANGUAGE: Final = "http://cdb.iso.org/lg/CDB-00130975-001"
_SCHEMA: Final = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"


def read_elan(data: bytes, *, source: str) -> SaidFile:
    """What an ``.eaf`` says; raises ``ExchangeError`` with every fault by line."""
    faults = Faults(source)
    root = xml_tree(data, root=ROOT, faults=faults)
    if any(header.get("TIME_UNITS") not in ("", "milliseconds") for header in root.all("HEADER")):
        faults.stop(
            "expected times in milliseconds (TIME_UNITS)", "時間の単位がミリ秒ではありません（TIME_UNITS）"
        )
    media = _medium(root)
    offset_ms = _origin(media, faults) if media is not None else 0
    slots = _slots(root, faults)
    timeless = {tier.get("TIER_ID") for tier in root.all("TIER") if _is_timeless(tier, slots)}
    intervals = [
        _interval(one, tier, slots, offset_ms, faults)
        for tier in root.all("TIER")
        if tier.get("TIER_ID") not in timeless
        for one in tier.all("ALIGNABLE_ANNOTATION")
    ]
    faults.done()
    name = media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL") if media is not None else ""
    sha256 = next((one.text.strip() for one in root.all("PROPERTY") if one.get("NAME") == _SHA), "")
    where = (media or root).where
    read = tuple(one for one in intervals if one is not None)
    return SaidFile((SaidVideo(name, where, read, sha256=sha256),), tuple(_left_out(root, timeless)))


def _medium(root: XmlNode) -> XmlNode | None:
    """The recording: the first video among the media, else the first of them."""
    media = list(root.all("MEDIA_DESCRIPTOR"))
    videos = (one for one in media if one.get("MIME_TYPE").startswith("video/"))
    return next(videos, media[0] if media else None)


def _is_timeless(tier: XmlNode, slots: dict[str, int | None]) -> bool:
    """Whether a tier divides annotations of another one at places that have no time (Time Subdivision)."""
    ends = (
        one.get(name)
        for one in tier.all("ALIGNABLE_ANNOTATION")
        for name in ("TIME_SLOT_REF1", "TIME_SLOT_REF2")
    )
    return bool(tier.get("PARENT_REF")) and any(slots.get(name, 0) is None for name in ends)


def _origin(media: XmlNode, faults: Faults) -> int:
    """Where in the media file time 0 is, in milliseconds."""
    text = media.get("TIME_ORIGIN") or "0"
    if text.isascii() and text.isdecimal():
        return int(text[:12])
    faults.add(
        media.where,
        f"expected TIME_ORIGIN in milliseconds, found {text!r}",
        f"TIME_ORIGIN が {text!r} です",
    )
    return 0


def _slots(root: XmlNode, faults: Faults) -> dict[str, int | None]:
    """The times by their ids; None for one without a time."""
    slots: dict[str, int | None] = {}
    for slot in root.all("TIME_SLOT"):
        name, value = slot.get("TIME_SLOT_ID"), slot.get("TIME_VALUE")
        if name in slots:
            faults.add(slot.where, f"time slot {name!r} is there twice", f"時刻 {name!r} が二重にあります")
        if value and not (value.isascii() and value.isdecimal() and len(value) <= 12):
            faults.add(
                slot.where,
                f"expected TIME_VALUE in whole milliseconds from 0 on, found {value!r}",
                f"TIME_VALUE はミリ秒の整数です。{value!r} は読めません",
            )
            value = ""
        slots[name] = int(value) if value else None
    return slots


def _interval(
    one: XmlNode, tier: XmlNode, slots: dict[str, int | None], offset_ms: int, faults: Faults
) -> SaidInterval | None:
    times = []
    for attribute in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"):
        slot = one.get(attribute)
        value = slots.get(slot)
        if value is None:
            what = "no time slot of that id" if slot not in slots else "a time slot without a time"
            faults.add(
                one.where,
                f"expected a time by {attribute}={slot!r}, found {what}",
                f"{attribute}={slot!r} の時刻がありません",
            )
            return None
        times.append(Border(value + offset_ms))
    values = [child.text.strip() for child in one.children if child.tag == "ANNOTATION_VALUE"]
    return SaidInterval(
        values[0] if values else "",
        one.where,
        times[0],
        times[1],
        tier.get("TIER_ID"),
        annotator=tier.get("ANNOTATOR"),
    )


def _left_out(root: XmlNode, timeless: set[str]) -> Iterator[Text]:
    dependent = sum(1 for _ in root.all("REF_ANNOTATION"))
    if dependent:
        yield Text(
            f"{dependent} annotations of dependent tiers have no times of their own and are not read",
            f"従属する層の注釈 {dependent} 件には時刻がないため読みません",
        )
    if timeless:
        listed = ", ".join(sorted(timeless))
        yield Text(
            f"not read, since not all of their annotations have times: the dependent tiers {listed}",
            f"時刻のない注釈があるため、従属する層 {listed} は読みません",
        )


def write_elan(video: MarkedVideo, vocabulary: Vocabulary) -> bytes:
    """One recording's intervals as an ``.eaf``, with a tier and its vocabulary; no time is changed."""
    slots, annotations = [], []
    for place, one in enumerate(video.intervals):
        first, second = f"ts{2 * place + 1}", f"ts{2 * place + 2}"
        slots += [
            f'<TIME_SLOT TIME_SLOT_ID="{first}" TIME_VALUE="{one.start_ms}"/>',
            f'<TIME_SLOT TIME_SLOT_ID="{second}" TIME_VALUE="{one.end_ms}"/>',
        ]
        annotations.append(
            f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{place + 1}" TIME_SLOT_REF1="{first}" '
            f'TIME_SLOT_REF2="{second}"><ANNOTATION_VALUE>{escape(one.name)}</ANNOTATION_VALUE>'
            "</ALIGNABLE_ANNOTATION></ANNOTATION>"
        )
    url = quoteattr("./" + quote(video.name))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<{ROOT} AUTHOR="" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0"',
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
        f'xsi:noNamespaceSchemaLocation="{_SCHEMA}">',
        '<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">',
        f'<MEDIA_DESCRIPTOR MEDIA_URL={url} RELATIVE_MEDIA_URL={url} MIME_TYPE="video/mp4"/>',
        f'<PROPERTY NAME="{_SHA}">{video.sha256}</PROPERTY>',
        f'<PROPERTY NAME="lastUsedAnnotationId">{len(annotations)}</PROPERTY>',
        "</HEADER>",
        "<TIME_ORDER>",
        *slots,
        "</TIME_ORDER>",
        f'<TIER LINGUISTIC_TYPE_REF="step" TIER_ID="{TIER}">',
        *annotations,
        "</TIER>",
        '<LINGUISTIC_TYPE CONTROLLED_VOCABULARY_REF="steps" GRAPHIC_REFERENCES="false"',
        'LINGUISTIC_TYPE_ID="step" TIME_ALIGNABLE="true"/>',
        f'<LANGUAGE LANG_DEF="{_NO_LANGUAGE}" LANG_ID="und" LANG_LABEL="undetermined (und)"/>',
        '<CONTROLLED_VOCABULARY CV_ID="steps">',
        f'<DESCRIPTION LANG_REF="und">{escape(vocabulary.title)}</DESCRIPTION>',
        *(
            f'<CV_ENTRY_ML CVE_ID="cve{place}"><CVE_VALUE DESCRIPTION="" LANG_REF="und">'
            f"{escape(name)}</CVE_VALUE></CV_ENTRY_ML>"
            for place, name in enumerate(vocabulary.names)
        ),
        "</CONTROLLED_VOCABULARY>",
        f"</{ROOT}>",
        "",
    ]
    return "\n".join(lines).encode()
