"""Who vjepa2 is: what its embeddings depend on, and its model's id, known without loading torch."""

from __future__ import annotations

import ctypes
import importlib.metadata
from typing import Final

from upath import UPath

from sopilot_assets.embedding.embedder import model_id
from sopilot_assets.embedding.manifest import ModelManifest, read_manifest
from sopilot_assets.errors import ModelError
from sopilot_assets.store.publish import local_path

NAME: Final = "vjepa2"
FEATURE_VERSION: Final = 1
CLIP_S: Final = 2.0
STRIDE_S: Final = 0.5
RATE_HZ: Final = 8.0


def vjepa2_model_id(manifest: ModelManifest, precision: str) -> str:
    """The id of a model at a precision: fp32, fp16 or bf16."""
    return model_id(
        NAME,
        weights_sha256=manifest.digest(),
        parameters={
            "feature_version": FEATURE_VERSION,
            "clip_s": CLIP_S,
            "stride_s": STRIDE_S,
            "rate_hz": RATE_HZ,
            "precision": precision,
        },
    )


def usual_precision(*, gpu: bool) -> str:
    """The precision where nothing else is asked for."""
    return "fp16" if gpu else "fp32"


def known_vjepa2_id(models: UPath) -> str:
    """The id that the model has on this machine; raises ``ModelError`` where it was not preloaded, or its
    packages are missing.
    """
    return vjepa2_model_id(preloaded(models), usual_precision(gpu=_torch_finds_gpu()))


def preloaded(models: UPath) -> ModelManifest:
    """The manifest of the preloaded model; raises ``ModelError`` without one."""
    folder = local_path(models) / NAME
    manifest = read_manifest(folder)
    if manifest is None:
        raise ModelError(
            f"{folder}: no V-JEPA 2 model there; run `sopilot model preload <folder>` with a "
            "folder that holds config.json and *.safetensors."
        )
    return manifest


def no_packages() -> ModelError:
    """That the extra is not installed."""
    return ModelError(
        "the vjepa2 embedder needs packages that are not installed; run `pip install "
        "'sopilot-assets[vjepa2]'`."
    )


def _torch_finds_gpu() -> bool:
    """What ``torch.cuda.is_available`` says: a build for CUDA, and a driver with a device."""
    try:
        build = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError as error:
        raise no_packages() from error
    if build.endswith("+cpu"):
        return False
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
