"""Preparing and checking the embedding models of a home."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sopilot_assets.embedding.backends import load_embedder
from sopilot_assets.embedding.embedder import Device, Precision
from sopilot_assets.embedding.manifest import (
    MANIFEST,
    ModelManifest,
    copy_into,
    write_manifest,
)
from sopilot_assets.errors import ModelError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path

VJEPA2: Final = "vjepa2"


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """A model that loaded and answered: its name, its identity, how many numbers it gives for a fixed input,
    and whether it gave the same ones twice.
    """

    name: str
    model_id: str
    numbers: int
    repeatable: bool


def preload(source: Path, home: Home) -> ModelManifest:
    """Copy a V-JEPA 2 model into the home and return its manifest: ``config.json`` and ``*.safetensors``
    only.

    Nothing else of the folder is copied, so no code and no pickle can come along. Raises `ModelError` when it
    holds no such model. Until all files are copied the home's model counts as missing.
    """
    files = _model_files(source)
    folder = local_path(home.models) / VJEPA2
    (folder / MANIFEST).unlink(missing_ok=True)
    manifest = ModelManifest(name=VJEPA2, source=str(source), files=copy_into(folder, files))
    _remove_others(folder, manifest)
    write_manifest(folder, manifest)
    return manifest


def verify(home: Home, name: str, *, device: Device = "auto", precision: Precision = "auto") -> VerifiedModel:
    """Load a model after checking every file against its manifest, and run it on a fixed input.

    For lite0_box and lite0_flow this builds their network when it is not there yet. Raises `ModelError` when
    anything is missing, changed, or answers with something other than finite numbers.
    """
    embedder = load_embedder(name, models=home.models, device=device, precision=precision)
    first, second = embedder.fixed_answer(), embedder.fixed_answer()
    if not np.isfinite(first).all() or not np.abs(first).max() > 0:
        raise ModelError(
            f"{embedder.model_id}: expected finite numbers for a fixed input, found {first[:5]}...; "
            "prepare the model again, or try another device or precision."
        )
    return VerifiedModel(
        name, embedder.model_id, numbers=len(first), repeatable=bool(np.array_equal(first, second))
    )


def _model_files(source: Path) -> dict[str, Path]:
    config = source / "config.json"
    kind = _model_type(config)
    if kind != VJEPA2:
        raise ModelError(
            f"{config}: expected a model of type {VJEPA2}, found {kind!r}; point preload at a V-JEPA 2 "
            f"folder."
        )
    weights = sorted(source.glob("*.safetensors"))
    if not weights:
        raise ModelError(
            f"{source}: no *.safetensors file there; only safetensors weights are accepted, convert the "
            f"model first."
        )
    index = sorted(source.glob("*.safetensors.index.json"))
    return {path.name: path for path in [config, *weights, *index]}


def _model_type(config: Path) -> str | None:
    try:
        found = json.loads(config.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{config}: not a readable model configuration ({error}); point preload at a V-JEPA 2 folder."
        ) from error
    return str(found.get("model_type")) if isinstance(found, dict) else None


def _remove_others(folder: Path, manifest: ModelManifest) -> None:
    for path in folder.iterdir():
        if path.is_file() and path.name not in manifest.files:
            path.unlink()
