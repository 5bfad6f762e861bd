"""The writer with which blocks write layers, in the style of their network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from smalldet.models.yolo.builder import GraphBuilder
from smalldet.models.yolo.specs import (
    DARKNET_EPSILON,
    Activation,
    Convolution,
    MaxPool,
    Route,
    Shortcut,
)


@dataclass(frozen=True)
class Style:
    """What holds for a whole network.

    Args:
        width: filters are multiplied by it, and rounded up to a multiple of 8.
        depth: repeats are multiplied by it.
        activation: of convolutions unless they say otherwise.
        norm_epsilon: of batch normalisation.
        anchors: (width, height) in pixels, of all outputs.
        num_classes: of the outputs.
        output: what all outputs share, as fields of `Yolo`.
    """

    width: float = 1.0
    depth: float = 1.0
    activation: Activation = "leaky"
    norm_epsilon: float = DARKNET_EPSILON
    anchors: tuple[tuple[float, float], ...] = ()
    num_classes: int = 80
    output: dict[str, Any] | None = None

    def filters(self, count: int) -> int:
        return count if self.width == 1 else math.ceil(count * self.width / 8) * 8

    def repeats(self, count: int) -> int:
        return max(round(count * self.depth), 1)


class BlockWriter:
    """Adds layers that read the layer before unless told."""

    def __init__(self, builder: GraphBuilder, style: Style) -> None:
        self.builder, self.style = builder, style

    def conv(
        self,
        source: int,
        filters: int,
        size: int = 1,
        stride: int = 1,
        *,
        activation: Activation | None = None,
        normalised: bool = True,
        padding_px: int | None = None,
        groups: int = 1,
    ) -> int:
        """A convolution of exactly so many filters, padded to keep its sides."""
        padding = size // 2 if padding_px is None else padding_px
        activation = activation or self.style.activation
        epsilon = self.style.norm_epsilon
        return self.builder.add(
            Convolution(
                (source,),
                filters,
                size,
                stride,
                padding,
                1,
                groups,
                normalised,
                activation,
                epsilon,
            )
        )

    def pool(self, source: int, size: int, stride: int = 1, padding_px: int | None = None) -> int:
        return self.builder.add(
            MaxPool((source,), size, stride, size - 1 if padding_px is None else padding_px)
        )

    def concat(self, *sources: int, groups: int = 1, group_id: int = 0) -> int:
        return self.builder.add(Route(sources, groups, group_id))

    def add(self, *sources: int) -> int:
        return self.builder.add(Shortcut(sources, "linear"))

    def channels(self, number: int) -> int:
        return self.builder.shape(number).channels

    def bottleneck(self, x: int, inner: int, filters: int, shortcut: bool = True) -> int:
        """1 x 1, then 3 x 3, then the sum with what came in where shapes allow it."""
        y = self.conv(self.conv(x, inner), filters, 3)
        return self.add(y, x) if shortcut and self.channels(x) == filters else y
