"""Attention finds its places in any graph, and leaves weights of the plain network fitting."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from smalldet.models import load_model
from smalldet.models.checkpoints.darknet import save
from smalldet.models.checkpoints.native import transfer_from
from smalldet.models.yolo import Graph, known_text, parse_cfg, parse_network
from smalldet.models.yolo.config import YoloConfig
from smalldet.models.yolo.insert_attention import backbone_readings, insert_attention, neck_readings
from smalldet.models.yolo.net import GraphNet
from smalldet.models.yolo.specs import Attention, Convolution

# strides and channels of what the neck reads of the backbone, and of what the outputs read
LEVELS = {
    "yolov3-tiny": ([(16, 256), (32, 256)], [(16, 256), (32, 512)]),
    "yolov3": ([(8, 256), (16, 512), (32, 512)], [(8, 256), (16, 512), (32, 1024)]),
    "yolov4-tiny": ([(16, 256), (32, 256)], [(16, 256), (32, 512)]),
    "yolov4": ([(8, 256), (16, 512), (32, 512)], [(8, 256), (16, 512), (32, 1024)]),
    "yolov5n": ([(8, 64), (16, 128), (32, 128)], [(8, 64), (16, 128), (32, 256)]),
    "yolov5n6": (
        [(8, 64), (16, 128), (32, 192), (64, 192)],
        [(8, 64), (16, 128), (32, 192), (64, 256)],
    ),
    "yolov5n-p2": (
        [(4, 32), (8, 64), (16, 128), (32, 128)],
        [(4, 32), (8, 64), (16, 128), (32, 256)],
    ),
}


def levels(graph: Graph, readings: set[tuple[int, int]]) -> list[tuple[int, int]]:
    shapes = [graph.shapes[source] for source in {source for source, _ in readings}]
    return sorted((shape.stride, shape.channels) for shape in shapes)


@pytest.mark.parametrize("name", LEVELS)
def test_backbone_and_neck_are_known_by_their_layers(name: str) -> None:
    graph = parse_network(known_text(name), name)
    backbone, neck = LEVELS[name]
    assert levels(graph, backbone_readings(graph)) == backbone
    assert levels(graph, neck_readings(graph)) == neck


CONV = "[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\npad=1\nactivation=leaky\n"
DOWN = CONV.replace("size=3", "size=3\nstride=2")
OUTPUT = (
    "[convolutional]\nsize=1\nfilters=12\nactivation=linear\n"
    "[yolo]\nmask=0,1\nanchors=4,4, 9,9\nclasses=1\nnum=2\n"
)


def test_a_backbone_ends_where_ways_part_whichever_comes_first() -> None:
    """The way to the finer output stands before that to the coarse one, as nobody writes it."""
    text = "[net]\nwidth=32\nheight=32\n" + CONV + DOWN + CONV + CONV + "[upsample]\nstride=2\n"
    text += "[route]\nlayers=-1,0\n" + OUTPUT + "[route]\nlayers=2\n" + CONV + OUTPUT
    graph = parse_cfg(text)
    found = {source for source, _ in backbone_readings(graph)}
    assert found == {0, 2}


def test_one_output_and_nothing_enlarged() -> None:
    graph = parse_cfg("[net]\nwidth=32\nheight=32\n" + DOWN + CONV + CONV + OUTPUT)
    assert backbone_readings(graph) == neck_readings(graph) == {(2, 3)}
    attended = insert_attention(graph, "se", ("backbone", "neck"))
    assert [type(layer) for layer in attended.layers].count(Attention) == 1


def test_deeper_stages_go_on_from_plain_features() -> None:
    graph = parse_network(known_text("yolov5n"), "yolov5n")
    attended = insert_attention(graph, "eca", ("backbone",))
    gates = [n for n, layer in enumerate(attended.layers) if isinstance(layer, Attention)]
    stages = [attended.layers[gate].sources[0] for gate in gates]
    for stage, gate in zip(stages[:-1], gates[:-1], strict=True):
        readers = [layer for layer in attended.layers if stage in layer.sources]
        assert any(isinstance(layer, Convolution) and layer.stride == 2 for layer in readers)
        assert any(gate in layer.sources for layer in attended.layers)
    # of the coarsest all readers see the gate alone
    assert sum(stages[-1] in layer.sources for layer in attended.layers) == 1


@pytest.mark.parametrize("kind", ["se", "eca", "cbam", "coord"])
def test_parameters_are_counted_before_they_take_memory(kind: str) -> None:
    graph = parse_network(known_text("yolov5n"), "yolov5n")
    attended = insert_attention(graph, kind, ("neck",))  # pyright: ignore[reportArgumentType]
    values = GraphNet(attended).state_dict().values()
    assert attended.num_parameters == sum(v.numel() for v in values if v.is_floating_point())
    assert attended.num_parameters > graph.num_parameters


def test_weights_of_the_plain_network_fit_and_the_blocks_start_fresh(tmp_path: Path) -> None:
    """From a Darknet file: what came before the blocks is copied, what they add is near nothing."""
    torch.manual_seed(0)
    plain = YoloConfig(network="yolov3-tiny").build(("car", "ship"), 64).eval()
    save(tmp_path / "n.weights", plain)
    config = YoloConfig(network="yolov3-tiny", attention="se", attention_at=("backbone", "neck"))
    detector = config.build(("car", "ship"), 64).eval()
    fresh = transfer_from(load_model(tmp_path / "n.weights"), detector, "n.weights")
    assert fresh and all(".attention" in key for key in fresh)
    pictures = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        pairs = list(zip(detector.network(pictures), plain.network(pictures), strict=True))
    for changed, raw in pairs:
        assert 0 < (changed - raw).abs().max() < 0.3 * (raw - raw.mean()).abs().max()
