"""The verb: what it writes predicts alone, and what differs from torch is not left."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

import smalldet
from smalldet.exporting import export as export_module
from smalldet.exporting.export import export_model
from smalldet.exporting.options import ExportOptions
from smalldet.graphs.facts import FACTS_KEY
from smalldet.models import model_path
from smalldet.models.checkpoints.native import save_detector
from smalldet.models.licence import licence_of
from smalldet.models.speck.config import SpeckConfig


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = SpeckConfig(backbone="test_efficientnet", width=16, strides=(8, 16), num_context=1)
    save_detector(tmp_path / "tiny.safetensors", config.build(("a", "b"), 64), config)
    (tmp_path / "tiny.md").write_text("The weights are\noffered under CC BY 4.0 with thanks.\n")
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    return tmp_path / "p.png"


def test_what_is_written_predicts_alone(weights: Path, picture: Path, tmp_path: Path) -> None:
    exported = smalldet.export(weights, tmp_path / "out/m.onnx", picture=picture)
    assert exported.files == [tmp_path / "out/m.onnx"]
    assert exported.comparison.raw_error < 1e-4 and exported.comparison.num_lost == 0
    texts = {each.key: each.value for each in onnx.load(exported.files[0]).metadata_props}
    facts = json.loads(texts[FACTS_KEY])
    assert (facts["source"], facts["licence"]) == ("tiny", "CC BY 4.0")
    weights.unlink()
    found = smalldet.predict(picture, exported.files[0], backend="onnxruntime", conf=0.001)
    assert found.class_names == ("a", "b") and len(found) > 0


def test_what_differs_from_torch_is_not_left(
    weights: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exporter that drops a bias, say: nothing may lie there that gives something else."""
    right = export_module.network_graph

    def wrong(*args: object, **options: object) -> onnx.ModelProto:
        graph = right(*args, **options)  # type: ignore[arg-type]
        weight = next(each for each in graph.graph.initializer if len(each.dims) == 4)
        values = onnx.numpy_helper.to_array(weight)
        weight.CopyFrom(onnx.numpy_helper.from_array(values * np.float32(1.1), weight.name))
        return graph

    monkeypatch.setattr(export_module, "network_graph", wrong)
    with pytest.raises(ValueError, match="does not give what torch gives, and is not left"):
        export_model(weights, tmp_path / "m.onnx", picture=picture)
    assert not (tmp_path / "m.onnx").exists()


def test_what_cannot_be_is_said_before_any_work(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "there.onnx").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"there\.onnx"):
        export_model(weights, tmp_path / "there.onnx")
    with pytest.raises(ValueError, match=r"one file that ends in \.onnx"):
        export_model(weights, tmp_path / "folder")
    with pytest.raises(ValueError, match="multiples of 16 px"):
        export_model(weights, tmp_path / "m.onnx", ExportOptions(tile_px=100))
    with pytest.raises(ValidationError, match="choose one"):
        ExportOptions(int8=True, fp16=True, format="openvino")
    with pytest.raises(ValidationError, match="OpenVINO only"):
        ExportOptions(int8=True)


def test_the_embedded_models_say_their_licence() -> None:
    for name in ("speck-n-aerial", "speck-n-thermal"):
        assert licence_of(model_path(name)).startswith("CC BY")
    assert licence_of(Path("nowhere.safetensors")) == "not stated"
