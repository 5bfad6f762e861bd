"""The real command line on real files, from labelled pictures to detections on a map."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import smalldet
from smalldet.models import load_model
from smalldet.models.checkpoints.loaded_model import LoadedModel
from smalldet.models.checkpoints.read_model import write_model
from smalldet.models.yolo.config import YoloConfig


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "smalldet.cli", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_train_evaluate_predict(draw_set: Callable[..., Path], tmp_path: Path) -> None:
    """The first whole pass: a folder of pictures becomes a model, numbers and a map."""
    folder = draw_set("train").parent
    val = draw_set("val", num_pictures=2, seed=1)
    out = tmp_path / "run"
    done = run(
        "train", "--data", folder, "--out", out, "--device", "cpu",
        "model.backbone=mobilenetv3_small_050", "model.width=32", "data.tile_px=64",
        "training.start=scratch", "training.batch_size=4", "training.epochs=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    model = out / "best.safetensors"
    assert model.exists()
    done = run(
        "evaluate",
        "--data",
        val,
        "--model",
        model,
        "--out",
        tmp_path / "eval",
        "--map",
        "square=Square",
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert metrics["counts"]["all"] == 8
    assert metrics["AP_large"] is None
    assert "square" in done.stdout
    done = run(
        "predict", folder / "images", "--model", model, "--conf", "0.01", "--tile", "64",
        "--out", tmp_path / "found.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(json.loads((tmp_path / "found.json").read_text())["images"]) == 6


def test_a_mistake_is_one_line_and_not_a_traceback(tmp_path: Path) -> None:
    done = run("predict", tmp_path / "none.tif", "--out", tmp_path / "x.geojson")
    assert done.returncode == 1
    assert "none.tif" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_embedded_model_puts_real_pictures_on_a_map(shared_dir: Path, tmp_path: Path) -> None:
    source = shared_dir / "data/geotiff_samples/images/test_tiled.tif"
    done = run("predict", source, "--out", tmp_path / "found.geojson")
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "found.geojson").read_text())
    assert content["type"] == "FeatureCollection"


def test_a_model_of_another_maker_is_converted(tmp_path: Path) -> None:
    """Darknet's files to our own; what the weights cannot say is a flag, or an error that asks."""
    text = "anchors: [[8, 8]]\nlayers:\n  - {conv: 8, stride: 2}\n  - {yolo: [0]}\n"
    config = YoloConfig(text=text)
    write_model(tmp_path / "n.weights", LoadedModel(config.build(("a", "b"), 32), config))
    (tmp_path / "n.names").unlink()
    failed = run("convert", tmp_path / "n.weights", "--to", tmp_path / "n.safetensors")
    assert failed.returncode == 1
    assert "no class names" in failed.stderr.replace("\n", " ")
    done = run(
        *("convert", tmp_path / "n.weights", "--to", tmp_path / "n.safetensors"),
        *("--model-classes", "car,ship"),
    )
    assert done.returncode == 0, done.stderr
    assert load_model(tmp_path / "n.safetensors").class_names == ("car", "ship")


def test_the_public_names_are_sorted_and_there() -> None:
    assert smalldet.__all__ == sorted(smalldet.__all__)
    for name in smalldet.__all__:
        assert getattr(smalldet, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = smalldet.nothing  # type: ignore[attr-defined]
