"""EfficientNet-Lite0 features of the whole picture and of where the work is, and the motion between samples.

Everything is read in one pass. The motion box of a picture is made of the seconds before and after it, so
pictures wait that long; the whole picture is seen too, since without it nothing says where in the room the
work is.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Final

import onnxruntime
from upath import UPath

from sopilot_assets.embedding.clips import ClipEmbedding, Features, clip_starts
from sopilot_assets.embedding.flow import FlowMeter
from sopilot_assets.embedding.lite0_flow import SHORT_SIDE_PX, NetworkMeter, fixed_features
from sopilot_assets.embedding.lite0_identity import (
    BOX_EVERY,
    BOX_REACH_S,
    CLIP_S,
    LITE0_BOX,
    RATE_HZ,
    STRIDE_S,
    WHOLE_EVERY,
    lite0_model_id,
)
from sopilot_assets.embedding.lite0_onnx import open_network, prepared_network
from sopilot_assets.embedding.motion_box import MotionBoxMeter
from sopilot_assets.embedding.pooling import (
    Image,
    StillnessMeter,
    grey_image,
    half_precision,
    one_cv2_thread,
)
from sopilot_assets.video.frames import READER, FrameChunk, FrameStream, open_frames

WHOLE_FIRST: Final = 2
BOX_FIRST: Final = 2
"""The first sample that the network sees, so that a clip's pictures lie evenly inside it."""


class Lite0Box:
    """Embeds videos with EfficientNet-Lite0, whole and in the motion box, and optical flow; ready to use in
    this process.

    ``models`` is the folder of prepared models; the network is prepared there on first use.
    """

    name = LITE0_BOX

    def __init__(self, *, models: UPath) -> None:
        prepared = prepared_network(models)
        self._session = open_network(prepared.path)
        self.model_id = lite0_model_id(LITE0_BOX, prepared.sha256)

    def embed(self, path: Path, *, phase_s: float = 0.0) -> ClipEmbedding:
        """The embedding of one video, sampled from ``phase_s`` on; raises ``UnreadableVideo`` when no frame
        can be decoded.
        """
        stream = open_frames(path, rate_hz=RATE_HZ, short_side=SHORT_SIDE_PX, phase_s=phase_s)
        with one_cv2_thread():
            reading = _Reading(self._session, stream, phase_s=phase_s)
            for chunk in stream:
                reading.add(chunk)
            return reading.embedding(self.model_id)

    def fixed_answer(self) -> Features:
        """(2288,) the network's features of a fixed ramp."""
        return fixed_features(self._session)


class _Reading:
    """What one pass over one video collects; holds the pictures whose box is not known yet."""

    def __init__(
        self, session: onnxruntime.InferenceSession, stream: FrameStream, *, phase_s: float = 0.0
    ) -> None:
        self._stream = stream
        self._starts_s = clip_starts(
            float(stream.index.end_s),
            length_s=CLIP_S,
            stride_s=STRIDE_S,
            phase_s=stream.index.begin_s + phase_s,
        )
        self._still, self._flow = StillnessMeter(), FlowMeter()
        self._boxes = MotionBoxMeter(reach=round(BOX_REACH_S * RATE_HZ))
        self._whole, self._inside = NetworkMeter(session), NetworkMeter(session)
        self._last_first = max(len(stream.times_s) - 1, 0)
        self._waiting: deque[tuple[int, float, Image]] = deque()
        self._count = 0

    def add(self, chunk: FrameChunk) -> None:
        before = self._count
        for time_s, image, held in zip(chunk.times_s, chunk.images, chunk.held, strict=True):
            grey = grey_image(image)
            self._still.add(float(time_s), grey, held=bool(held))
            self._flow.add(float(time_s), grey)
            self._boxes.add(grey)
        # the network afterwards, picture after picture: its weights then stay in the processor's cache
        for sample, (time_s, image) in enumerate(zip(chunk.times_s, chunk.images, strict=True), before):
            if self._due(sample, WHOLE_FIRST, WHOLE_EVERY):
                self._whole.add(float(time_s), image)
            if self._due(sample, BOX_FIRST, BOX_EVERY):
                self._waiting.append((sample, float(time_s), image))
        self._count += len(chunk.times_s)
        self._look_inside(self._count - 1 - self._boxes.reach)

    def _due(self, sample: int, first: int, every: int) -> bool:
        return (sample >= first and (sample - first) % every == 0) or sample == self._last_first < first

    def _look_inside(self, last: int) -> None:
        """Show the network the boxes of the pictures that wait, up to sample ``last``."""
        while self._waiting and self._waiting[0][0] <= last:
            sample, time_s, image = self._waiting.popleft()
            self._inside.add(time_s, self._boxes.box(sample).of(image))

    def embedding(self, model: str) -> ClipEmbedding:
        self._look_inside(self._count)
        starts_s = self._starts_s
        inside = self._inside.blocks(starts_s, length_s=CLIP_S)
        blocks = {
            **self._whole.blocks(starts_s, length_s=CLIP_S),
            **{f"box_{name}": block for name, block in inside.items()},
            **self._flow.blocks(starts_s, length_s=CLIP_S),
        }
        return ClipEmbedding(
            model_id=model,
            clip_start_s=starts_s,
            clip_length_s=CLIP_S,
            duration_s=float(self._stream.index.end_s),
            blocks={name: half_precision(block) for name, block in blocks.items()},
            still_time_s=self._still.times_s(),
            stillness=self._still.stillness(),
            reader=READER,
        )
