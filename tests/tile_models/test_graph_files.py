"""Exported files: predicting with nothing else said, and what is hostile or damaged is named."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from smalldet.graphs.facts import FACTS_KEY, facts_of, to_metadata
from smalldet.graphs.network_graph import network_graph
from smalldet.graphs.onnx_file import with_metadata, write_onnx
from smalldet.graphs.openvino_folder import MEANING, read_openvino, write_openvino
from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor
from smalldet.models.checkpoints.loaded_model import LoadedModel
from smalldet.models.checkpoints.native import save_detector
from smalldet.models.speck.config import SpeckConfig
from smalldet.tile_models import TorchTileModel, open_tile_model

NAMES = ("dot", "blot")


def speck() -> LoadedModel:
    torch.manual_seed(5)
    config = SpeckConfig(backbone="test_efficientnet", width=16, strides=(8, 16), num_context=1)
    detector = config.build(NAMES, 64).eval()
    for output in detector.head.class_outputs:
        torch.nn.init.normal_(output.weight)
        torch.nn.init.zeros_(output.bias)
    return LoadedModel(detector, config)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`m.onnx`, and `openvino` where that is installed."""
    folder = tmp_path_factory.mktemp("exported")
    model = speck()
    texts = to_metadata(facts_of(model, fingerprint=""), model.detector)
    write_onnx(folder / "m.onnx", with_metadata(network_graph(model.detector), texts))
    with contextlib.suppress(ValueError):
        write_openvino(folder / "openvino", read_openvino(folder / "m.onnx"), texts, half=False)
    return folder


@pytest.mark.parametrize(
    ("name", "backend"), [("m.onnx", "onnxruntime"), ("m.onnx", "openvino"), ("openvino", "auto")]
)
def test_a_scene_is_predicted_with_nothing_else_said(
    files: Path, name: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "openvino" in (name, backend):
        pytest.importorskip("openvino")
        monkeypatch.setattr(
            "smalldet.tile_models.openvino_model.choose_precision", lambda *_: torch.float32
        )
    monkeypatch.delenv("SMALLDET_BACKEND")
    model = open_tile_model(files / name, device="cpu", backend=backend)
    assert model.class_names == NAMES and model.tile_px == 64 and model.stride == 16
    scene = np.random.default_rng(0).integers(0, 255, (90, 150, 3), np.uint8)
    options = PredictOptions(conf=0.5, overlap_frac=0.3)
    found = Predictor(model, options).predict(scene)
    torch_model = TorchTileModel(speck().detector, "cpu")
    torch_model.precision = torch.float32
    wanted = Predictor(torch_model, options).predict(scene)
    assert len(found) == len(wanted) > 0
    assert torch.allclose(found.scores, wanted.scores, atol=1e-4)
    assert torch.allclose(found.boxes, wanted.boxes, atol=0.05)
    assert model.fingerprint and model.runtime


def test_weights_are_exported_once_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALLDET_CACHE", str(tmp_path / "cache"))
    model = speck()
    save_detector(tmp_path / "m.safetensors", model.detector, model.config)
    first = open_tile_model(tmp_path / "m.safetensors", device="cpu", backend="onnxruntime")
    (made,) = (tmp_path / "cache/graphs").iterdir()
    stamp = made.stat().st_mtime_ns
    again = open_tile_model(tmp_path / "m.safetensors", device="cpu", backend="onnxruntime")
    assert made.stat().st_mtime_ns == stamp and first.fingerprint == again.fingerprint
    renamed = open_tile_model(made, class_names="a,b", backend="onnxruntime", device="cpu")
    assert renamed.class_names == ("a", "b")
    with pytest.raises(ValueError, match="2 classes, but 3 class names"):
        open_tile_model(made, class_names="a,b,c", backend="onnxruntime", device="cpu")
    with pytest.raises(ValueError, match="says itself what network"):
        open_tile_model(made, network="yolov3", backend="onnxruntime", device="cpu")


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\x08\x0a" * 99])
def test_what_is_no_graph_is_named(tmp_path: Path, content: bytes, backend: str) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"m\.onnx"):
        open_tile_model(tmp_path / "m.onnx", backend=backend, device="cpu")


def foreign(path: Path, texts: dict[str, str], num_outputs: int = 2) -> None:
    """A graph that takes our tiles and gives their means, whatever its facts promise."""
    tiles = helper.make_tensor_value_info("images", TensorProto.UINT8, ["b", 3, "h", "w"])
    nodes = [helper.make_node("Cast", ["images"], ["x"], to=TensorProto.FLOAT)]
    outputs = []
    for i in range(num_outputs):
        nodes.append(helper.make_node("ReduceMean", ["x"], [f"y{i}"]))
        outputs.append(helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, None))
    graph = helper.make_graph(nodes, "foreign", [tiles], outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    write_onnx(path, with_metadata(made, texts))


def test_a_graph_of_another_network_is_named(tmp_path: Path) -> None:
    model = speck()
    texts = to_metadata(facts_of(model, fingerprint=""), model.detector)
    for num_outputs in (1, 2, 5):
        foreign(tmp_path / "m.onnx", texts, num_outputs)
        with pytest.raises(ValueError, match=r"m\.onnx: its network does not give"):
            open_tile_model(tmp_path / "m.onnx", backend="onnxruntime", device="cpu")
    foreign(tmp_path / "m.onnx", {})
    with pytest.raises(ValueError, match=r"m\.onnx: does not say what its outputs mean"):
        open_tile_model(tmp_path / "m.onnx", backend="onnxruntime", device="cpu")


def test_nothing_beside_the_file_is_read(files: Path, tmp_path: Path) -> None:
    """A graph may name other files for its weights: none is opened."""
    graph = onnx.load(files / "m.onnx")
    weight = graph.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="secret")
    (tmp_path / "secret").write_bytes(bytes(1 << 16))
    write_onnx(tmp_path / "m.onnx", graph)
    with pytest.raises(ValueError, match=r"m\.onnx: ONNX Runtime cannot open it"):
        open_tile_model(tmp_path / "m.onnx", backend="onnxruntime", device="cpu")


def test_a_folder_that_lacks_a_part_or_is_damaged_is_named(files: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    with pytest.raises(FileNotFoundError, match=r"model\.xml: no such file; a folder of"):
        open_tile_model(tmp_path, backend="openvino", device="cpu")
    folder = tmp_path / "m"
    shutil.copytree(files / "openvino", folder)
    for text in ("", "[]", "{}", json.dumps({"facts": 3}), json.dumps({FACTS_KEY: {}})):
        (folder / MEANING).write_text(text)
        with pytest.raises(ValueError, match=r"damaged"):
            open_tile_model(folder, backend="openvino", device="cpu")
    (folder / "model.xml").write_text("<net")
    with pytest.raises(ValueError, match=r"model\.xml: OpenVINO cannot read it"):
        open_tile_model(folder, backend="openvino", device="cpu")
