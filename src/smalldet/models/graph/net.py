"""GraphNet: runs any graph."""

from __future__ import annotations

from torch import Tensor, nn

from smalldet.models.graph.layers import build_layer
from smalldet.models.graph.shapes import Graph
from smalldet.models.graph.specs import PICTURE, Convolution, Yolo


class GraphNet(nn.Module):
    """The layers of a graph, run in order; a tensor is let go after its last reader.

    A convolution is named by its rank among the convolutions, not by its layer's number, so that
    weights fit however a text words the same network.

    Args:
        graph: a network that was checked when it was lowered.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        num_convolutions = 0
        self.names: list[str] = []
        for number, layer in enumerate(graph.layers):
            if isinstance(layer, Convolution):
                self.names.append(f"conv{num_convolutions}")
                num_convolutions += 1
            else:
                self.names.append(f"layer{number}")
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
