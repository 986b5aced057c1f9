"""Writing H.264 that browsers play, with the same bytes for the same frames."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray
from upath import UPath

from sopilot_assets.errors import VideoError
from sopilot_assets.store.publish import publish_path

Image = NDArray[np.uint8]

_MPEG_RANGE: Final = 1  # AVCOL_RANGE_MPEG
_SMPTE170M: Final = 6  # what players assume for untagged standard definition, and what swscale converts to
_KEYFRAME_S: Final = 2.0
_DIMENSIONS: Final = 3
_CHANNELS: Final = 3


def write_h264(
    path: Path | UPath,
    frames: Iterable[Image],
    *,
    fps: Fraction | int,
    crf: int = 23,
    preset: str = "veryfast",
) -> int:
    """The number of frames written to ``path``, an MP4 with one H.264 stream (main profile, yuv420p).

    ``frames`` are H x W x 3 uint8 RGB images of one size, shown at the constant rate ``fps``. An odd width or
    height is padded by repeating the last column or row, since yuv420p needs even sizes. ``crf`` is x264's
    quality (lower is better and larger); a player can seek every `_KEYFRAME_S` seconds.
    The index comes first in the file (+faststart). One encoder thread and no time stamp in the header make
    the bytes depend on the frames and options alone. The file appears under its name only when it is
    complete.

    Raises ``VideoError`` for no frames, or one of another shape or type; an existing file then stays.
    """
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise VideoError(f"{path}: expected at least one frame to write, found none; give it some frames.")
    written = 0

    def write(temporary: Path) -> None:
        nonlocal written
        rate = Fraction(fps)
        checked = _checked(chain([first], remaining), path=path)
        written = _encode(temporary, checked, rate=rate, crf=crf, preset=preset, gop=_gop(rate))

    publish_path(path, write)
    return written


def _gop(rate: Fraction) -> int:
    return max(round(float(rate) * _KEYFRAME_S), 1)


def _checked(frames: Iterable[Image], *, path: Path | UPath) -> Iterator[Image]:
    shape: tuple[int, ...] | None = None
    for number, frame in enumerate(frames):
        if frame.dtype != np.uint8 or frame.ndim != _DIMENSIONS or frame.shape[2] != _CHANNELS:
            raise VideoError(
                f"{path}: frame {number}: expected H x W x 3 uint8, found {frame.shape} {frame.dtype}; "
                "convert the frames to RGB first."
            )
        shape = shape or frame.shape
        if frame.shape != shape:
            raise VideoError(
                f"{path}: frame {number}: expected the size of the first frame, {shape[:2]}, found "
                f"{frame.shape[:2]}; resize the frames to one size first."
            )
        yield _even(frame)


def _even(frame: Image) -> Image:
    height, width = frame.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return np.ascontiguousarray(frame)
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _encode(target: Path, frames: Iterator[Image], *, rate: Fraction, crf: int, preset: str, gop: int) -> int:
    count = 0
    with av.open(
        str(target), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}
    ) as out:
        stream: VideoStream | None = None
        for image in frames:
            if stream is None:
                stream = out.add_stream("libx264", rate=rate, options=_x264(crf=crf, preset=preset, gop=gop))
                _describe(stream, image, rate=rate)
            frame = _yuv420p(image)
            frame.pts = count
            out.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            out.mux(stream.encode(None))
    return count


def _yuv420p(image: Image) -> av.VideoFrame:
    """The image as limited-range BT.601, converted by one thread."""
    return av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p", threads=1)


def _describe(stream: VideoStream, image: Image, *, rate: Fraction) -> None:
    context = stream.codec_context
    context.height, context.width = image.shape[:2]
    context.pix_fmt = "yuv420p"
    context.time_base = 1 / rate
    context.thread_count = 1
    context.color_range = _MPEG_RANGE
    context.colorspace = context.color_primaries = context.color_trc = _SMPTE170M


def _x264(*, crf: int, preset: str, gop: int) -> dict[str, str]:
    options = {
        "crf": crf,
        "preset": preset,
        "profile": "main",
        "g": gop,
        "threads": 1,
        "flags": "+cgop",
        "x264-params": f"open-gop=0:sliced-threads=0{_instructions()}",
    }
    return {name: str(value) for name, value in options.items()}


def _instructions() -> str:
    """x264's processor features, the same on every x86.

    With AVX-512 its rate control (mbtree) reads memory that nobody has written, and the bytes differ from run
    to run. SSE 4.2 encodes as fast at these sizes and gives what AVX and AVX2 give.
    """
    return ":asm=sse4.2" if platform.machine().lower() in ("x86_64", "amd64") else ""
