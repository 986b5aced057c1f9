"""Embeddings of one video's clips: what is stored, how it is stored, and what may be compared.

Raw feature blocks are stored. Centring and normalisation happen when embeddings are compared, so that a
better comparison needs no new embedding.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from upath import UPath

from sopilot_assets.errors import ConfigError, ModelError, ModelMismatch
from sopilot_assets.store.arrays import arrays_bytes, read_arrays
from sopilot_assets.store.publish import local_path, publish_bytes
from sopilot_assets.store.shared import at_hand

Floats: TypeAlias = npt.NDArray[np.float64]
Features: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]

FORMAT: Final = "sopilot-clip-embedding-1"
_BLOCK_PREFIX: Final = "block."
_END_TOLERANCE_S: Final = 0.05
"""A remainder shorter than this (about one frame) does not get a clip of its own."""

BLOCK_WEIGHTS: Final[Mapping[str, float]] = {
    "mid_spread": 0.35,
    "final_spread": 0.35,
    "box_mid_spread": 0.35,
    "box_final_spread": 0.35,
    "hof": 0.35,
    "mbh": 0.35,
    "hof_whole": 0.3,
    "mbh_whole": 0.3,
}
"""The length of each block's part of a comparable row; 1 for blocks not named. Motion alone finds a step far
less often than appearance, and at full weight it hurts at another site."""

SPREAD_FLOOR: Final = 0.25
"""Share of a block's mean spread that is added to each feature's own before dividing by it."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipEmbedding:
    """Raw features of ``n`` clips of one video.

    ``clip_start_s`` (n,) rises by the stride; a clip covers ``[start, start + clip_length_s)``, and the last
    one may run past the end by less than a stride. ``blocks`` maps a block's name to its features (n, d).
    ``stillness`` (m,) holds, for each pair of consecutive sampled frames, the largest block change in grey
    levels, and ``still_time_s`` (m,) the time of the pair's later frame. ``reader`` names what decoded the
    video. Raises `ModelError` when shapes disagree.
    """

    model_id: str
    clip_start_s: Floats
    clip_length_s: float
    duration_s: float
    blocks: Mapping[str, Features]
    still_time_s: Floats
    stillness: Features
    reader: str

    def __post_init__(self) -> None:
        n = self.clip_start_s.shape[0]
        wrong = {
            name: block.shape for name, block in self.blocks.items() if block.ndim != 2 or block.shape[0] != n
        }
        if n == 0 or not self.blocks or wrong:
            raise ModelError(
                f"embedding by {self.model_id}: expected blocks of shape ({n}, d) and at least one clip, "
                f"found {wrong or dict(self.blocks)}."
            )
        if self.stillness.shape != self.still_time_s.shape:
            raise ModelError(
                f"embedding by {self.model_id}: expected one time per stillness value, found "
                f"{self.still_time_s.shape} and {self.stillness.shape}."
            )

    @property
    def clip_count(self) -> int:
        """The number of clips."""
        return int(self.clip_start_s.shape[0])

    @property
    def clip_middle_s(self) -> Floats:
        """The middle of each clip, in seconds; of the part inside the video for the last one."""
        ends = np.minimum(self.clip_start_s + self.clip_length_s, self.duration_s)
        return (self.clip_start_s + ends) / 2


def clip_starts(duration_s: float, *, length_s: float, stride_s: float, phase_s: float = 0.0) -> Floats:
    """The start of each clip (n,): every ``stride_s`` from ``phase_s`` on while a clip fits, and one more
    when a remainder would stay uncovered.

    A video shorter than one clip gives one clip. Raises ``ConfigError`` for a phase outside of the video.

    >>> clip_starts(3.2, length_s=2.0, stride_s=0.5).tolist()
    [0.0, 0.5, 1.0, 1.5]
    >>> clip_starts(0.7, length_s=2.0, stride_s=0.5).tolist()
    [0.0]
    >>> clip_starts(3.2, length_s=2.0, stride_s=0.5, phase_s=0.25).tolist()
    [0.25, 0.75, 1.25]
    """
    if not 0.0 <= phase_s < max(duration_s, 1e-9):
        raise ConfigError(
            f"sampling phase {phase_s} s: expected 0 up to less than the video, {duration_s:.2f} s."
        )
    remainder_s = max(duration_s - phase_s - length_s - _END_TOLERANCE_S, 0.0)
    return phase_s + np.arange(1 + math.ceil(remainder_s / stride_s), dtype=np.float64) * stride_s


def rearranged(embedding: ClipEmbedding, clips: npt.NDArray[np.int64]) -> ClipEmbedding:
    """The embedding as if the recording had shown these clips (indices (m,), m >= 1) one after the other.

    Stillness is left out: it belongs to pairs of frames that are no longer neighbours.
    """
    stride_s = float(np.diff(embedding.clip_start_s).min()) if embedding.clip_count > 1 else 0.5
    return replace(
        embedding,
        clip_start_s=np.arange(clips.shape[0], dtype=np.float64) * stride_s,
        duration_s=embedding.clip_length_s + (clips.shape[0] - 1) * stride_s,
        blocks={name: block[clips] for name, block in embedding.blocks.items()},
        still_time_s=np.zeros(0),
        stillness=np.zeros(0, dtype=np.float32),
    )


