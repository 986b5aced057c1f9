"""The embedding backends by name, behind one protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

from upath import UPath

from sopilot_assets.embedding.clips import ClipEmbedding, Features
from sopilot_assets.errors import ConfigError

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
Precision: TypeAlias = Literal["auto", "fp32", "fp16", "bf16"]

EMBEDDERS: Final = ("lite0_flow", "vjepa2", "color_motion")


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


def load_embedder(
    name: str, *, models: UPath, device: Device = "auto", precision: Precision = "auto"
) -> Embedder:
    """The embedder called ``name``, ready to use in this process; ``models`` is the home's folder of models.

    ``device`` and ``precision`` matter to vjepa2 only. Raises ``ConfigError`` for an unknown name and
    ``ModelError`` when the model is missing or damaged. There is no fallback to another model.
    """
    # each backend imports its own runtime, and vjepa2's is an extra that may be missing
    if name == "lite0_flow":
        from sopilot_assets.embedding.lite0_flow import Lite0Flow  # noqa: PLC0415

        return Lite0Flow(models=models)
    if name == "vjepa2":
        from sopilot_assets.embedding.vjepa2 import load_vjepa2  # noqa: PLC0415

        return load_vjepa2(models=models, device=device, precision=precision)
    if name == "color_motion":
        from sopilot_assets.embedding.color_motion import ColorMotion  # noqa: PLC0415

        return ColorMotion(models=models)
    raise ConfigError(f"embedder {name!r} is unknown; choose one of {', '.join(EMBEDDERS)}.")
