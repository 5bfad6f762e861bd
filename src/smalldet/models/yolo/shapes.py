"""Channels and strides of every layer, and the checks that a network can run and can be held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from smalldet.models.attention import build_attention
from smalldet.models.yolo.specs import (
    PICTURE,
    Attention,
    AveragePool,
    Convolution,
    Layer,
    MaxPool,
    Product,
    Reorg,
    Route,
    Shortcut,
    Upsample,
    Yolo,
)

# Far above any published detector (YOLOv4-P7 has 0.3e9 parameters), far below what hurts.
MAX_LAYERS = 5_000
MAX_CHANNELS = 65_536
MAX_PARAMETERS = 1_000_000_000


class Shape(NamedTuple):
    """Of what a layer gives; `stride` in pixels of the picture, 0: one value for the picture."""

    channels: int
    stride: int


@dataclass(frozen=True)
class Graph:
    """A whole network.

    Args:
        in_channels: bands of the picture.
        width_px: of the pictures that it was made for.
        height_px: likewise.
        layers: in running order.
        shapes: what each layer gives.
    """

    in_channels: int
    width_px: int
    height_px: int
    layers: tuple[Layer, ...]
    shapes: tuple[Shape, ...]

    @property
    def outputs(self) -> tuple[Yolo, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer, Yolo))

    @property
    def max_stride(self) -> int:
        """Sides of pictures must be multiples of it."""
        return max(shape.stride for shape in self.shapes)

    @property
    def num_parameters(self) -> int:
        """Stored values of all layers."""
        return sum(num_parameters(layer, self.channels_into(layer)) for layer in self.layers)

    def channels_into(self, layer: Layer) -> int:
        """Channels of a layer's first source."""
        (first, *_) = layer.sources
        return self.in_channels if first == PICTURE else self.shapes[first].channels


def shape_of(layer: Layer, sources: Sequence[Shape]) -> Shape:
    """What a layer gives for what its sources give.

    Raises:
        ValueError: the sources do not fit the layer or each other.
    """
    shape = _shape_of(layer, sources)
    if shape.channels > MAX_CHANNELS:
        raise ValueError(f"{shape.channels} channels are more than {MAX_CHANNELS}")
    return shape


def num_parameters(layer: Layer, in_channels: int) -> int:
    """Stored values of a layer: weights, biases, and the running statistics of normalisation."""
    if isinstance(layer, Attention):
        with torch.device("meta"):  # counted without memory
            block = build_attention(layer.kind, in_channels)
        return sum(v.numel() for v in block.state_dict().values() if v.is_floating_point())
    if not isinstance(layer, Convolution):
        return 0
    kernel = layer.filters * (in_channels // layer.groups) * layer.size**2
    return kernel + layer.filters * (4 if layer.normalised else 1)


def _shape_of(layer: Layer, sources: Sequence[Shape]) -> Shape:
    channels, stride = sources[0]
    match layer:
        case Convolution(filters=filters, groups=groups):
            if channels % groups or filters % groups:
                raise ValueError(f"groups={groups} does not divide {channels} and {filters}")
            return Shape(filters, stride * layer.stride)
        case MaxPool():
            return Shape(channels, stride * layer.stride)
        case Route():
            return _routed(layer, sources)
        case Shortcut():
            if any(source != sources[0] for source in sources):
                raise ValueError(f"cannot add {_listed(sources)}")
            return sources[0]
        case Product():
            return _multiplied(sources)
        case Upsample():
            if stride == 0 or stride % layer.stride:
                raise ValueError(f"cannot upsample stride {stride} by {layer.stride}")
            return Shape(channels, stride // layer.stride)
        case Reorg():
            if channels % layer.stride**2:
                raise ValueError(f"{channels} channels do not divide by {layer.stride} squared")
            return Shape(channels * layer.stride**2, stride * layer.stride)
        case AveragePool():
            return Shape(channels, 0)
        case Yolo():
            expected = len(layer.mask) * (5 + layer.num_classes)
            if channels != expected:
                raise ValueError(
                    f"{len(layer.mask)} anchors of {layer.num_classes} classes need {expected} "
                    f"channels, the layer before gives {channels}"
                )
            return sources[0]
        case _:
            return sources[0]


def _routed(layer: Route, sources: Sequence[Shape]) -> Shape:
    if len({source.stride for source in sources}) > 1:
        raise ValueError(f"cannot lay side by side {_listed(sources)}")
    if any(source.channels % layer.groups for source in sources):
        raise ValueError(f"groups={layer.groups} does not divide {_listed(sources)}")
    return Shape(sum(s.channels // layer.groups for s in sources), sources[0].stride)


def _multiplied(sources: Sequence[Shape]) -> Shape:
    values, factors = sources
    if values.channels != factors.channels or (factors.stride and factors != values):
        raise ValueError(f"cannot multiply {_listed(sources)}")
    return values


def _listed(sources: Sequence[Shape]) -> str:
    return ", ".join(f"{s.channels} channels at stride {s.stride}" for s in sources)
