"""GraphNet: runs any graph."""

from __future__ import annotations

from torch import Tensor, nn

from smalldet.models.graph.layers import build_layer
from smalldet.models.graph.shapes import Graph
from smalldet.models.graph.specs import PICTURE, Yolo


class GraphNet(nn.Module):
    """The layers of a graph, run in order; a tensor is let go after its last reader.

    Args:
        graph: a network that was checked when it was lowered.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.layers = nn.ModuleList(
            build_layer(layer, graph.channels_into(layer)) for layer in graph.layers
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
        for number, (spec, layer) in enumerate(zip(self.graph.layers, self.layers, strict=True)):
            held[number] = layer(*(held[source] for source in spec.sources))
            if isinstance(spec, Yolo):
                outputs.append(held[number])
            for source in self._done_after.get(number, ()):
                del held[source]
        return outputs or [held[len(self.layers) - 1]]
