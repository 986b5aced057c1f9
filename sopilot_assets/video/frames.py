"""Pictures of a video at a steady rate, chosen by display time (see `sopilot_assets.video.reading`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sopilot_assets.errors import UnreadableVideo
from sopilot_assets.video.probe import FloatArray, VideoIndex, read_index
from sopilot_assets.video.reading import Reading, Sample

READER: Final = "pyav"
"""Who reads pictures; rows of before may name another."""


@dataclass(frozen=True, slots=True)
class FrameChunk:
    """Some consecutive samples: ``times_s`` (n,) seconds, ``images`` (n, h, w, 3) uint8 RGB as displayed.

    ``held`` (n,) is true where the frame due at that time could not be decoded and the one before it is
    shown.
    """

    times_s: FloatArray
    images: NDArray[np.uint8]
    held: NDArray[np.bool_]


@dataclass(slots=True)
class FrameStream:
    """The pictures of one video at ``times_s``, to iterate over once in chunks; afterwards the counts say how
    reading went.

    ``frames_damaged`` counts frames and packets that could not be decoded on the way, ``samples_held`` the
    pictures that stand in for a missing frame. With ``most_frames`` reading ends after decoding that many;
    ``samples_asked`` is how many of ``times_s`` lie before that.
    """

    path: Path
    index: VideoIndex
    times_s: FloatArray
    size: tuple[int, int]
    chunk: int = 64
    most_frames: int | None = None
    samples_asked: int = 0
    samples_read: int = 0
    samples_held: int = 0
    frames_damaged: int = 0

    def __iter__(self) -> Iterator[FrameChunk]:
        """The chunks in order; raises ``UnreadableVideo`` when not one sample can be read."""
        reading = Reading(self.path, self.index, self.size, self.most_frames)
        samples = reading.samples(self.times_s)
        while some := list(islice(samples, self.chunk)):
            self.samples_read += len(some)
            self.samples_held += sum(sample.held for sample in some)
            yield _stacked(some)
        self.frames_damaged = reading.damaged
        self.samples_asked = int((self.times_s < (reading.given_up_s or np.inf)).sum())
        if self.times_s.size and not self.samples_read:
            raise UnreadableVideo(
                f"{self.path}: none of the {self.times_s.size} pictures asked for can be decoded; copy or "
                "record it again."
            )


def open_frames(
    path: Path, *, rate_hz: float, short_side: int, phase_s: float = 0.0, chunk: int = 64
) -> FrameStream:
    """The pictures displayed at ``begin_s + phase_s + k / rate_hz`` for every k up to the end of the last
    frame, scaled to ``short_side`` pixels; ``begin_s`` is when the first one appears, 0 as a rule.

    Times are those of a player's clock, in seconds. Raises ``UnreadableVideo`` here when the file holds no
    video, and while iterating when no picture can be decoded.
    """
    index = read_index(path)
    return frames_at(
        path, index, index.sample_times(rate_hz=rate_hz, phase_s=phase_s), short_side=short_side, chunk=chunk
    )


def frames_at(
    path: Path,
    index: VideoIndex,
    times_s: FloatArray,
    *,
    short_side: int,
    chunk: int = 64,
    most_frames: int | None = None,
) -> FrameStream:
    """The pictures displayed at the ascending times ``times_s``; far between them, reading jumps where it can
    instead of decoding everything. It ends early after decoding ``most_frames``.
    """
    return FrameStream(path, index, times_s, index.scaled(short_side), chunk, most_frames)


def at_every_time(
    times_s: FloatArray, shown: Iterable[tuple[float, NDArray[np.uint8]]]
) -> Iterator[NDArray[np.uint8]]:
    """A picture for each of the ascending times: the one of ``shown`` at that time, else the one before it,
    and the first one before that.
    """
    place, latest = 0, None
    for time_s, image in shown:
        while times_s[place] < time_s:
            yield image if latest is None else latest
            place += 1
        latest = image
        yield image
        place += 1
    if latest is not None:
        yield from (latest for _ in times_s[place:])


def _stacked(samples: list[Sample]) -> FrameChunk:
    return FrameChunk(
        times_s=np.array([sample.time_s for sample in samples]),
        images=np.stack([sample.image for sample in samples]),
        held=np.array([sample.held for sample in samples], np.bool_),
    )
