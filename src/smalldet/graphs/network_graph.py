"""A detector's network as an ONNX graph."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from smalldet.graphs.facts import INPUT_NAME
from smalldet.models.detector import Detector, Outputs
from smalldet.models.fuse_batchnorm import fuse_batchnorm

if TYPE_CHECKING:
    import onnx

# A tile on which the network is followed: in strides, of two sides, so that neither is taken for
# the other, and so large that no map of it is a single place.
FOLLOWED_STRIDES = (4, 3)
FOLLOWED_BATCH = 2


class NetworkAlone(nn.Module):
    """The half of a detector that can leave torch."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> Outputs:
        return self.detector.network(images)


class FixedSame(nn.Module):
    """A convolution padded as TensorFlow's `same`, for maps with sides of whole strides.

    Then the padding does not depend on the side: a graph in which it did would be slow to make and
    to run. The sides of tiles are multiples of the network's stride, and so are those of its maps.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.strides, self.dilation, self.groups = conv.stride, conv.dilation, conv.groups
        self.pads: list[int] = []
        for axis in (1, 0):
            reach = conv.dilation[axis] * (conv.kernel_size[axis] - 1) + 1
            total = max(reach - conv.stride[axis], 0)
            self.pads += [total // 2, total - total // 2]

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, self.pads)
        return F.conv2d(padded, self.weight, self.bias, self.strides, 0, self.dilation, self.groups)


def network_graph(
    detector: Detector, *, batch: int | None = None, fixed_px: int | None = None
) -> onnx.ModelProto:
    """The network of a detector in float32 as ONNX, batch norms fused.

    Args:
        detector: any family; left as it is.
        batch: tiles at a time; None: any number.
        fixed_px: side of all tiles, a multiple of the stride; None: any multiples of it.

    Raises:
        ValueError: the exporter cannot carry this network; the message says why.
    """
    if detector.fixed_shape and (fixed_px is None or batch is None):
        raise ValueError(
            f"{type(detector).__name__} can be exported for tiles of one side and so many at a time"
            " only: give both (--tile, --batch)"
        )
    network = NetworkAlone(_fixed_padding(fuse_batchnorm(detector))).eval()
    example, dims = _example(detector, batch, fixed_px)
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(
                network, (example,), dynamic_shapes={INPUT_NAME: dims}, strict=False
            )
            _drop_assertions(program)
            made = torch.onnx.export(
                program, dynamo=True, input_names=[INPUT_NAME], verbose=False, external_data=False
            )
    except Exception as error:  # whatever the exporter raises, in its many kinds
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"{type(detector).__name__} cannot be exported: torch's exporter says: {reason[0]}"
        ) from error
    assert made is not None
    return _named(made.model_proto)


def _drop_assertions(program: torch.export.ExportedProgram) -> None:
    """Take out what a network checks of itself: ONNX has no word for it."""
    for node in reversed(program.graph.nodes):
        if "assert" in str(node.target) and not node.users:
            program.graph.erase_node(node)
    program.graph.eliminate_dead_code()


def _example(
    detector: Detector, batch: int | None, fixed_px: int | None
) -> tuple[Tensor, dict[int, Any]]:
    """Tiles to follow, and which of their sides may differ."""
    stride = detector.stride
    sides = tuple(num * stride for num in FOLLOWED_STRIDES)
    sides = sides if fixed_px is None else (fixed_px, fixed_px)
    shape = (batch or FOLLOWED_BATCH, detector.in_channels, *sides)
    dims: dict[int, Any] = {}
    if batch is None:
        dims[0] = torch.export.Dim("batch")
    if fixed_px is None:
        dims[2] = stride * torch.export.Dim("height")
        dims[3] = stride * torch.export.Dim("width")
    return torch.zeros(shape, dtype=torch.uint8), dims


def _fixed_padding(detector: Detector) -> Detector:
    """A copy in which no padding depends on the side of a map."""
    detector = copy.deepcopy(detector)
    for parent in list(detector.modules()):
        for name, child in parent.named_children():
            if type(child) is Conv2dSame:
                setattr(parent, name, FixedSame(cast("nn.Conv2d", child)))
    return detector


def _named(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Outputs are `output_0`, ...; dimensions that differ have short names.

    Where in the code a node comes from, with the paths of this machine, is left out.
    """
    renamed = {value.name: f"output_{i}" for i, value in enumerate(graph.graph.output)}
    for node in graph.graph.node:
        node.output[:] = [renamed.get(name, name) for name in node.output]
        node.input[:] = [renamed.get(name, name) for name in node.input]
        del node.metadata_props[:]
    for value in graph.graph.output:
        value.name = renamed[value.name]
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_param:
                dim.dim_param = "batch" if axis == 0 else f"{value.name}_{axis}"
    del graph.graph.value_info[:]
    return graph


@contextmanager
def _quiet() -> Generator[None]:
    """The exporter's warnings of its own kinds are nothing that a person could mend."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
