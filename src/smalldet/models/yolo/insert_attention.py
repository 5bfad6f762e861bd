"""Attention in any graph: where a backbone ends and a neck does, told by the layers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smalldet.models.attention import AttentionKind, AttentionPlace
from smalldet.models.yolo.builder import GraphBuilder
from smalldet.models.yolo.shapes import Graph
from smalldet.models.yolo.specs import PICTURE, Attention, Convolution, Upsample

Reading = tuple[int, int]
"""Numbers of a layer and of one that reads it."""


def insert_attention(graph: Graph, kind: AttentionKind, at: Sequence[AttentionPlace]) -> Graph:
    """The same network with a block of attention on what its neck or its outputs read.

    Only those readers see what is gated: the deeper stages of a backbone go on from its plain
    features, as in the other families. Convolutions keep their order and so their names, so that
    weights of the plain network fit.

    Args:
        graph: the network.
        kind: see `attention.build_attention`.
        at: `backbone`, each level that it hands to the neck; `neck`, each that an output reads.

    Raises:
        ValueError: an output that does not follow a convolution of its own.
    """
    readings: set[Reading] = set()
    if "backbone" in at:
        readings |= backbone_readings(graph)
    if "neck" in at:
        readings |= neck_readings(graph)
    attended = {source for source, _ in readings}
    builder = GraphBuilder(graph.in_channels)
    plain, gated = {PICTURE: PICTURE}, dict[int, int]()
    for number, layer in enumerate(graph.layers):
        sources = tuple(gated[s] if (s, number) in readings else plain[s] for s in layer.sources)
        plain[number] = builder.add(replace(layer, sources=sources))
        if number in attended:
            gated[number] = builder.add(Attention((plain[number],), kind))
    return builder.graph(graph.width_px, graph.height_px)


def neck_readings(graph: Graph) -> set[Reading]:
    """What the convolutions before the outputs read."""
    readings: set[Reading] = set()
    for output in graph.outputs:
        (raw,) = output.sources
        layer = graph.layers[raw]
        if not isinstance(layer, Convolution):
            raise ValueError("an output that follows no convolution has no place for attention")
        (source,) = layer.sources
        readings.add((source, raw))
    return readings


def backbone_readings(graph: Graph) -> set[Reading]:
    """What the neck reads of the backbone, from the finest level to the coarsest.

    The backbone is what the coarsest map is made from before anything is enlarged. Of its finer
    stages, readers outside it are the neck's. Its last stage ends where the ways to several readers
    part: all of them see that map gated.
    """
    end = _end_of_backbone(graph)
    trunk = {end}
    for number in range(end, -1, -1):
        if number in trunk:
            trunk.update(graph.layers[number].sources)
    return {
        (source, number)
        for number, layer in enumerate(graph.layers)
        for source in layer.sources
        if source in trunk and source != PICTURE and number not in trunk
    }


def _end_of_backbone(graph: Graph) -> int:
    """The last layer of the coarsest map that every way onwards leads through."""
    raws = {output.sources[0] for output in graph.outputs}
    last_reader = {s: number for number, layer in enumerate(graph.layers) for s in layer.sources}
    enlarged: set[int] = set()  # what comes after an enlarging, and so after the backbone
    left: set[int] = set()  # what such a layer reads
    coarsest: list[int] = []
    for number, layer in enumerate(graph.layers):
        if isinstance(layer, Upsample) or enlarged.intersection(layer.sources):
            enlarged.add(number)
            left.update(layer.sources)
        elif graph.shapes[number].stride == graph.max_stride:
            coarsest.append(number)
    end = farthest = coarsest[0]
    for number in coarsest:
        if number in raws:
            break
        if farthest <= number:  # no way leads past it
            end = number
        if number in left:
            break
        farthest = max(farthest, last_reader.get(number, number))
    return end
