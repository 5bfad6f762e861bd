"""A graph written as cfg is read as a network that gives the same."""

from __future__ import annotations

import pytest
import torch

from smalldet.models.yolo.cfg_writer import cfg_text
from smalldet.models.yolo.darknet import parse_cfg
from smalldet.models.yolo.description import parse_network
from smalldet.models.yolo.insert_attention import insert_attention
from smalldet.models.yolo.known import known_text
from smalldet.models.yolo.net import GraphNet
from smalldet.models.yolo.shapes import Graph
from smalldet.models.yolo.specs import Convolution

EVERYTHING = (
    "[net]\nwidth=64\nheight=32\nchannels=3\n"
    "[convolutional]\nfilters=8\nsize=3\nstride=2\npad=1\nbatch_normalize=1\nactivation=mish\n"
    "[convolutional]\nfilters=8\nsize=3\npadding=2\ndilation=2\ngroups=4\nactivation=relu6\n"
    "[shortcut]\nfrom=-2\nactivation=leaky\n[dropout]\nprobability=.25\n"
    "[maxpool]\nsize=3\nstride=2\n[reorg]\nstride=2\n[upsample]\nstride=2\n"
    "[route]\nlayers=-1,4\n[route]\nlayers=-1\ngroups=2\ngroup_id=1\n"
    "[avgpool]\n[scale_channels]\nfrom=-2\n[sam]\nfrom=-1\nactivation=relu\n"
    "[convolutional]\nfilters=14\nactivation=logistic\n"
    "[yolo]\nanchors=4,5,6,7.5\nmask=0,1\nclasses=2\nscale_x_y=1.2\nnew_coords=1\niou_loss=ciou\n"
)


def test_every_kind_of_section_comes_back() -> None:
    graph = parse_cfg(EVERYTHING)
    assert parse_cfg(cfg_text(graph)) == graph


def outputs(graph: Graph, state: dict[str, torch.Tensor], x: torch.Tensor) -> list[torch.Tensor]:
    net = GraphNet(graph).eval()
    for (key, own), value in zip(net.state_dict().items(), state.values(), strict=True):
        assert own.shape == value.shape, key
        own.copy_(value)
    with torch.no_grad():
        return net(x)


@pytest.mark.parametrize("name", ["yolov3-tiny", "yolov4-tiny", "yolov5n-p2"])
def test_known_networks_give_the_same_when_read_back(name: str) -> None:
    """Routes are put in where Darknet could not name a source; outputs of YOLOv5 are activated."""
    text = known_text(name).replace("width: ", "width: 0.125 # ")
    graph = parse_network(text, name)
    net = GraphNet(graph)
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = outputs(graph, net.state_dict(), x)
    read = parse_cfg(cfg_text(graph))
    # the epsilon of normalisation is no part of a cfg
    layers = [
        layer
        if not isinstance(layer, Convolution) or not layer.normalised
        else Convolution(**{**vars(layer), "norm_epsilon": 1e-3 if "v5" in name else 1e-6})
        for layer in read.layers
    ]
    read = Graph(read.in_channels, read.width_px, read.height_px, tuple(layers), read.shapes)
    for output, got, want in zip(
        graph.outputs, outputs(read, net.state_dict(), x), expected, strict=True
    ):
        torch.testing.assert_close(got, want.sigmoid() if output.squared_sides else want)


def test_what_darknet_lacks_is_named() -> None:
    text = "anchors: [[1, 1]]\nlayers:\n  - {conv: 4}\n  - {pad: [0, 1]}\n"
    with pytest.raises(ValueError, match="Darknet has no Pad"):
        cfg_text(parse_network(text))
    graph = insert_attention(parse_network(known_text("yolov3-tiny")), "se", ("neck",))
    with pytest.raises(ValueError, match="Darknet has no Attention"):
        cfg_text(graph)
