"""Pictures of a video at a steady rate, chosen by display time.

decord reads whatever it reads well; PyAV (`sopilot_assets.video.salvage`) reads what is damaged, turned,
long, or refused by decord. Both choose frames from the same index of display times and scale with the same
filter, so they give the same pictures, and every result says who read it and how much was damaged.

Why long recordings are left to PyAV: while decord waits for a picture it queues further packets and decodes
them in the background without bound, and when skipping frames it gives up after 10,000 such turns, silently
returning an earlier picture than asked for. Recordings of fewer packets than that cannot hit the limit; and
they are read in one go, so that nothing piles up while the reader's user works on a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import decord
import numpy as np
from numpy.typing import NDArray

from sopilot_assets.errors import UnreadableVideo
from sopilot_assets.video.probe import INDEXED_CONTAINERS, FloatArray, VideoIndex, read_index
from sopilot_assets.video.salvage import Salvage, Sample

Reader: TypeAlias = Literal["decord", "pyav"]

_AGREEMENT_S = 2e-3
"""decord's own times are 32-bit floats of rounded container times; further apart than this, it has not
understood the file.
"""

_MOST_DECORD_FRAMES = 9000
_MOST_DECORD_BYTES = 192 << 20

decord.logging.set_level(decord.logging.QUIET)


class DecordRefusal(Exception):
    """decord cannot read this file faithfully; the message says why, without paths or line numbers."""


@dataclass(frozen=True, slots=True)
class FrameChunk:
    """Some consecutive samples: ``times_s`` (n,) seconds, ``images`` (n, h, w, 3) uint8 RGB as displayed.

    ``held`` (n,) is true where the frame due at that time could not be decoded and the one before it is
    shown. ``reader`` is who read this chunk.
    """

    times_s: FloatArray
    images: NDArray[np.uint8]
    held: NDArray[np.bool_]
    reader: Reader


@dataclass(slots=True)
class FrameStream:
    """The pictures of one video at ``times_s``, to iterate over once in chunks; afterwards the counts say how
    reading went.

    ``reader`` is who read all of it, and ``refusal`` says why it was not decord. ``frames_damaged`` counts
    frames and packets that could not be decoded on the way (0 for decord, which is left for PyAV at the first
    such frame), ``samples_held`` the pictures that stand in for a missing frame.
    """

    path: Path
    index: VideoIndex
    times_s: FloatArray
    size: tuple[int, int]
    chunk: int
    reader: Reader = "decord"
    refusal: str | None = None
    samples_read: int = 0
    samples_held: int = 0
    frames_damaged: int = 0

    def __iter__(self) -> Iterator[FrameChunk]:
        """The chunks in order; raises ``UnreadableVideo`` when not one sample can be read."""
        for piece in self._decord_then_pyav():
            self.samples_read += len(piece.times_s)
            self.samples_held += int(piece.held.sum())
            yield piece
        if self.times_s.size and not self.samples_read:
            raise UnreadableVideo(
                f"{self.path}: none of the {self.times_s.size} pictures asked for can be decoded; copy or "
                "record it again."
            )

    def _decord_then_pyav(self) -> Iterator[FrameChunk]:
        try:
            images = self._read_with_decord()
        except DecordRefusal as refusal:
            self.reader, self.refusal = "pyav", str(refusal)
            yield from self._read_with_pyav()
            return
        for start in range(0, len(images), self.chunk):
            some = slice(start, start + self.chunk)
            yield FrameChunk(
                times_s=self.times_s[some],
                images=images[some],
                held=np.zeros(len(images[some]), np.bool_),
                reader="decord",
            )

    def _read_with_decord(self) -> NDArray[np.uint8]:
        """All pictures (n, h, w, 3) at once; raises `DecordRefusal`."""
        width, height = self.size
        if self.times_s.size * width * height * 3 > _MOST_DECORD_BYTES:
            raise DecordRefusal(
                f"{self.times_s.size} pictures of {width}x{height} are too many to read in one go"
            )
        video = open_decord(self.path, self.index, self.size)
        positions = self.index.frames_at(self.times_s)
        images = np.empty((len(positions), height, width, 3), np.uint8)
        for start in range(0, len(positions), self.chunk):
            some = slice(start, start + self.chunk)
            images[some] = _decord_batch(video, positions[some])
        return images

    def _read_with_pyav(self) -> Iterator[FrameChunk]:
        salvage = Salvage(self.path, self.index, self.size)
        pending: list[Sample] = []
        for sample in salvage.samples(self.times_s):
            pending.append(sample)
            if len(pending) == self.chunk:
                yield _stacked(pending)
                pending = []
        if pending:
            yield _stacked(pending)
        self.frames_damaged = salvage.damaged


def iter_frames(
    path: Path, *, rate_hz: float, short_side: int, phase_s: float = 0.0, chunk: int = 64
) -> Iterator[FrameChunk]:
    """The pictures of the video at ``path`` displayed at ``phase_s + k / rate_hz``, in chunks of ``chunk``;
    see `open_frames`.
    """
    yield from open_frames(path, rate_hz=rate_hz, short_side=short_side, phase_s=phase_s, chunk=chunk)


def open_frames(
    path: Path, *, rate_hz: float, short_side: int, phase_s: float = 0.0, chunk: int = 64
) -> FrameStream:
    """The pictures displayed at ``phase_s + k / rate_hz`` for every k up to the end of the last frame, scaled
    to ``short_side`` pixels.

    Times are seconds after the first frame. Raises ``UnreadableVideo`` here when the file holds no video, and
    while iterating when no picture can be decoded.
    """
    index = read_index(path)
    return frames_at(
        path, index, index.sample_times(rate_hz=rate_hz, phase_s=phase_s), short_side=short_side, chunk=chunk
    )


def frames_at(
    path: Path, index: VideoIndex, times_s: FloatArray, *, short_side: int, chunk: int = 64
) -> FrameStream:
    """The pictures displayed at the ascending times ``times_s``; far between them, reading jumps instead of
    decoding everything.
    """
    return FrameStream(path, index, times_s, index.scaled(short_side), chunk)


def open_decord(path: Path, index: VideoIndex, size: tuple[int, int]) -> decord.VideoReader:
    """decord's reader scaled to ``size`` (width, height); raises `DecordRefusal` unless it sees exactly the
    frames of ``index``.
    """
    if index.probe.container not in INDEXED_CONTAINERS:
        raise DecordRefusal(f"the container {index.probe.container} has no index of frames")
    if len(index.starts_s) > _MOST_DECORD_FRAMES:
        raise DecordRefusal(
            f"{len(index.starts_s)} frames are more than the {_MOST_DECORD_FRAMES} that decord reads reliably"
        )
    if index.orientation:
        raise DecordRefusal(f"the picture is turned by {index.probe.rotation_deg} degrees or mirrored")
    if index.probe.damaged_packets or index.hidden_frames:
        raise DecordRefusal(
            f"{index.probe.damaged_packets} damaged packets and {index.hidden_frames} frames hidden by an "
            "edit list"
        )
    try:
        video = decord.VideoReader(
            str(path.absolute()), width=size[0], height=size[1], num_threads=1, fault_tol=1e-6
        )
        count = len(video)
        times_s = video.get_frame_timestamp(np.arange(count))[:, 0].astype(np.float64)
    except (decord.DECORDError, RuntimeError, AssertionError) as error:
        raise DecordRefusal("decord fails to open it") from error
    if count != len(index.starts_s):
        raise DecordRefusal(f"decord finds {count} frames, the container holds {len(index.starts_s)}")
    if np.abs(times_s - times_s[0] - index.starts_s).max() > _AGREEMENT_S:
        raise DecordRefusal("decord's frame times differ from the container's")
    return video


def _decord_batch(video: decord.VideoReader, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    try:
        images: NDArray[np.uint8] = video.get_batch(positions).asnumpy()
    except (decord.DECORDError, RuntimeError, StopIteration, IndexError) as error:
        raise DecordRefusal("decord fails to decode it") from error
    return images


def _stacked(samples: list[Sample]) -> FrameChunk:
    return FrameChunk(
        times_s=np.array([sample.time_s for sample in samples]),
        images=np.stack([sample.image for sample in samples]),
        held=np.array([sample.held for sample in samples], np.bool_),
        reader="pyav",
    )
