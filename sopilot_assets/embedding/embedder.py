"""What an embedder is, and the identity of its model: a name and a hash of all that changes its numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from sopilot_assets.embedding.clips import ClipEmbedding, Features

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
Precision: TypeAlias = Literal["auto", "fp32", "fp16", "bf16"]
Parameters: TypeAlias = Mapping[str, str | int | float | bool]


class Embedder(Protocol):
    """Turns a video into clip features.

    ``model_id`` names the backend, its weights and its parameters: equal ids give equal numbers, and only
    embeddings with equal ids may be compared.
    """

    @property
    def name(self) -> str:
        """The backend's name in task files."""

    @property
    def model_id(self) -> str:
        """The identity of this model, ``<name>-<10 hex digits>``."""

    def embed(self, path: Path, *, phase_s: float = 0.0) -> ClipEmbedding:
        """The embedding of one video; raises ``UnreadableVideo`` when no frame can be decoded.

        Sampling and clips begin ``phase_s`` after the first frame. What is stored and compared begins at 0;
        other phases show how much depends on where the grid happens to lie.
        """

    def fixed_answer(self) -> Features:
        """(d,) the features of a fixed input: what verifying a model looks at."""


def model_id(name: str, *, weights_sha256: str, parameters: Parameters) -> str:
    """``<name>-<10 hex digits>`` of the SHA-256 over the weights' hash and the parameters.

    >>> model_id("color_motion", weights_sha256="", parameters={"clip_s": 4.0})
    'color_motion-6edbd52a52'
    """
    content = json.dumps({"weights": weights_sha256, "parameters": dict(parameters)}, sort_keys=True)
    return f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:10]}"
