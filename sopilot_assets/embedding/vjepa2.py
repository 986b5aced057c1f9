"""The V-JEPA 2 embedding, for machines with a GPU: the mean of all video tokens of a two-second clip.

M. Assran et al., V-JEPA 2 (2025), run by ``transformers`` from a local folder that `sopilot model preload`
made. Pictures are prepared here, since the model's own video processor needs torchvision.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Final, TypeAlias, cast

import cv2
import numpy as np
import numpy.typing as npt
import torch
from upath import UPath

from sopilot_assets.embedding.clips import ClipEmbedding, Features, Floats, clip_starts
from sopilot_assets.embedding.embedder import Device, Precision
from sopilot_assets.embedding.manifest import ModelManifest, check_files
from sopilot_assets.embedding.pooling import Image, StillnessMeter, grey_image, half_precision, one_cv2_thread
from sopilot_assets.embedding.vjepa2_identity import (
    CLIP_S,
    NAME,
    RATE_HZ,
    STRIDE_S,
    no_packages,
    preloaded,
    usual_precision,
    vjepa2_model_id,
)
from sopilot_assets.errors import ModelError
from sopilot_assets.store.publish import local_path
from sopilot_assets.video.frames import READER, FrameChunk, FrameStream, open_frames

os.environ.setdefault(
    "HF_HUB_OFFLINE", "1"
)  # read when transformers is imported: it must never ask a network

try:
    from transformers import VJEPA2Model
except ImportError as error:
    raise no_packages() from error

Clips: TypeAlias = npt.NDArray[np.uint8]

FRAMES: Final = 16
BATCH_CLIPS: Final = 4
_PICTURE_MEAN: Final = (0.485, 0.456, 0.406)
_PICTURE_STD: Final = (0.229, 0.224, 0.225)
_DTYPES: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class VJepa2:
    """Embeds videos with a loaded V-JEPA 2 model on one device."""

    name = NAME

    def __init__(self, model: VJEPA2Model, *, manifest: ModelManifest, device: str, precision: str) -> None:
        self._model, self._device, self._dtype = model, device, _DTYPES[precision]
        self._side_px = int(model.config.crop_size)
        self.model_id = vjepa2_model_id(manifest, precision)

    def embed(self, path: Path, *, phase_s: float = 0.0) -> ClipEmbedding:
        """The embedding of one video, sampled from ``phase_s`` on; raises ``UnreadableVideo`` when no frame
        can be decoded.
        """
        stream = open_frames(path, rate_hz=RATE_HZ, short_side=self._side_px, phase_s=phase_s)
        with one_cv2_thread():
            reading = _Reading(self, stream, side_px=self._side_px, phase_s=phase_s)
            for chunk in stream:
                reading.add(chunk)
        return reading.embedding()

    def clip_features(self, clips: Clips) -> Features:
        """(n, d) the mean token of each clip (n, 16, side, side, 3), RGB."""
        mean = torch.tensor(_PICTURE_MEAN, device=self._device)
        std = torch.tensor(_PICTURE_STD, device=self._device)
        with torch.inference_mode():
            pixels = torch.from_numpy(clips).to(self._device).float().div(255.0).sub(mean).div(std)
            pixels = pixels.permute(0, 1, 4, 2, 3).to(self._dtype)
            tokens: torch.Tensor = self._model(
                pixel_values_videos=pixels, skip_predictor=True
            ).last_hidden_state
            means = tokens.float().mean(dim=1).cpu()
        return np.asarray(means.numpy(), dtype=np.float32)

    def fixed_answer(self) -> Features:
        """(d,) the features of one clip of a fixed ramp."""
        ramp = np.arange(FRAMES * self._side_px * self._side_px * 3, dtype=np.uint32) // self._side_px % 256
        clip = ramp.astype(np.uint8).reshape(1, FRAMES, self._side_px, self._side_px, 3)
        return np.asarray(self.clip_features(clip)[0], dtype=np.float32)


class _Reading:
    """What one pass over one video collects; holds the frames of unfinished clips only."""

    def __init__(self, embedder: VJepa2, stream: FrameStream, *, side_px: int, phase_s: float) -> None:
        self._embedder, self._stream, self._side_px = embedder, stream, side_px
        self._starts_s: Floats = clip_starts(
            float(stream.index.end_s),
            length_s=CLIP_S,
            stride_s=STRIDE_S,
            phase_s=stream.index.begin_s + phase_s,
        )
        self._still = StillnessMeter()
        self._window: deque[Image] = deque(maxlen=FRAMES)
        self._seen = 0
        self._pending: list[Clips] = []
        self._clips_cut = 0
        self._features: list[Features] = []

    def add(self, chunk: FrameChunk) -> None:
        for time_s, image, held in zip(chunk.times_s, chunk.images, chunk.held, strict=True):
            self._still.add(float(time_s), grey_image(image), held=bool(held))
            square = cv2.resize(image, (self._side_px, self._side_px), interpolation=cv2.INTER_AREA)
            self._push(np.asarray(square, dtype=np.uint8))

    def _push(self, square: Image) -> None:
        self._window.append(square)
        self._seen += 1
        stride = round(STRIDE_S * RATE_HZ)
        if (
            self._seen >= FRAMES
            and (self._seen - FRAMES) % stride == 0
            and self._clips_cut < len(self._starts_s)
        ):
            self._cut()

    def _cut(self) -> None:
        self._pending.append(np.stack(self._window))
        self._clips_cut += 1
        if len(self._pending) == BATCH_CLIPS:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._features.append(self._embedder.clip_features(np.stack(self._pending)))
            self._pending = []

    def embedding(self) -> ClipEmbedding:
        while self._clips_cut < len(
            self._starts_s
        ):  # the last clip runs past the end: its last picture stays
            self._push(self._window[-1])
        self._flush()
        return ClipEmbedding(
            model_id=self._embedder.model_id,
            clip_start_s=self._starts_s,
            clip_length_s=CLIP_S,
            duration_s=float(self._stream.index.end_s),
            blocks={"tokens": half_precision(np.concatenate(self._features))},
            still_time_s=self._still.times_s(),
            stillness=self._still.stillness(),
            reader=READER,
        )


def load_vjepa2(*, models: Path | UPath, device: Device, precision: Precision) -> VJepa2:
    """The embedder from ``models``/vjepa2, every file checked against its manifest first.

    ``device`` auto takes a GPU when there is one; ``precision`` auto is fp16 there and fp32 on the processor.
    Raises `ModelError` when the model was not preloaded, is damaged, or cuda is asked for and missing.
    """
    folder, manifest = local_path(models) / NAME, preloaded(UPath(models))
    check_files(folder, manifest)
    chosen_device = _device(device)
    chosen_precision = _precision(precision, chosen_device)
    model = _load(folder, manifest)
    torch.nn.Module.to(model, device=chosen_device, dtype=_DTYPES[chosen_precision])
    torch.nn.Module.train(model, mode=False)
    return VJepa2(
        model,
        manifest=manifest,
        device=chosen_device,
        precision=chosen_precision,
    )


def _load(folder: Path, manifest: ModelManifest) -> VJEPA2Model:
    try:
        loaded = VJEPA2Model.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{folder}: transformers cannot load this as a V-JEPA 2 model ({error}); preload it again from "
            f"{manifest.source}."
        ) from error
    # asked for its report, from_pretrained returns a pair, which its types do not say
    model, report = cast("tuple[VJEPA2Model, dict[str, set[str]]]", loaded)
    missing = sorted(report["missing_keys"])
    if missing:  # transformers would go on with random numbers in their place
        raise ModelError(
            f"{folder}: the weights lack {len(missing)} tensors, the first is {missing[0]}; preload a "
            f"complete V-JEPA 2 model (this one came from {manifest.source})."
        )
    return model


def _device(asked: Device) -> str:
    available = torch.cuda.is_available()
    if asked == "cuda" and not available:
        raise ModelError(
            "device cuda was asked for but torch finds no GPU; use device auto or cpu, or install torch "
            "for CUDA."
        )
    return "cuda" if asked != "cpu" and available else "cpu"


def _precision(asked: Precision, device: str) -> str:
    return usual_precision(gpu=device == "cuda") if asked == "auto" else asked
