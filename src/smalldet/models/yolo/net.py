"""GraphNet: runs any graph."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from smalldet.models.yolo.layers import build_layer
from smalldet.models.yolo.shapes import Graph
from smalldet.models.yolo.specs import PICTURE, Attention, Convolution, Layer, Yolo

# of layers that have weights
NAMES: dict[type[Layer], str] = {Convolution: "conv", Attention: "attention"}


class GraphNet(nn.Module):
    """The layers of a graph, run in order; a tensor is let go after its last reader.

    A layer with weights is named by its rank among its kind, not by its number, so that weights fit
    however a text words the same network, and with attention between.

    Args:
        graph: a network that was checked when it was lowered.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        ranks = {kind: itertools.count() for kind in NAMES}
        self.names = [
            f"{NAMES[type(layer)]}{next(ranks[type(layer)])}"
            if type(layer) in NAMES
            else f"layer{number}"
            for number, layer in enumerate(graph.layers)
        ]
        self.layers = nn.ModuleDict(
            {
                name: build_layer(layer, graph.channels_into(layer))
                for name, layer in zip(self.names, graph.layers, strict=True)
            }
        )
        last_reader = {
            s: number for number, layer in enumerate(graph.layers) for s in layer.sources
        }
        self._done_after: dict[int, list[int]] = {}
        for source, reader in last_reader.items():
            self._done_after.setdefault(reader, []).append(source)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Pictures (B, C, H, W) float 0..1 to what each `Yolo` layer gives, raw, in order.

        A graph without `Yolo` layers gives its last layer.
        """
        held: dict[int, Tensor] = {PICTURE: images}
        outputs: list[Tensor] = []
        for number, (spec, layer) in enumerate(
            zip(self.graph.layers, self.layers.values(), strict=True)
        ):
            held[number] = layer(*(held[source] for source in spec.sources))
            if isinstance(spec, Yolo):
                outputs.append(held[number])
            for source in self._done_after.get(number, ()):
                del held[source]
        return outputs or [held[len(self.layers) - 1]]