def comparable(embedding: ClipEmbedding, mask: Mask | None = None) -> Features:
    """One L2-normalised row per clip (n, D) whose dot products compare clips of any two videos of one model.

    Each block is centred on this video's own mean, evened out (divided by the square root of each feature's
    own spread, so that few strong features do not drown the others), L2-normalised, weighted and
    concatenated. Mean and spread are over the clips where ``mask`` (n,) is true, all clips when it is None or
    nowhere true; pass the clips that are not frozen. A clip equal to the mean stays zero.
    """
    if mask is not None and mask.shape != embedding.clip_start_s.shape:
        raise ModelError(f"mask: expected shape {embedding.clip_start_s.shape}, found {mask.shape}.")
    chosen = mask if mask is not None and mask.any() else np.ones(embedding.clip_count, dtype=np.bool_)
    rows = [
        BLOCK_WEIGHTS.get(name, 1.0) * unit_rows(_evened(block, chosen))
        for name, block in sorted(embedding.blocks.items())
    ]
    return unit_rows(np.concatenate(rows, axis=1))


def _evened(block: Features, chosen: Mask) -> Features:
    everything = bool(chosen.all())
    centred = block - (block if everything else block[chosen]).mean(axis=0)
    spread = np.sqrt(np.square(centred if everything else centred[chosen]).mean(axis=0))
    floor = SPREAD_FLOOR * float(spread.mean()) + 1e-9
    return np.asarray(centred / np.sqrt(spread + floor), dtype=np.float32)


def require_same_model(first: ClipEmbedding, second: ClipEmbedding) -> None:
    """Nothing when both embeddings come from the same model; raises `ModelMismatch` that names both
    otherwise.
    """
    if first.model_id != second.model_id:
        raise ModelMismatch(
            f"embeddings of different models cannot be compared: {first.model_id} and {second.model_id}. "
            "Embed both videos again with the task's embedder (rescore the older one)."
        )


def save_embedding(path: Path | UPath, embedding: ClipEmbedding) -> None:
    """Publish the embedding as an ``.npz``; equal embeddings give identical bytes."""
    publish_bytes(path, embedding_bytes(embedding))


def embedding_bytes(embedding: ClipEmbedding) -> bytes:
    """The ``.npz`` of an embedding: fixed member order and dates; a block that float16 holds exactly is
    stored as such.
    """
    members: dict[str, npt.NDArray[np.generic]] = {
        "format": np.array(FORMAT),
        "model_id": np.array(embedding.model_id),
        "reader": np.array(embedding.reader),
        "clip_length_s": np.array(embedding.clip_length_s, dtype=np.float64),
        "duration_s": np.array(embedding.duration_s, dtype=np.float64),
        "clip_start_s": embedding.clip_start_s,
        "still_time_s": embedding.still_time_s,
        "stillness": embedding.stillness,
        **{_BLOCK_PREFIX + name: _compact(block) for name, block in sorted(embedding.blocks.items())},
    }
    return arrays_bytes(members)


def _compact(block: Features) -> npt.NDArray[np.generic]:
    half = block.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), block) else block.astype(np.float32)


def load_embedding(path: Path | UPath) -> ClipEmbedding:
    """The embedding stored at ``path``; raises `ModelError` when the file is missing, damaged or of another
    format.
    """
    local = at_hand(local_path(path))
    try:
        return _from_members(read_arrays(local.read_bytes()))
    except FileNotFoundError as error:
        raise ModelError(
            f"{local}: no embedding there; materialize clip_embeddings for this video first."
        ) from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{local}: not an embedding of format {FORMAT} ({error}); delete it and materialize "
            f"clip_embeddings for this video again."
        ) from error


def _from_members(members: Mapping[str, npt.NDArray[np.generic]]) -> ClipEmbedding:
    if str(members["format"]) != FORMAT:
        raise ValueError(f"its format is {members['format']}")
    blocks = {
        name.removeprefix(_BLOCK_PREFIX): array.astype(np.float32)
        for name, array in members.items()
        if name.startswith(_BLOCK_PREFIX)
    }
    return ClipEmbedding(
        model_id=str(members["model_id"]),
        clip_start_s=members["clip_start_s"].astype(np.float64),
        clip_length_s=float(members["clip_length_s"].astype(np.float64)),
        duration_s=float(members["duration_s"].astype(np.float64)),
        blocks=blocks,
        still_time_s=members["still_time_s"].astype(np.float64),
        stillness=members["stillness"].astype(np.float32),
        reader=str(members["reader"]),
    )


def unit_rows(rows: npt.NDArray[np.floating]) -> Features:
    """The rows, each of length 1; one of zeros stays so."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-12), dtype=np.float32)
