"""Which graph stands for a file of weights: never one that was made from others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from smalldet.models import EMBEDDED, load_model, model_path
from smalldet.tile_models.graph_of_weights import ModelFile, graph_of
from smalldet.tile_models.onnxruntime_model import open_onnx
from smalldet.tile_models.parity import RAW_TOLERANCE, compare_with_torch, textured_tiles

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("name", sorted(path.stem for path in EMBEDDED.glob("*.onnx")))
def test_an_embedded_model_comes_with_its_own_graph(name: str) -> None:
    """All that are for predicting do; what trainings start from need not."""
    path = model_path(name)
    graph = graph_of(ModelFile(path))
    assert graph == path.with_suffix(".onnx")
    compared = compare_with_torch(
        load_model(name), open_onnx(graph, None, None, "cpu"), textured_tiles(1, (3, 96, 128))
    )
    assert compared.raw_error <= RAW_TOLERANCE


def test_a_graph_of_other_weights_is_not_taken(tmp_path: Path) -> None:
    weights = tmp_path / "mine.safetensors"
    shutil.copy(model_path("speck-n-aerial"), weights)
    shutil.copy(model_path("speck-n-aerial").with_suffix(".onnx"), tmp_path / "mine.onnx")
    assert graph_of(ModelFile(weights)) == tmp_path / "mine.onnx"
    shutil.copy(model_path("speck-n-thermal").with_suffix(".onnx"), tmp_path / "mine.onnx")
    made = graph_of(ModelFile(weights))
    assert made != tmp_path / "mine.onnx"
    assert graph_of(ModelFile(weights, class_names="a,b,c")) != made
    (tmp_path / "mine.onnx").write_bytes(b"of another program")
    assert graph_of(ModelFile(weights)) == made
