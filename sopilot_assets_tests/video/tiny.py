"""Tiny real videos: a textured bench, a moving block, and the frame's number written into its last rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

Image = NDArray[np.uint8]
NUMBER_BITS = 10
NUMBER_ROWS = 16

_encoded: dict[tuple[object, ...], bytes] = {}
"""Videos by what they were asked with."""


def bench_picture(number: int, *, size: tuple[int, int], seed: int = 0, share: float = 0.0) -> Image:
    """Frame ``number`` of a scene (h, w, 3): fixed texture, a block at ``share`` of its way, the number in
    binary below.
    """
    width, height = size
    image = _texture(size, seed).copy()
    side = max(height // 4, 2)
    left = int(share * max(width - side, 1))
    image[height // 3 : height // 3 + side, left : left + side] = (210, 60, 40)
    for bit in range(NUMBER_BITS):
        cell = slice(bit * width // NUMBER_BITS, (bit + 1) * width // NUMBER_BITS)
        image[-NUMBER_ROWS:, cell] = 235 if number >> bit & 1 else 20
    return image


@lru_cache(maxsize=8)
def _texture(size: tuple[int, int], seed: int) -> Image:
    width, height = size
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 200, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)[:height, :width]


def frame_number(image: Image) -> int:
    """The number written into a picture of `bench_picture`, at any scale."""
    height, width = image.shape[:2]
    row = image[height - max(height // 40, 1) - 1].astype(float).mean(axis=1)
    return sum(int(row[int((bit + 0.5) * width / NUMBER_BITS)] > 128) << bit for bit in range(NUMBER_BITS))


def write_tiny_video(
    path: Path,
    *,
    seconds: float = 2.0,
    fps: int = 30,
    size: tuple[int, int] = (160, 120),
    seed: int = 0,
    codec: str = "libx264",
    picture: Callable[[int, Image], Image] | None = None,
    times_s: Sequence[float] | None = None,
    rotation_deg: float = 0.0,
    mirrored: bool = False,
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    audio: bool = False,
) -> Path:
    """Write one video and return its path; the same one once more is not encoded once more.

    ``picture`` changes each frame (number, picture). ``times_s`` are display times instead of a steady rate.
    ``rotation_deg`` (counter-clockwise) and ``mirrored`` go into the display matrix, the stored pictures stay
    upright.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    asked = path.suffix, seconds, fps, size, seed, codec, rotation_deg, mirrored, audio
    usual = not (picture or times_s or options or container_options)
    if usual and asked in _encoded:
        path.write_bytes(_encoded[asked])
        return path
    count = len(times_s) if times_s is not None else max(round(seconds * fps), 1)
    with _ordinary_scheduling(), av.open(str(path), "w", options=dict(container_options or {})) as container:
        stream = _video_stream(container, codec, fps, size, options)
        if rotation_deg or mirrored:
            stream.set_display_rotation(rotation_deg, hflip=mirrored)
        sound = container.add_stream("aac", rate=8000) if audio else None
        tick = Fraction(1, fps) if times_s is None else Fraction(1, 15360)
        stream.codec_context.time_base = tick
        for number in range(count):
            image = bench_picture(number, size=size, seed=seed, share=number / count)
            frame = av.VideoFrame.from_ndarray(
                image if picture is None else picture(number, image), format="rgb24"
            )
            frame.time_base = tick
            frame.pts = number if times_s is None else round(times_s[number] / tick)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            _add_silence(container, sound, seconds)
    if usual:
        _encoded[asked] = path.read_bytes()
    return path


def write_audio_only(path: Path, *, seconds: float = 2.0) -> Path:
    """An MP4 that holds sound and no pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        _add_silence(container, container.add_stream("aac", rate=8000), seconds)
    return path


@contextmanager
def _ordinary_scheduling() -> Iterator[None]:
    """Leave the process scheduled as it was: for root, SVT-AV1 makes its caller a real-time process (FIFO,
    99), which, with all that it starts later, leaves no time to anybody else.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def _video_stream(
    container: OutputContainer, codec: str, fps: int, size: tuple[int, int], options: Mapping[str, str] | None
) -> VideoStream:
    quick = {"preset": "veryfast"} if codec == "libx264" else {}  # as `write_h264` does
    stream = container.add_stream(codec, rate=fps, options={**quick, **(options or {})})
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = size
    stream.pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "yuv420p")
    stream.codec_context.thread_count = 1
    return stream


def _add_silence(container: OutputContainer, stream: AudioStream, seconds: float) -> None:
    for number in range(round(seconds * 8000 / 1024)):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, number * 1024
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
