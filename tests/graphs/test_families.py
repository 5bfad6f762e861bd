"""The network of every family leaves torch and gives the same in every runtime."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from smalldet.graphs.facts import facts_of, to_metadata
from smalldet.graphs.network_graph import network_graph
from smalldet.graphs.onnx_file import in_half_precision, with_metadata, write_onnx
from smalldet.graphs.openvino_folder import read_openvino, write_openvino
from smalldet.models.checkpoints.loaded_model import LoadedModel
from smalldet.models.families import FAMILIES
from smalldet.models.yolo import known_text
from smalldet.tile_models.onnxruntime_model import open_onnx
from smalldet.tile_models.openvino_model import open_exactly
from smalldet.tile_models.parity import (
    EXACT,
    RAW_TOLERANCE,
    REDUCED,
    compare_with_torch,
    textured_tiles,
)
from tests.models.stirring import stir
from tests.models.test_contract import SMALLEST as EVERY

NAMES = ("car", "ship")
SIDE = 64
PYRAMID = {"backbone": "test_efficientnet", "strides": (8, 16), "width": 16}
REGIONS = {**PYRAMID, "hidden_width": 16, "num_proposals": 100}
# its backbone pads as TensorFlow does
SPECK = {"backbone": "tf_efficientnet_lite0", "width": 16, "strides": (4, 8), "num_context": 1}
SMALLEST = {
    "d_fine": {**EVERY["d_fine"], "num_queries": 20},
    "rf_detr": EVERY["rf_detr"],
    "rt_detr_v2": {**EVERY["rt_detr_v2"], "num_queries": 20},
    "faster_rcnn": REGIONS,
    "mask_rcnn": REGIONS,
    "oriented_rcnn": REGIONS,
    "retinanet": PYRAMID,
    "rotated_retinanet": PYRAMID,
    "speck": {
        **SPECK,
        "refine": True,
        "attention": "se",
        "attention_at": ("backbone", "neck"),
    },
    "speck oriented": {**SPECK, "oriented": True},
    "speck packed oriented": {**SPECK, "size": "t", "backbone_hidden": 0.5, "oriented": True},
    "yolo 3": {"network": "yolov3-tiny"},
    "yolo 4": {"network": "yolov4-tiny"},
    "yolo 5": {"network": "yolov5n"},
}


def smallest(name: str) -> LoadedModel:
    family = name.split()[0]
    keys = dict(SMALLEST[name])
    if family == "yolo":
        text = known_text(str(keys["network"]))
        keys["text"] = "\n".join(
            "width: 0.125" if line.startswith("width:") else line for line in text.splitlines()
        )
    torch.manual_seed(0)
    config = FAMILIES[family].model_validate({"family": family, **keys})
    detector = config.build(NAMES, SIDE).eval()
    if detector.fixed_shape:
        stir(detector)
    return LoadedModel(detector, config)


SLOW = {"faster_rcnn": pytest.mark.slow}  # Mask R-CNN holds it


@pytest.mark.parametrize("name", [pytest.param(n, marks=SLOW.get(n, ())) for n in SMALLEST])
def test_a_graph_gives_what_torch_gives(name: str, tmp_path: Path) -> None:
    """Raw outputs within a ten-thousandth, the same detections, for sides it was not made with."""
    model = smallest(name)
    detector = model.detector
    shape = {"batch": 2, "fixed_px": 2 * SIDE} if detector.fixed_shape else {}
    facts = facts_of(model, fingerprint="seed 0", **shape)
    texts = to_metadata(facts, detector)
    graph = network_graph(detector, **shape)
    write_onnx(tmp_path / "m.onnx", with_metadata(graph, texts))
    opened = [open_onnx(tmp_path / "m.onnx", None, None, "cpu")]
    if find_spec("openvino"):
        folder = tmp_path / "openvino"
        write_openvino(folder, read_openvino(tmp_path / "m.onnx"), texts, half=False)
        opened.append(open_exactly(folder))
    sides = [2 * SIDE] * 2 if shape else [2 * detector.stride, 5 * detector.stride]
    for exported in opened:
        assert exported.facts == facts
        for height, width in (sides, sides[::-1]):
            tiles = textured_tiles(2, (detector.in_channels, height, width))
            comparison = compare_with_torch(detector, exported, tiles, EXACT)
            assert comparison.raw_error < RAW_TOLERANCE
            assert comparison.num_lost == 0 < comparison.num_detections
            assert [part.masks is not None for part in exported.detect(tiles, 0.0, 9)] == [
                name == "mask_rcnn"
            ] * 2


def test_fixed_sizes_and_half_weights(tmp_path: Path) -> None:
    """A graph for three tiles of one side takes any number of them, and refuses other sides."""
    model = smallest("speck")
    detector = model.detector
    facts = facts_of(model, fingerprint="", batch=3, fixed_px=SIDE)
    graph = network_graph(detector, batch=3, fixed_px=SIDE)
    halved = in_half_precision(graph)
    assert halved.ByteSize() < 0.8 * graph.ByteSize()
    write_onnx(tmp_path / "m.onnx", with_metadata(halved, to_metadata(facts, detector)))
    exported = open_onnx(tmp_path / "m.onnx", None, None, "cpu")
    assert exported.batch_size(SIDE, SIDE) == 3
    tiles = textured_tiles(4, (3, SIDE, SIDE))
    comparison = compare_with_torch(detector, exported, tiles, REDUCED)
    assert RAW_TOLERANCE < comparison.raw_error < 0.05
    assert len(exported.detect(tiles, 0.0, 5)) == 4
    with pytest.raises(ValueError, match=r"tiles of 64 px alone.*128 x 64 px"):
        exported.detect(textured_tiles(1, (3, SIDE, 2 * SIDE)), 0.5, 5)


def test_a_graph_tells_nothing_of_the_machine_that_made_it() -> None:
    """The exporter notes for each node the files of the code that it comes from."""
    keys = {"backbone": "test_efficientnet", "width": 16}
    graph = network_graph(FAMILIES["speck"](**keys).build(("a",), 64))
    assert b".py" not in graph.SerializeToString()
