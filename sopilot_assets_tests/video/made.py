"""Small files with the oddities of devices: late and long tracks, several tracks, empty packets."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sopilot_assets.video.container import open_video, packets_of
from sopilot_assets_tests.video.tiny import Image


def remuxed(source: Path, target: Path, *, first_s: float = 0.0, sound_s: float | None = None) -> Path:
    """``source`` with its pictures from ``first_s`` on, beside ``sound_s`` of silence from 0 on.

    In MP4 an edit list cuts off what comes before 0.
    """
    options = {"avoid_negative_ts": "disabled"}
    with open_video(source) as one, av.open(str(target), "w", options=options) as other:
        stream = one.streams.video[0]
        pictures = other.add_stream_from_template(stream)
        if sound_s is not None:
            sound = other.add_stream("aac", rate=8000)
            for number in range(round(sound_s * 8000 / 1024)):
                silence = np.zeros((1, 1024), np.float32)
                frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 8000, number * 1024
                other.mux(sound.encode(frame))
            other.mux(sound.encode())
        for packet in packets_of(one, stream):
            if packet.dts is None or packet.pts is None:
                continue
            shift = round(first_s / packet.time_base)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            packet.stream = pictures
            other.mux(packet)
    return target


def two_tracks(target: Path, first: Path, second: Path, *, default: int) -> Path:
    """The pictures of two files as tracks of one, of which number ``default`` is marked."""
    with open_video(first) as one, open_video(second) as two, av.open(str(target), "w") as out:
        sources = (one.streams.video[0], two.streams.video[0])
        tracks = [out.add_stream_from_template(stream) for stream in sources]
        for number, track in enumerate(tracks):
            track.disposition = Disposition.default if number == default else Disposition(0)
        packets = [
            (float((packet.dts or 0) * packet.time_base), packet, track)
            for container, stream, track in zip((one, two), sources, tracks, strict=True)
            for packet in packets_of(container, stream)
            if packet.dts is not None
        ]
        for _, packet, track in sorted(packets, key=lambda row: row[0]):
            packet.stream = track
            out.mux(packet)
    return target


def with_empty_chunks(source: Path, target: Path, *, fps: int, empty: int) -> Path:
    """An AVI of ``fps`` chunks a second with the pictures of ``source``, each followed by ``empty`` chunks
    without one: the picture stays.
    """
    with open_video(source) as container:
        stream = container.streams.video[0]
        width, height = stream.codec_context.width, stream.codec_context.height
        tag = stream.codec_context.codec_tag.encode("ascii")
        pictures = [(bytes(packet), packet.is_keyframe) for packet in packets_of(container, stream)]
    chunks = [chunk for data, key in pictures if data for chunk in ((data, key), *[(b"", False)] * empty)]
    largest, body, index = max(len(data) for data, _ in chunks), b"movi", b""
    for data, key in chunks:
        index += b"00dc" + struct.pack("<III", 0x10 if key else 0, len(body), len(data))
        body += _chunk(b"00dc", data)
    head = struct.pack("<14I", 10**6 // fps, 0, 0, 16, len(chunks), 0, 1, largest, width, height, 0, 0, 0, 0)
    stream_head = (
        b"vids"
        + tag
        + struct.pack(
            "<IHHIIIIIIii4H", 0, 0, 0, 0, 1, fps, 0, len(chunks), largest, -1, 0, 0, 0, width, height
        )
    )
    picture = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, tag, width * height * 3, 0, 0, 0, 0)
    described = _chunk(b"LIST", b"strl" + _chunk(b"strh", stream_head) + _chunk(b"strf", picture))
    header = _chunk(b"LIST", b"hdrl" + _chunk(b"avih", head) + described)
    riff = b"AVI " + header + _chunk(b"LIST", body) + _chunk(b"idx1", index)
    target.write_bytes(b"RIFF" + struct.pack("<I", len(riff)) + riff)
    return target


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def as_fields(target: Path, pictures: Sequence[Image], *, fps: int, together: bool) -> Path:
    """A transport stream in which every picture (h, w, 3; sides are multiples of 32) is stored as two fields
    of H.264, as camcorders do (AVCHD); ``together`` with one time for both.
    """
    height, width = pictures[0].shape[:2]
    sequence = f"{77:08b}{0:08b}{30:08b}111{_golomb(4)}{_golomb(1)}0"  # main profile, one reference
    sequence += f"{_golomb(width // 16 - 1)}{_golomb(height // 32 - 1)}00100"  # fields
    parameters = _unit(0x67, sequence) + _unit(0x68, "1100111000111100")
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=fps)  # the name of the codec: nothing is encoded
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        tick = Fraction(1, 2 * fps)
        for number, picture in enumerate(pictures):
            planes = _planes(picture)
            first = _unit(0x09, "000") + parameters + _field(planes, bottom=False, number=number)
            second = _unit(0x09, "000") + _field(planes, bottom=True, number=number)
            for place, data in enumerate([first + second] if together else [first, second]):
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.is_keyframe = stream, tick, place == 0
                packet.pts = packet.dts = 2 * number + place
                container.mux(packet)
    return target


def _planes(picture: Image) -> list[NDArray[np.uint8]]:
    """Luma and both colours, with a quarter of the pixels each."""
    height, width = picture.shape[:2]
    stored = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p").to_ndarray()
    colours = stored[height:].reshape(2, height // 2, width // 2)
    return [stored[:height].astype(np.uint8), *colours.astype(np.uint8)]


def _field(planes: Sequence[NDArray[np.uint8]], *, bottom: bool, number: int) -> bytes:
    """A slice of every second line, all of it uncompressed (I_PCM)."""
    head = "1" + "0001000" + "1" + "0000" + "1" + f"{bottom:b}"  # I slice of frame 0, a field
    head += ("" if bottom else _golomb(number % 2)) + f"{bottom:08b}" + ("0" if bottom else "00")
    head += "1" + "010"  # as coarse as said, no deblocking
    blocks = b"".join(
        b"".join(
            plane[bottom::2][row * side : (row + 1) * side, column * side : (column + 1) * side].tobytes()
            for plane, side in zip(planes, (16, 8, 8), strict=True)
        )
        + b"\x0d\0"
        for row in range(planes[0].shape[0] // 32)
        for column in range(planes[0].shape[1] // 16)
    ).removesuffix(b"\x0d\0")
    return _unit(0x61 if bottom else 0x65, head + "000011010", blocks)


def _golomb(value: int) -> str:
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def _unit(head: int, bits: str, rest: bytes = b"") -> bytes:
    """A unit of the network abstraction layer; its bits end with a stop bit, or are filled up to ``rest``."""
    bits += "" if rest else "1"
    bits += "0" * (-len(bits) % 8)
    payload = int(bits, 2).to_bytes(len(bits) // 8) + (rest + b"\x80" if rest else b"")
    return b"\0\0\0\1" + bytes([head]) + re.sub(rb"\0\0(?=[\0-\3])", lambda _: b"\0\0\3", payload)
