"""Pictures of H.264 that are stored as two fields in two packets, as camcorders store them (AVCHD, 1080i)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from av.packet import Packet
from av.video.stream import VideoStream

_SLICES: Final = (1, 5)
_SPS: Final = 7
_HEAD_BYTES: Final = 4096
"""What comes before the first slice of a packet is no longer than this."""
_START: Final = b"\0\0\1"
_WITH_CHROMA: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Profiles whose sequence parameters say how colour is stored (7.3.2.1.1)."""


class SecondFields:
    """Tells which packets of a stream, asked in their order, hold the second field of a picture whose first
    one came before.

    It reads the beginning of slice headers (ITU-T H.264, 7.3.3), and nothing where the sequence parameters
    say that all pictures are whole frames.
    """

    def __init__(self, stream: VideoStream) -> None:
        extradata = stream.codec_context.extradata or b""
        self._length_bytes = 1 + (extradata[4] & 3) if extradata[:1] == b"\1" and len(extradata) > 4 else 0
        h264 = stream.codec_context.codec.canonical_name == "h264"
        self._frame_number_bits = _bits_of_frame_number(extradata) if h264 else None
        self._first: tuple[int, int] | None = None

    def has(self, packet: Packet[VideoStream]) -> bool:
        """Whether it holds a second field."""
        if self._frame_number_bits is None:
            return False
        field = self._field(bytes(memoryview(packet)[:_HEAD_BYTES]), self._frame_number_bits)
        second = field is not None and self._first == (field[0], 1 - field[1])
        self._first = None if second else field
        return second

    def _field(self, head: bytes, frame_number_bits: int) -> tuple[int, int] | None:
        """Number and parity of the picture's first slice; None where that is of a whole frame."""
        try:
            bits = next(_Bits(unit[1:]) for unit in self._units(head) if unit[0] & 31 in _SLICES)
            for _ in range(3):
                bits.golomb()  # first macroblock, type of slice, picture parameters
            number = bits.take(frame_number_bits)
            return (number, bits.take(1)) if bits.take(1) else None
        except (StopIteration, IndexError):  # damaged
            return None

    def _units(self, head: bytes) -> Iterator[bytes]:
        """The units of the network abstraction layer, the last one as far as it is there."""
        if not self._length_bytes:
            yield from _annex_b(head)
            return
        at = 0
        while at + self._length_bytes < len(head):
            begin = at + self._length_bytes
            at = begin + int.from_bytes(head[at:begin])
            yield head[begin:at]


def _annex_b(data: bytes) -> list[bytes]:
    return [unit for unit in data.split(_START)[1:] if unit]


def _bits_of_frame_number(extradata: bytes) -> int | None:
    """How long frame numbers are in slice headers; None where no picture is stored as fields."""
    if extradata[:1] == b"\1":
        length = int.from_bytes(extradata[6:8])
        units = [extradata[8 : 8 + length]]
    else:
        units = _annex_b(extradata)
    parameters = next((unit for unit in units if unit and unit[0] & 31 == _SPS), None)
    try:
        return None if parameters is None else _of_parameters(_Bits(parameters[1:]))
    except IndexError:
        return None


def _of_parameters(bits: _Bits) -> int | None:
    profile = bits.take(8)
    bits.take(16)
    bits.golomb()
    if profile in _WITH_CHROMA:
        if bits.golomb() == 3:  # 4:4:4, which no camcorder writes
            return None
        bits.golomb()
        bits.golomb()
        bits.take(1)
        if bits.take(1):
            _pass_scaling(bits)
    frame_number_bits = 4 + bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.take(1)
        bits.golomb()
        bits.golomb()
        for _ in range(bits.golomb()):
            bits.golomb()
    bits.golomb()
    bits.take(1)
    bits.golomb()
    bits.golomb()
    return None if bits.take(1) else frame_number_bits


def _pass_scaling(bits: _Bits) -> None:
    """Go past the scaling lists (7.3.2.1.1.1)."""
    for place in range(8):
        last = step = 8
        for _ in range((16 if place < 6 else 64) if bits.take(1) else 0):
            if step:
                code = bits.golomb()
                step = (last + ((code + 1) // 2 if code % 2 else -code // 2)) % 256
            last = step or last


@dataclass(slots=True)
class _Bits:
    """Bits of a unit, without the bytes that keep start codes out of it; raises ``IndexError`` at its end."""

    unit: bytes
    at: int = 0

    def __post_init__(self) -> None:
        self.unit = self.unit.replace(b"\0\0\3", b"\0\0")

    def take(self, count: int) -> int:
        value = 0
        for place in range(self.at, self.at + count):
            value = 2 * value + (self.unit[place // 8] >> 7 - place % 8 & 1)
        self.at += count
        return value

    def golomb(self) -> int:
        """An unsigned exponential Golomb code (9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)
