"""The embedding backends by name."""

from __future__ import annotations

import functools
from typing import Final

from upath import UPath

from sopilot_assets.embedding.embedder import Device, Embedder, Precision
from sopilot_assets.errors import ConfigError

EMBEDDERS: Final = ("lite0_box", "lite0_flow", "vjepa2", "color_motion")


def load_embedder(
    name: str, *, models: UPath, device: Device = "auto", precision: Precision = "auto"
) -> Embedder:
    """The embedder called ``name``, ready to use in this process; ``models`` is the home's folder of models.

    ``device`` and ``precision`` matter to vjepa2 only. Raises ``ConfigError`` for an unknown name and
    ``ModelError`` when the model is missing or damaged. There is no fallback to another model.
    """
    # each backend imports its own runtime, and vjepa2's is an extra that may be missing
    if name == "lite0_box":
        from sopilot_assets.embedding.lite0_box import Lite0Box  # noqa: PLC0415

        return Lite0Box(models=models)
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


@functools.lru_cache(maxsize=4)
def ready_embedder(name: str, models: str) -> Embedder:
    """The same for text as a child process is given it, loaded once in each process."""
    return load_embedder(name, models=UPath(models))


@functools.lru_cache(maxsize=4)
def known_model_id(name: str, models: str) -> str:
    """The id of the model called ``name``, for whoever only compares it: what can be known without loading
    the model is not loaded.

    A model that was never prepared is prepared for that.
    """
    return made_model_id(name, models) or ready_embedder(name, models).model_id


def made_model_id(name: str, models: str) -> str | None:
    """The same; None where the model would have to be made first. Nothing is written."""
    if name == "vjepa2":
        from sopilot_assets.embedding.vjepa2_identity import known_vjepa2_id  # noqa: PLC0415

        return known_vjepa2_id(UPath(models))
    if name in {"lite0_box", "lite0_flow"}:
        from sopilot_assets.embedding.lite0_identity import prepared_model_id  # noqa: PLC0415

        return prepared_model_id(name, UPath(models))
    return ready_embedder(name, models).model_id
