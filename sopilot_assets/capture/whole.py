"""Whether a file is whole: what its container says of its own end, and whether another file is its rest."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO, Final

_TAIL_BYTES: Final = 512
_PAGE_BYTES: Final = 4096
_PAGES: Final = 512
_SAME_SHARE: Final = 0.9
"""Recorders correct sizes and times in a few places when they close a file; the pictures stay."""

_FIRST_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp"})
_HEADS: Final = (b"RIFF", b"FLV", b"OggS", b"GIF8", b"\0\0\1", b"\x30\x26\xb2\x75", b"\x1aE\xdf\xa3")
"""AVI, Flash, Ogg, GIF, MPEG program stream, ASF, Matroska."""
_SYNC: Final = 0x47
"""A packet of a transport stream begins so, on cameras after four bytes of time."""
_EBML, _SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")


def may_begin_video(path: Path) -> bool:
    """Whether a file begins like a video, or with bytes that nobody wrote yet; more of any other file makes
    no video.
    """
    with path.open("rb") as stream:
        head = stream.read(12)
    known = head[4:8] in _FIRST_BOXES or head.startswith(_HEADS)
    return known or not any(head) or _SYNC in (head[0], *head[4:5])


def is_closed(path: Path) -> bool:
    """Whether the container says that the file ends where it ends (MP4 and MOV, Matroska and WebM, AVI).

    False for a file that is not complete, is followed by bytes that nobody wrote yet, or does not say.
    """
    size = path.stat().st_size
    if size < _TAIL_BYTES:
        return False
    with path.open("rb") as stream:
        head = stream.read(12)
        stream.seek(size - _TAIL_BYTES)
        if not any(stream.read(_TAIL_BYTES)):
            return False
        stream.seek(0)
        if head[4:8] in _FIRST_BOXES:
            return _boxes_end(stream, size)
        if head[:4] == _EBML:
            return _segment_ends(stream, size)
        return head[:4] == b"RIFF" and _riffs_end(stream, size)


def is_continued_by(earlier: Path, later: Path) -> bool:
    """Whether ``later`` is ``earlier`` written on: what the earlier file holds, bytes that are zero aside,
    lies at the same places of the later one, which is no shorter.

    At most `_PAGES` places are compared.
    """
    size = earlier.stat().st_size
    if later.stat().st_size < size:
        return False
    pages = max(1, size // _PAGE_BYTES)
    places = range(0, pages, max(1, pages // _PAGES))
    written = same = 0
    with earlier.open("rb") as before, later.open("rb") as after:
        for page in places:
            before.seek(page * _PAGE_BYTES)
            after.seek(page * _PAGE_BYTES)
            old = before.read(_PAGE_BYTES).rstrip(b"\0")
            if old:
                written += 1
                same += old == after.read(len(old))
            if written - same > (1 - _SAME_SHARE) * len(places):  # another recording is found out early
                return False
    return written > 0 and same >= _SAME_SHARE * written


def _boxes_end(stream: BinaryIO, size: int) -> bool:
    """ISO/IEC 14496-12: boxes side by side; fragments go on until the index of fragments at the very end."""
    at, kinds = 0, list[bytes]()
    while at < size:
        stream.seek(at)
        header = stream.read(16)
        if len(header) < 8:
            return False
        length, kind = struct.unpack(">I4s", header[:8])
        if length == 1 and len(header) == 16:
            (length,) = struct.unpack(">Q", header[8:])
        if length < 8 or at + length > size:
            return False
        kinds.append(kind)
        at += length
    return b"moov" in kinds and (b"moof" not in kinds or kinds[-1] == b"mfra")


def _segment_ends(stream: BinaryIO, size: int) -> bool:
    """RFC 8794: the header, then one segment whose size is known."""
    stream.seek(4)
    header = _number(stream)
    if header is None:
        return False
    stream.seek(header, os.SEEK_CUR)
    if stream.read(4) != _SEGMENT:
        return False
    length = _number(stream)
    return length is not None and stream.tell() + length == size


def _number(stream: BinaryIO) -> int | None:
    """A size as EBML writes it; None where it is left open."""
    first = stream.read(1)
    if not first or first[0] == 0:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0x7F >> more)]) + stream.read(more), "big")
    return None if value == (1 << 7 * (more + 1)) - 1 else value


def _riffs_end(stream: BinaryIO, size: int) -> bool:
    """AVI 1.0 and OpenDML: one RIFF after the other."""
    at = 0
    while at < size:
        stream.seek(at)
        header = stream.read(12)
        if len(header) < 12 or header[:4] != b"RIFF" or header[8:] not in (b"AVI ", b"AVIX"):
            return False
        (length,) = struct.unpack("<I", header[4:8])
        at += 8 + length + length % 2
    return at in (size, size + 1)
