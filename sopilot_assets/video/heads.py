"""What files of videos begin with: one with two heads is several recordings, joined as if they were text."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Final

_BOX_BYTES: Final = 8

_HEADS: Final = {
    "flv": re.compile(rb"FLV\x01[\x00-\x05]\x00\x00\x00\x09\x00\x00\x00\x00"),
    "asf": re.compile(re.escape(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"))),
    "wtv": re.compile(re.escape(bytes.fromhex("b7d800203749da11a64e0007e95ead8d"))),
    "ivf": re.compile(rb"DKIF\x00\x00\x20\x00"),
    "mxf": re.compile(re.escape(bytes.fromhex("060e2b34020501010d0102010102"))),
}
"""What each begins with, once: Flash (its header and the size 0 of no tag before), the ASF header object, the
WTV signature, the IVF header, the MXF header partition (SMPTE ST 377-1).
"""
_HEAD_BYTES: Final = 16
"""The longest of them."""
_READ_BYTES: Final = 1 << 20


def begins_twice(path: Path, container: str) -> bool:
    """Whether a file has a second head, in formats whose readers stop before it or skip what follows."""
    if container.startswith("mov,mp4"):
        return _boxes_begin_twice(path)
    head = _HEADS.get(container)
    return head is not None and _lies_twice(path, head)


def _lies_twice(path: Path, head: re.Pattern[bytes]) -> bool:
    seen, kept = 0, b""
    with path.open("rb") as stream:
        while (read := stream.read(_READ_BYTES)) and seen < 2:
            window = kept + read
            found = list(head.finditer(window))
            seen += len(found)
            kept = window[max(found[-1].end() if found else 0, len(window) - _HEAD_BYTES + 1) :]
    return seen > 1


def _boxes_begin_twice(path: Path) -> bool:
    """Whether an MP4 file has a second box ``ftyp`` (ISO 14496-12)."""
    heads, position, size = 0, 0, path.stat().st_size
    with path.open("rb") as stream:
        while position + _BOX_BYTES <= size and heads < 2:
            stream.seek(position)
            length, kind = struct.unpack(">I4s", stream.read(_BOX_BYTES))
            if length == 1:
                length = int.from_bytes(stream.read(_BOX_BYTES))
            if length < _BOX_BYTES:
                break
            heads += kind == b"ftyp"
            position += length
    return heads > 1
