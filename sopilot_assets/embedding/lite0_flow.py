"""EfficientNet-Lite0 features of two whole pictures a second, and the motion between eight.

Everything is read in one pass; the whole picture is squeezed to the network's square, since a centre crop
loses work at the edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime
from upath import UPath

from sopilot_assets.embedding.clips import ClipEmbedding, Features, Floats, clip_starts
from sopilot_assets.embedding.flow import FlowMeter
from sopilot_assets.embedding.lite0_graph import FINAL_CHANNELS, MID_CELLS, MID_CHANNELS, SIDE_PX
from sopilot_assets.embedding.lite0_identity import (
    CLIP_S,
    LITE0_FLOW,
    NETWORK_EVERY,
    RATE_HZ,
    STRIDE_S,
    lite0_model_id,
)
from sopilot_assets.embedding.lite0_onnx import open_network, prepared_network
from sopilot_assets.embedding.pooling import (
    Image,
    StillnessMeter,
    clip_means,
    clip_spreads,
    grey_image,
    half_precision,
    one_cv2_thread,
)
from sopilot_assets.video.frames import READER, FrameChunk, FrameStream, open_frames

SHORT_SIDE_PX: Final = SIDE_PX
NETWORK_PHASE: Final = 2
"""... from the third one on, so that a clip's four frames lie evenly inside it."""


class Lite0Flow:
    """Embeds videos with EfficientNet-Lite0 and optical flow; ready to use in this process.

    ``models`` is the folder of prepared models; the network is prepared there on first use.
    """

    name = LITE0_FLOW

    def __init__(self, *, models: UPath) -> None:
        prepared = prepared_network(models)
        self._session = open_network(prepared.path)
        self.model_id = lite0_model_id(self.name, prepared.sha256)

    def embed(self, path: Path, *, phase_s: float = 0.0) -> ClipEmbedding:
        """The embedding of one video, sampled from ``phase_s`` on; raises ``UnreadableVideo`` when no frame
        can be decoded.
        """
        stream = open_frames(path, rate_hz=RATE_HZ, short_side=SHORT_SIDE_PX, phase_s=phase_s)
        with one_cv2_thread():
            reading = self._reading(stream, phase_s)
            for chunk in stream:
                reading.add(chunk)
            return reading.embedding(self.model_id)

    def _reading(self, stream: FrameStream, phase_s: float) -> Lite0Reading:
        return Lite0Reading(self._session, stream, phase_s=phase_s)

    def fixed_answer(self) -> Features:
        """(2288,) the network's features of a fixed ramp."""
        ramp = np.arange(SIDE_PX * SIDE_PX * 3, dtype=np.uint32) // SIDE_PX % 256
        picture = ramp.astype(np.uint8).reshape(SIDE_PX, SIDE_PX, 3)
        return np.concatenate(network_features(self._session, picture))


class Lite0Reading:
    """What one pass over one video, sampled from ``phase_s`` on, collects."""

    def __init__(self, session: onnxruntime.InferenceSession, stream: FrameStream, *, phase_s: float) -> None:
        self._stream = stream
        self._starts_s = clip_starts(
            float(stream.index.end_s),
            length_s=CLIP_S,
            stride_s=STRIDE_S,
            phase_s=stream.index.begin_s + phase_s,
        )
        self._still, self._flow, self._network = StillnessMeter(), FlowMeter(), NetworkMeter(session)
        self._phase = NETWORK_PHASE if len(stream.times_s) > NETWORK_PHASE else 0
        self._count = 0

    def add(self, chunk: FrameChunk) -> None:
        """Take the next samples."""
        for time_s, image, held in zip(chunk.times_s, chunk.images, chunk.held, strict=True):
            self._measure(float(time_s), grey_image(image), held=bool(held))
        # the network afterwards, frame after frame: its weights then stay in the processor's cache
        for _, time_s, image in self._every(NETWORK_EVERY, chunk):
            self._network.add(time_s, image)
        self._count += len(chunk.times_s)

    def _measure(self, time_s: float, grey: Image, *, held: bool) -> None:
        self._still.add(time_s, grey, held=held)
        self._flow.add(time_s, grey)

    def _every(self, samples: int, chunk: FrameChunk) -> Iterator[tuple[int, float, Image]]:
        """Number, time and picture of every so many samples, of those in the next chunk."""
        first = (self._phase - self._count) % samples
        for place in range(first, len(chunk.times_s), samples):
            yield self._count + place, float(chunk.times_s[place]), chunk.images[place]

    def embedding(self, model: str) -> ClipEmbedding:
        """All that was collected, as an embedding by the model of this id."""
        return ClipEmbedding(
            model_id=model,
            clip_start_s=self._starts_s,
            clip_length_s=CLIP_S,
            duration_s=float(self._stream.index.end_s),
            blocks={name: half_precision(block) for name, block in self._blocks().items()},
            still_time_s=self._still.times_s(),
            stillness=self._still.stillness(),
            reader=READER,
        )

    def _blocks(self) -> dict[str, Features]:
        return {
            **self._network.blocks(self._starts_s, length_s=CLIP_S),
            **self._flow.blocks(self._starts_s, length_s=CLIP_S),
        }


class NetworkMeter:
    """Collects the network's features of single images as they are read."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._times_s: list[float] = []
        self._mid: list[Features] = []
        self._final: list[Features] = []

    def add(self, time_s: float, image: Image) -> None:
        """Take an RGB image (h, w, 3)."""
        mid, final = network_features(self._session, image)
        self._times_s.append(time_s)
        self._mid.append(mid)
        self._final.append(final)

    def blocks(self, clip_start_s: Floats, *, length_s: float) -> dict[str, Features]:
        """``mid`` and ``final``, the mean of each clip's images, and their ``_spread``: (n, d) each."""
        times_s = np.array(self._times_s, dtype=np.float64)
        mid = np.array(self._mid, dtype=np.float32).reshape(-1, MID_CELLS**2 * MID_CHANNELS)
        final = np.array(self._final, dtype=np.float32).reshape(-1, FINAL_CHANNELS)
        return {
            "mid": clip_means(mid, times_s, clip_start_s, length_s=length_s),
            "mid_spread": clip_spreads(mid, times_s, clip_start_s, length_s=length_s),
            "final": clip_means(final, times_s, clip_start_s, length_s=length_s),
            "final_spread": clip_spreads(final, times_s, clip_start_s, length_s=length_s),
        }


def network_features(session: onnxruntime.InferenceSession, image: Image) -> tuple[Features, Features]:
    """(mid (1008,), final (1280,)) of one RGB image (h, w, 3), squeezed to the network's square."""
    square: npt.NDArray[np.uint8] = np.asarray(
        cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), dtype=np.uint8
    )
    # one frame at a time: as fast as batches, and a frame's features cannot depend on its neighbours
    mid, final = session.run(["mid", "final"], {"frames": square[None]})
    return mid[0], final[0]
