"""Frames read with PyAV: the reader for damaged files, for what decord refuses, and for pictures that must be
turned.

Damaged packets are skipped and reading goes on; where a frame is missing, the one before it stays on display,
as in a player, and the sample is marked as held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sopilot_assets.video.probe import (
    CLOCK_TOLERANCE_S,
    INDEXED_CONTAINERS,
    FloatArray,
    VideoIndex,
    open_video,
    packets_of,
    video_stream,
)

SEEK_GAP_S: Final = 8.0
"""Between samples further apart than this, reading jumps to the next one's key frame instead of decoding all
in between.
"""


_GUESSED_KEYS_BACK: Final = 3
"""Without an index, seeking lands near its target only: start this many key frames earlier."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled picture: ``image`` (h, w, 3) uint8 RGB as displayed at ``time_s``; ``held`` where the frame
    due then could not be decoded.
    """

    time_s: float
    image: NDArray[np.uint8]
    held: bool


@dataclass(slots=True)
class Salvage:
    """A reading of ``path`` that survives damage; ``decoded`` and ``damaged`` count frames as it goes."""

    path: Path
    index: VideoIndex
    size: tuple[int, int]
    decoded: int = 0
    damaged: int = 0

    def samples(self, times_s: FloatArray) -> Iterator[Sample]:
        """The pictures displayed at ``times_s`` (ascending), in order; those after the last frame that
        decodes are left out.
        """
        for run in np.split(times_s, np.flatnonzero(np.diff(times_s) > SEEK_GAP_S) + 1):
            if run.size:
                yield from self._run(run)

    def _run(self, times_s: FloatArray) -> Iterator[Sample]:
        """The samples of one stretch of times, read from the key frame before it to the frame after it."""
        picture = _Picture(self.index, self.size)
        position = 0
        shown: tuple[float, float, VideoFrame] | None = None
        for start_s, end_s, frame in self._frames(first_s=float(times_s[0])):
            while (
                shown is not None
                and position < len(times_s)
                and times_s[position] + CLOCK_TOLERANCE_S < start_s
            ):
                yield self._sample(float(times_s[position]), shown, picture)
                position += 1
            if position == len(times_s):
                return
            shown = (start_s, end_s, frame)
        for time_s in times_s[position:]:
            if shown is not None and time_s < shown[1] - CLOCK_TOLERANCE_S:
                yield self._sample(float(time_s), shown, picture)

    def _sample(self, time_s: float, shown: tuple[float, float, VideoFrame], picture: _Picture) -> Sample:
        due_s = self.index.starts_s[self.index.frames_at(np.array([time_s]))[0]]
        return Sample(time_s, picture.of(shown[2]), held=bool(abs(shown[0] - due_s) > CLOCK_TOLERANCE_S))

    def _frames(self, *, first_s: float) -> Iterator[tuple[float, float, VideoFrame]]:
        """Start, end and frame of every frame that decodes, in display order, from the key frame before
        ``first_s`` on.
        """
        with open_video(self.path) as container:
            stream = video_stream(container, self.path)
            if first_s > SEEK_GAP_S:
                self._seek(container, stream, first_s)
            latest_s = -np.inf
            for packet in packets_of(container, stream):
                for frame in self._decoded(packet):
                    start_s, end_s = self._interval(frame)
                    if start_s > latest_s:
                        latest_s = start_s
                        yield start_s, end_s, frame

    def _seek(self, container: InputContainer, stream: VideoStream, first_s: float) -> None:
        back = 1 if self.index.probe.container in INDEXED_CONTAINERS else _GUESSED_KEYS_BACK
        keys_s = self.index.key_starts_s[self.index.key_starts_s <= first_s + CLOCK_TOLERANCE_S]
        target_s = float(keys_s[-back]) if len(keys_s) >= back else 0.0
        tick = stream.time_base or Fraction(1, av.time_base)
        container.seek(round((self.index.origin_s + target_s) / tick), stream=stream, backward=True)

    def _decoded(self, packet: av.Packet[VideoStream]) -> list[VideoFrame]:
        try:
            frames = packet.decode()
        except MemoryError:
            raise
        except av.error.FFmpegError:
            self.damaged += 1
            return []
        self.decoded += len(frames)
        self.damaged += sum(frame.is_corrupt for frame in frames)
        return frames

    def _interval(self, frame: VideoFrame) -> tuple[float, float]:
        """When the frame is displayed; a frame without a time follows the one decoded before it."""
        if frame.pts is None or frame.time_base is None:
            position = min(self.decoded - 1, len(self.index.starts_s) - 1)
            start_s = float(self.index.starts_s[position])
        else:
            start_s = float(frame.pts * frame.time_base) - self.index.origin_s
            position = int(self.index.frames_at(np.array([start_s]))[0])
        following = (
            self.index.starts_s[position + 1] if position + 1 < len(self.index.starts_s) else self.index.end_s
        )
        return start_s, float(following)


@dataclass(slots=True)
class _Picture:
    """Turns frames into pictures of one size, the way decord does: FFmpeg's bicubic scale filter, then the
    turn for display.
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
