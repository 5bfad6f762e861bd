"""GraphBuilder: layers one by one into a checked graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smalldet.models.yolo.shapes import (
    MAX_LAYERS,
    MAX_PARAMETERS,
    Graph,
    Shape,
    num_parameters,
    shape_of,
)
from smalldet.models.yolo.specs import PICTURE, Convolution, Layer, Yolo


class GraphBuilder:
    """Takes layers in running order and checks each before any memory is taken for it."""

    def __init__(self, in_channels: int) -> None:
        self.picture = Shape(in_channels, 1)
        self.layers: list[Layer] = []
        self.shapes: list[Shape] = []
        self.num_parameters = 0

    @property
    def last(self) -> int:
        """Number of the layer that was added last; `PICTURE` before the first."""
        return len(self.layers) - 1

    def shape(self, number: int) -> Shape:
        """What layer `number` gives."""
        return self.picture if number == PICTURE else self.shapes[number]

    def add(self, layer: Layer) -> int:
        """The number that the layer gets.

        Raises:
            ValueError: its sources do not fit it, or the network becomes absurdly large.
        """
        sources = [self.shape(source) for source in layer.sources]
        shape = shape_of(layer, sources)
        self.num_parameters += num_parameters(layer, sources[0].channels)
        if self.num_parameters > MAX_PARAMETERS:
            raise ValueError(
                f"{self.num_parameters} parameters up to here are more than {MAX_PARAMETERS}"
            )
        if len(self.layers) == MAX_LAYERS:
            raise ValueError(f"more than {MAX_LAYERS} layers")
        self.layers.append(layer)
        self.shapes.append(shape)
        return self.last

    def graph(self, width_px: int, height_px: int) -> Graph:
        """What was added, for pictures of this size."""
        return Graph(
            self.picture.channels, width_px, height_px, tuple(self.layers), tuple(self.shapes)
        )


def with_outputs(
    graph: Graph, num_classes: int, anchors: Sequence[tuple[float, float]] | None = None
) -> Graph:
    """The same network for other classes, and with other anchors where they are given.

    Args:
        graph: the network.
        num_classes: of every output.
        anchors: (width, height) in pixels, as many as the network has.

    Raises:
        ValueError: not as many anchors, or an output that does not follow a convolution of its own.
    """
    builder = GraphBuilder(graph.in_channels)
    outputs = {output.sources[0]: output for output in graph.outputs}
    for number, layer in enumerate(graph.layers):
        if number in outputs:
            if not isinstance(layer, Convolution):
                raise ValueError("an output that follows no convolution cannot change its classes")
            filters = len(outputs[number].mask) * (5 + num_classes)
            layer = replace(layer, filters=filters)
        if isinstance(layer, Yolo):
            if anchors is not None and len(anchors) != len(layer.anchors):
                raise ValueError(
                    f"{len(anchors)} anchors were given, the network has {len(layer.anchors)}"
                )
            given = layer.anchors if anchors is None else tuple(anchors)
            layer = replace(layer, num_classes=num_classes, anchors=given)
        builder.add(layer)
    return builder.graph(graph.width_px, graph.height_px)
