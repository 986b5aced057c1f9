"""Whether one file can be used: everything that opens it, to be run in a limited child process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sopilot_assets.capture.ledgers import DAMAGED
from sopilot_assets.capture.quality import (
    BURST,
    Images,
    Quality,
    burst_times,
    measure_quality,
    sharpness_short_side,
    shortfalls,
)
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.errors import (
    JoinedVideo,
    NotAVideo,
    NoVideoStream,
    SopilotError,
    TruncatedVideo,
    UnreadableVideo,
    WorkerLimit,
)
from sopilot_assets.tasks.spec import QualityGate
from sopilot_assets.video.frames import READER, FrameStream, frames_at
from sopilot_assets.video.probe import FloatArray, VideoIndex, VideoProbe, read_index

SHORTEST_S: Final = 1.9
"""Shorter recordings do not fill one two-second clip (0.1 s are forgiven: cameras round)."""

FEWEST_FRAMES: Final = 8
FEWEST_PIXELS: Final = 64
MOST_PIXELS: Final = 8192 * 8192
MOST_DECODED_PIXELS: Final = 4_000_000_000
"""What an examination decodes at most: 1,900 frames of 1920x1080, about 10 s."""

WORST_DAMAGE: Final = 0.5
NOTED_DAMAGE: Final = 0.01
"""Damage above this share is noted as the flag ``damaged``."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What a file is worth: its probe, its quality, how much is damaged, and why it cannot be used, if so.

    ``damaged_share`` is the share of the declared recording that is missing or does not decode.
    ``shortfalls`` are the reasons of the task's quality gate.
    """

    probe: VideoProbe
    quality: Quality
    damaged_share: float
    problem: Reason | None
    detail: str
    shortfalls: tuple[Reason, ...]

    @property
    def reader(self) -> str:
        """Who reads its pictures."""
        return READER

    @property
    def flags(self) -> tuple[str, ...]:
        """What is worth knowing about an accepted recording."""
        damaged = (DAMAGED,) if self.damaged_share > NOTED_DAMAGE else ()
        return (*damaged, *dict.fromkeys(reason.value for reason in self.shortfalls))


def examine(path: str, gate: QualityGate) -> Examination:
    """The examination of the video at ``path``; raises ``UnreadableVideo`` where nothing can be measured.

    Every packet is looked at, and pictures at up to 16 places are decoded. A recording of any length costs
    about the same: where reading cannot jump from place to place, those in its first part are enough.
    """
    file = Path(path)
    index = read_index(file)
    _require_sane_size(file, index.probe)
    times_s = burst_times(index.probe.pictures_s, begin_s=index.begin_s)
    stream = frames_at(
        file,
        index,
        times_s,
        short_side=sharpness_short_side(index.probe),
        chunk=BURST,
        most_frames=MOST_DECODED_PIXELS // max(index.probe.width * index.probe.height, 1),
    )
    images, shown_s = _pictures(stream)
    quality = measure_quality(images, shown_s, index.probe)
    damaged_share = _damaged_share(index, stream)
    misses = shortfalls(quality, gate)
    problem, detail = _verdict(index.probe, damaged_share)
    return Examination(
        probe=index.probe,
        quality=quality,
        damaged_share=damaged_share,
        problem=problem,
        detail=detail or "; ".join(miss.detail for miss in misses),
        shortfalls=tuple(miss.reason for miss in misses),
    )


def reason_of(error: SopilotError) -> Reason:
    """Why a file is refused whose examination ended in ``error``."""
    if isinstance(error, WorkerLimit):
        limits = {"time": Reason.TIME_LIMIT, "memory": Reason.MEMORY_LIMIT}
        return limits.get(error.limit, Reason.UNREADABLE)
    kinds = {
        NotAVideo: Reason.NOT_A_VIDEO,
        NoVideoStream: Reason.NO_VIDEO_STREAM,
        TruncatedVideo: Reason.TRUNCATED,
        JoinedVideo: Reason.TIME_RUNS_BACK,
    }
    return next((reason for kind, reason in kinds.items() if isinstance(error, kind)), Reason.UNREADABLE)


def _pictures(stream: FrameStream) -> tuple[Images, FloatArray]:
    chunks = list(stream)
    return np.concatenate([chunk.images for chunk in chunks]), np.concatenate(
        [chunk.times_s for chunk in chunks]
    )


def _verdict(probe: VideoProbe, damaged_share: float) -> tuple[Reason | None, str]:
    """The first thing that makes the recording useless for any task."""
    return next(_verdicts(probe, damaged_share), (None, ""))


def _verdicts(probe: VideoProbe, damaged_share: float) -> Iterator[tuple[Reason, str]]:
    if damaged_share > WORST_DAMAGE:
        yield (
            Reason.TRUNCATED,
            f"{damaged_share:.0%} of the recording is missing or does not decode, limit {WORST_DAMAGE:.0%}",
        )
    if probe.pictures_s < SHORTEST_S or probe.frame_count < FEWEST_FRAMES:
        found = f"found {probe.pictures_s:.2f} s and {probe.frame_count} frames"
        yield Reason.TOO_SHORT, f"{found}, expected at least {SHORTEST_S:g} s and {FEWEST_FRAMES}"
    if min(probe.width, probe.height) < FEWEST_PIXELS:
        yield (
            Reason.TOO_SMALL,
            f"found {probe.width}x{probe.height} pixels, expected at least {FEWEST_PIXELS} each way",
        )


def _damaged_share(index: VideoIndex, stream: FrameStream) -> float:
    """1 - (share of the declared recording that is there) x (share of the sampled pictures that decode)."""
    probe = index.probe
    there = 1.0
    if probe.declared_frame_count:
        there = min(there, (probe.frame_count + index.hidden_frames) / probe.declared_frame_count)
    if probe.declared_duration_s:
        there = min(there, (probe.pictures_s + 1.0) / probe.declared_duration_s)
    decoded = (stream.samples_read - stream.samples_held) / max(stream.samples_asked, 1)
    return round(1 - there * decoded, 4)


def _require_sane_size(path: Path, probe: VideoProbe) -> None:
    if probe.width * probe.height > MOST_PIXELS:
        raise UnreadableVideo(
            f"{path}: claims pictures of {probe.width}x{probe.height} pixels; save it in at most 4K."
        )
