"""The networks that come with smalldet are those of the papers and of the published weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from smalldet.models.yolo.builder import with_outputs
from smalldet.models.yolo.cfg_writer import cfg_text
from smalldet.models.yolo.darknet import parse_cfg, read_cfg
from smalldet.models.yolo.description import parse_network
from smalldet.models.yolo.known import KNOWN, known_text
from smalldet.models.yolo.shapes import Graph
from smalldet.models.yolo.specs import Convolution, Yolo

# bytes of the published .weights files, of which 20 are the header, and strides of the outputs
DARKNET = {
    "yolov3": (248_007_048, [32, 16, 8]),
    "yolov3-spp": (252_209_544, [32, 16, 8]),
    "yolov3-tiny": (35_434_956, [32, 16]),
    "yolov4": (257_717_640, [8, 16, 32]),
    "yolov4-tiny": (24_251_276, [32, 16]),
}
# parameters that learn, as the releases print them
YOLOV5 = {"yolov5n": 1_872_157, "yolov5s": 7_235_389, "yolov5n6": 3_246_940}


def graph_of(name: str) -> Graph:
    return parse_network(known_text(name), name)


def strides(graph: Graph) -> list[int]:
    return [graph.shapes[output.sources[0]].stride for output in graph.outputs]


@pytest.mark.parametrize("name", DARKNET)
def test_as_many_values_as_the_published_weights(name: str) -> None:
    graph = graph_of(name)
    assert (4 * graph.num_parameters + 20, strides(graph)) == DARKNET[name]


@pytest.mark.parametrize("name", YOLOV5)
def test_as_many_parameters_as_the_releases_of_yolov5(name: str) -> None:
    graph = graph_of(name)
    convolutions = [layer for layer in graph.layers if isinstance(layer, Convolution)]
    statistics = sum(2 * layer.filters for layer in convolutions if layer.normalised)
    assert graph.num_parameters - statistics == YOLOV5[name]


def test_variants_have_their_strides() -> None:
    assert set(KNOWN) >= {f"yolov5{size}{more}" for size in "nsmlx" for more in ("", "6", "-p2")}
    assert strides(graph_of("yolov5n")) == [8, 16, 32]
    assert strides(graph_of("yolov5n6")) == [8, 16, 32, 64]
    assert strides(graph_of("yolov5n-p2")) == [4, 8, 16, 32]
    assert graph_of("yolov5n6").max_stride == 64


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"yolov9.*yolov5n.*\.cfg"):
        known_text("yolov9")


def test_yolov4_tiny_is_the_real_one_layer_by_layer(shared_dir: Path) -> None:
    cfg = shared_dir / "weights" / "yolov4-tiny-coco-darknet" / "yolov4-tiny.cfg"
    if not cfg.is_file():
        pytest.skip(f"no real cfg: {cfg}")
    assert parse_cfg(cfg_text(graph_of("yolov4-tiny"))) == read_cfg(cfg)


def test_other_classes_and_anchors() -> None:
    graph = graph_of("yolov3-tiny")
    anchors = [(float(i), float(i + 1)) for i in range(1, 7)]
    changed = with_outputs(graph, 2, anchors)
    for output in changed.outputs:
        assert output.num_classes == 2
        assert output.anchors == tuple(anchors)
        assert changed.shapes[output.sources[0]].channels == len(output.mask) * 7
    same = [
        not isinstance(layer, Yolo) and layer == other
        for layer, other in zip(graph.layers, changed.layers, strict=True)
    ]
    assert same.count(False) == 4  # both outputs and the convolutions before them
    with pytest.raises(ValueError, match="1 anchors were given, the network has 6"):
        with_outputs(graph, 2, [(1.0, 1.0)])
