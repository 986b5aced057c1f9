"""Frames at given times, read forward.

Frames are decoded in the order of the file, so that what comes out is what a player shows. Far ahead, reading
jumps to a key frame, if that turns out to be one: the first frame that comes out of the decoder there has to
be a picture of its own. Where the next key frame is no such place (open groups of pictures, intra refresh,
wrong marks), or there is none, reading goes on from where it is.

Damaged packets are skipped and reading goes on; where a frame is missing, the one before it stays on display,
as in a player, and the sample is marked as held.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sopilot_assets.video.container import open_video, packets_of, video_stream
from sopilot_assets.video.probe import CLOCK_TOLERANCE_S, FloatArray, VideoIndex

JUMP_GAP_S: Final = 8.0
"""To a sample further ahead than this, reading jumps if it can."""

_MOST_FALSE_KEYS: Final = 3
"""After so many key frames that were none, a file is read forward only."""

_LISTED: Final = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi"})
"""Containers that list where each frame is."""

_GUESSED_KEYS_BACK: Final = 3
"""In others seeking lands near its target only: aim this many key frames earlier."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled picture: ``image`` (h, w, 3) uint8 RGB as displayed at ``time_s``; ``held`` where the frame
    due then could not be decoded.
    """

    time_s: float
    image: NDArray[np.uint8]
    held: bool


@dataclass(slots=True)
class Reading:
    """A reading of ``path`` that survives damage; ``decoded`` and ``damaged`` count frames as it goes.

    It ends early after ``most_frames`` decoded ones, and then says in ``given_up_s`` before which sample.
    """

    path: Path
    index: VideoIndex
    size: tuple[int, int]
    most_frames: int | None = None
    given_up_s: float | None = None
    decoded: int = 0
    damaged: int = 0
    _false_keys: int = 0

    def samples(self, times_s: FloatArray) -> Iterator[Sample]:
        """The pictures displayed at ``times_s`` (ascending), in order; those before the first frame that
        decodes and after the last are left out.
        """
        picture = _Picture(self.index, self.size)
        with ExitStack() as opened:
            cursor = self._opened(opened, key_s=None)
            for time_s in times_s.tolist():
                if time_s - cursor.position_s > JUMP_GAP_S:
                    cursor = self._jumped(cursor, opened, time_s)
                shown = cursor.at(time_s)
                if self.exhausted:
                    self.given_up_s = time_s
                    return
                if shown is not None and (
                    cursor.ahead is not None or time_s < shown.end_s - CLOCK_TOLERANCE_S
                ):
                    due_s = self.index.starts_s[self.index.frames_at(np.array([time_s]))[0]]
                    held = bool(abs(shown.start_s - due_s) > CLOCK_TOLERANCE_S)
                    yield Sample(time_s, picture.of(shown.frame), held=held)

    @property
    def exhausted(self) -> bool:
        """Whether no more frames may be decoded."""
        return self.most_frames is not None and self.decoded > self.most_frames

    def _jumped(self, cursor: _Cursor, opened: ExitStack, time_s: float) -> _Cursor:
        """A cursor at a key frame between where reading is and ``time_s``; the same one where there is none
        that can be trusted.
        """
        keys_s = self.index.key_starts_s[self.index.key_starts_s <= time_s + CLOCK_TOLERANCE_S]
        back = 1 if self.index.probe.container in _LISTED else _GUESSED_KEYS_BACK
        if self.index.in_order or self._false_keys >= _MOST_FALSE_KEYS or len(keys_s) < back:
            return cursor
        if keys_s[-back] <= cursor.position_s:
            return cursor
        elsewhere = self._opened(opened, key_s=float(keys_s[-back]))
        if elsewhere.find_key(before_s=time_s):
            cursor.close()
            return elsewhere
        elsewhere.close()
        self._false_keys += 1
        return cursor

    def _opened(self, opened: ExitStack, *, key_s: float | None) -> _Cursor:
        container = opened.enter_context(open_video(self.path))
        stream = video_stream(container, self.path)
        if key_s is not None:
            tick = stream.time_base or Fraction(1, av.time_base)
            container.seek(round((self.index.origin_s + key_s) / tick), stream=stream, backward=True)
        return _Cursor(self, container, packets_of(container, stream))


@dataclass(frozen=True, slots=True)
class _Shown:
    start_s: float
    end_s: float
    frame: VideoFrame


@dataclass(slots=True)
class _Cursor:
    """Where one pass through the packets is: the frame on display and the one ahead of it."""

    reading: Reading
    container: InputContainer
    packets: Iterator[Packet[VideoStream]]
    shown: _Shown | None = None
    ahead: _Shown | None = None
    _frames: Iterator[_Shown] | None = None
    _places: int = 0

    def close(self) -> None:
        self.container.close()

    @property
    def position_s(self) -> float:
        """Up to when frames were decoded."""
        last = self.ahead or self.shown
        return last.start_s if last is not None else self.reading.index.begin_s

    def at(self, time_s: float) -> _Shown | None:
        """The frame on display at ``time_s``, None where none has been decoded by then; times ascend."""
        if self._frames is None:
            self._frames = self._ascending()
            self.ahead = next(self._frames, None)
        while self.ahead is not None and self.ahead.start_s <= time_s + CLOCK_TOLERANCE_S:
            self.shown, self.ahead = self.ahead, next(self._frames, None)
        return self.shown

    def find_key(self, *, before_s: float) -> bool:
        """Go to the first frame that shows a picture of its own; whether one comes, by ``before_s``.

        Frames displayed before it may lack what they were predicted from. A frame from which decoding only
        recovers in time has no picture of its own.
        """
        self._frames = self._ascending()
        for shown in self._frames:
            if shown.start_s > before_s + CLOCK_TOLERANCE_S:
                return False
            if (
                shown.frame.key_frame
                and shown.frame.pict_type == PictureType.I
                and not shown.frame.is_corrupt
            ):
                self.ahead = shown
                return True
        return False

    def _ascending(self) -> Iterator[_Shown]:
        latest_s = -np.inf
        for packet in self.packets:
            if self.reading.exhausted:
                return
            for frame in self._decoded(packet):
                start_s, end_s = self._interval(frame)
                if start_s > latest_s:
                    latest_s = start_s
                    yield _Shown(start_s, end_s, frame)

    def _decoded(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        if packet.size == 0 and packet.dts is not None:
            return []  # the picture stays; to a decoder it would mean the end
        try:
            frames = packet.decode()
        except MemoryError:
            raise
        except av.error.FFmpegError:
            self.reading.damaged += 1
            self._places += 1
            return []
        self.reading.decoded += len(frames)
        self.reading.damaged += sum(frame.is_corrupt for frame in frames)
        return frames

    def _interval(self, frame: VideoFrame) -> tuple[float, float]:
        """When the frame is displayed; without a time of its own it takes the place after the one before."""
        index = self.reading.index
        if index.in_order or frame.pts is None or frame.time_base is None:
            place = min(self._places, len(index.starts_s) - 1)
            start_s = float(index.starts_s[place])
        else:
            start_s = float(frame.pts * frame.time_base) - index.origin_s
            place = int(index.frames_at(np.array([start_s]))[0])
        self._places = place + 1
        following = index.starts_s[place + 1] if place + 1 < len(index.starts_s) else index.end_s
        return start_s, float(following)


@dataclass(slots=True)
class _Picture:
    """Turns frames into pictures of one size: FFmpeg's bicubic scale filter, which all stored embeddings saw,
    then the turn for display.
    """

    index: VideoIndex
    size: tuple[int, int]
    _graphs: dict[tuple[int, int, str], av.filter.Graph] = field(default_factory=dict)
    _latest: tuple[VideoFrame, NDArray[np.uint8]] | None = None

    def of(self, frame: VideoFrame) -> NDArray[np.uint8]:
        if self._latest is None or self._latest[0] is not frame:
            graph = self._graph(frame)
            graph.push(frame)
            scaled = graph.pull()
            assert isinstance(scaled, VideoFrame)
            self._latest = (
                frame,
                self.index.orientation.apply(scaled.to_ndarray().astype(np.uint8, copy=False)),
            )
        return self._latest[1]

    def _graph(self, frame: VideoFrame) -> av.filter.Graph:
        """The filters for frames of this size and format; a stream may change both midway."""
        key = (frame.width, frame.height, frame.format.name)
        if key not in self._graphs:
            width, height = self.size[::-1] if self.index.orientation.swap else self.size
            graph = av.filter.Graph()
            source = graph.add_buffer(
                width=key[0], height=key[1], format=frame.format, time_base=Fraction(1, 1000)
            )
            steps = [
                source,
                graph.add("scale", f"{width}:{height}:flags=bicubic"),
                graph.add("format", "rgb24"),
                graph.add("buffersink"),
            ]
            for left, right in pairwise(steps):
                left.link_to(right)
            graph.configure()
            self._graphs[key] = graph
        return self._graphs[key]
