"""The default embedding: all that lite0_flow sees, and the network's features of where the work is.

Everything is read in one pass. The motion box of a picture is made of the seconds before and after it, so
pictures wait that long. The whole picture stays, since without it nothing says where in the room the work is.
"""

from __future__ import annotations

from collections import deque

import onnxruntime

from sopilot_assets.embedding.clips import Features
from sopilot_assets.embedding.lite0_flow import Lite0Flow, Lite0Reading, NetworkMeter
from sopilot_assets.embedding.lite0_identity import BOX_EVERY, BOX_REACH_S, CLIP_S, LITE0_BOX, RATE_HZ
from sopilot_assets.embedding.motion_box import MotionBoxMeter
from sopilot_assets.embedding.pooling import Image
from sopilot_assets.video.frames import FrameChunk, FrameStream


class Lite0Box(Lite0Flow):
    """Embeds videos with EfficientNet-Lite0, whole and in the motion box, and optical flow; ready to use in
    this process.
    """

    name = LITE0_BOX

    def _reading(self, stream: FrameStream, phase_s: float) -> Lite0Reading:
        return _BoxReading(self._session, stream, phase_s=phase_s)


class _BoxReading(Lite0Reading):
    """Holds the pictures whose box is not known yet."""

    def __init__(self, session: onnxruntime.InferenceSession, stream: FrameStream, *, phase_s: float) -> None:
        super().__init__(session, stream, phase_s=phase_s)
        self._boxes = MotionBoxMeter(reach=round(BOX_REACH_S * RATE_HZ))
        self._inside = NetworkMeter(session)
        self._waiting: deque[tuple[int, float, Image]] = deque()

    def add(self, chunk: FrameChunk) -> None:
        self._waiting.extend(self._every(BOX_EVERY, chunk))
        super().add(chunk)
        self._look_inside(self._count - 1 - self._boxes.reach)

    def _measure(self, time_s: float, grey: Image, *, held: bool) -> None:
        super()._measure(time_s, grey, held=held)
        self._boxes.add(grey)

    def _look_inside(self, last: int) -> None:
        """Show the network the boxes of the pictures that wait, up to sample ``last``."""
        while self._waiting and self._waiting[0][0] <= last:
            sample, time_s, image = self._waiting.popleft()
            self._inside.add(time_s, self._boxes.box(sample).of(image))

    def _blocks(self) -> dict[str, Features]:
        self._look_inside(self._count)
        inside = self._inside.blocks(self._starts_s, length_s=CLIP_S)
        return {**super()._blocks(), **{f"box_{name}": block for name, block in inside.items()}}
