"""Writing a composed recording: its frames read from the source, mixed, shaken and encoded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from benchmarks._compose_parts import CRF, DRIFT, FPS, SHAKE_PX, Image, Recording
from sopilot_assets.errors import ConfigError
from sopilot_assets.video.write import write_h264


def write_recording(root: Path, out: Path, recording: Recording) -> None:
    """Render and encode one recording."""
    cv2.setNumThreads(1)
    path = out / recording.label["file"]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_h264(path, _render(root, recording), fps=FPS, crf=CRF, preset="fast")


def _render(root: Path, recording: Recording) -> Iterator[Image]:
    wanted: dict[str, set[int]] = defaultdict(set)
    for shot in recording.shots:
        for file, number, _ in shot.taps:
            wanted[file].add(number)
    frames = {file: read_frames(root / file, numbers) for file, numbers in wanted.items()}
    moves = _camera(max(shot.moment for shot in recording.shots) + 1, recording.camera_seed)
    for shot in recording.shots:
        picture = _mixed([(frames[file][number], weight) for file, number, weight in shot.taps])
        yield picture if moves is None else _seen(picture, *moves[shot.moment])


def _mixed(pictures: Sequence[tuple[Image, float]]) -> Image:
    if len(pictures) == 1:
        return pictures[0][0]
    total = sum((picture.astype(np.float32) * weight for picture, weight in pictures), np.float32(0))
    return np.clip(np.round(total), 0, 255).astype(np.uint8)


def _camera(frames: int, seed: int | None) -> NDArray[np.float64] | None:
    """Shift in pixels (x, y) and gain of each frame: (frames, 3); None for a still camera."""
    if seed is None:
        return None
    rng = np.random.default_rng(seed)
    shake = gaussian_filter1d(rng.standard_normal((frames, 2)), sigma=8, axis=0, mode="reflect")
    shake *= SHAKE_PX / max(float(np.abs(shake).max()), 1e-6)
    start, end = rng.uniform(-DRIFT, DRIFT, 2)
    swing = (1 - np.cos(np.linspace(0, np.pi, frames))) / 2
    return np.column_stack([shake, 1 + start + (end - start) * swing])


def _seen(picture: Image, x: float, y: float, gain: float) -> Image:
    height, width = picture.shape[:2]
    shift = np.array([[1, 0, x], [0, 1, y]], np.float64)
    moved = cv2.warpAffine(
        picture, shift, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return cv2.convertScaleAbs(moved, alpha=gain).astype(np.uint8, copy=False)


def read_frames(path: Path, numbers: set[int]) -> dict[int, Image]:
    """Frames of a constant-rate video by number, RGB; a number beyond its end gives its last frame."""
    found: dict[int, Image] = {}
    last = max(numbers)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        assert stream.time_base is not None
        origin = stream.start_time or 0
        container.seek(origin + round(min(numbers) / FPS / stream.time_base), stream=stream)
        image: Image | None = None
        for frame in container.decode(stream):
            assert frame.pts is not None
            number = round(float((frame.pts - origin) * stream.time_base) * FPS)
            if number in numbers:
                found[number] = image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            if number >= last:
                break
    late = numbers - found.keys()
    if late and (image is None or min(late) < max(found)):
        raise ConfigError(f"{path}: expected the frames {sorted(late)[:5]}, found none; is it 25 fps?")
    assert image is not None
    return found | dict.fromkeys(late, image)
