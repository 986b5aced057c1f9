"""The old baseline, kept to compare against: 12 numbers of colour and motion per four-second clip."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from upath import UPath

from sopilot_assets.embedding.clips import ClipEmbedding, Features, Floats, clip_starts
from sopilot_assets.embedding.embedder import model_id
from sopilot_assets.embedding.pooling import Image, StillnessMeter, grey_image, one_cv2_thread
from sopilot_assets.video.frames import READER, open_frames
from sopilot_assets.video.probe import VideoProbe, read_index

NAME: Final = "color_motion"
FEATURE_VERSION: Final = 1
CLIP_S: Final = 4.0
ASKED_RATE_HZ: Final = 4.0
STILL_RATE_HZ: Final = 8.0
SHORT_SIDE_PX: Final = 224
STILL_SHORT_SIDE_PX: Final = 120


class ColorMotion:
    """Embeds videos with the old baseline; needs no model files."""

    name = NAME

    def __init__(self, *, models: UPath | None = None) -> None:
        del models  # the same arguments as every embedder
        self.model_id = model_id(
            NAME,
            weights_sha256="",
            parameters={"feature_version": FEATURE_VERSION, "clip_s": CLIP_S, "rate_hz": ASKED_RATE_HZ},
        )

    def embed(self, path: Path, *, phase_s: float = 0.0) -> ClipEmbedding:
        """The embedding of one video, sampled from ``phase_s`` on; raises ``UnreadableVideo`` when no frame
        can be decoded.
        """
        index = read_index(path)
        starts_s = clip_starts(index.end_s, length_s=CLIP_S, stride_s=CLIP_S, phase_s=index.begin_s + phase_s)
        with one_cv2_thread():
            rows = _clip_rows(path, rate_hz=sampling_rate_hz(index.probe), starts_s=starts_s, phase_s=phase_s)
            still = _stillness(path, phase_s=phase_s)
        return ClipEmbedding(
            model_id=self.model_id,
            clip_start_s=starts_s,
            clip_length_s=CLIP_S,
            duration_s=float(index.end_s),
            blocks={NAME: rows},
            still_time_s=still.times_s(),
            stillness=still.stillness(),
            reader=READER,
        )

    def fixed_answer(self) -> Features:
        """(12,) the numbers of two fixed frames."""
        frames = np.stack([np.full((8, 8, 3), level, dtype=np.uint8) for level in (60, 120)])
        return clip_numbers(frames)


def sampling_rate_hz(probe: VideoProbe) -> float:
    """The rate the old system really sampled at: every round(fps / 4)-th frame, 4.17 Hz of 25 fps, 3.75 of
    30.
    """
    return probe.mean_fps / max(round(probe.mean_fps / ASKED_RATE_HZ), 1)


def clip_numbers(images: npt.NDArray[np.uint8]) -> Features:
    """The 12 numbers of a clip's frames (n, h, w, 3), L2-normalised.

    Mean and standard deviation of red, green and blue; mean, standard deviation and 90 % quantile of the grey
    difference of consecutive frames; slope of the mean grey over the frames; mean and standard deviation of
    grey.
    """
    greys = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images])
    changes = [cv2.absdiff(before, after) for before, after in pairwise(greys)]
    difference = np.stack(changes) if changes else np.zeros_like(greys)
    level = greys.reshape(len(greys), -1).mean(axis=1, dtype=np.float64)
    slope = float(np.polyfit(np.arange(len(level)), level, 1)[0]) if len(level) > 1 else 0.0
    red, green, blue = (_mean_and_std(images[..., colour]) for colour in range(3))
    numbers = np.array(
        [
            *(mean for mean, _ in (red, green, blue)),
            *(std for _, std in (red, green, blue)),
            *_mean_and_std(difference),
            np.quantile(difference.astype(np.float32), 0.9),
            slope,
            *_mean_and_std(greys),
        ]
    )
    return np.asarray(numbers / max(float(np.linalg.norm(numbers)), 1e-12), dtype=np.float32)


def _mean_and_std(levels: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Of all levels, by how often each of the 256 is there."""
    counts, every = np.bincount(levels.ravel(), minlength=256), np.arange(256.0)
    mean = counts @ every / counts.sum()
    return mean, np.sqrt(counts @ (every - mean) ** 2 / counts.sum())


def _clip_rows(path: Path, *, rate_hz: float, starts_s: Floats, phase_s: float) -> Features:
    """(n, 12) the numbers of each clip, read a clip at a time."""
    stream = open_frames(path, rate_hz=rate_hz, short_side=SHORT_SIDE_PX, phase_s=phase_s)
    rows: list[Features] = []
    pending: list[Image] = []
    for chunk in stream:
        for time_s, image in zip(chunk.times_s, chunk.images, strict=True):
            if len(rows) + 1 < len(starts_s) and time_s >= starts_s[len(rows) + 1] - 1e-6 and pending:
                rows.append(clip_numbers(np.stack(pending)))
                pending = []
            pending.append(image)
    rows.append(clip_numbers(np.stack(pending)))
    rows += [rows[-1]] * (len(starts_s) - len(rows))  # reading may end before the video's stated end
    return np.stack(rows)


def _stillness(path: Path, *, phase_s: float) -> StillnessMeter:
    meter = StillnessMeter()
    stream = open_frames(path, rate_hz=STILL_RATE_HZ, short_side=STILL_SHORT_SIDE_PX, phase_s=phase_s)
    for chunk in stream:
        for time_s, image, held in zip(chunk.times_s, chunk.images, chunk.held, strict=True):
            meter.add(float(time_s), grey_image(image), held=bool(held))
    return meter
