"""Ground sample distances through the real command line: told, matched, kept, and refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from smalldet.cli import main
from smalldet.models import load_model, model_path
from smalldet.models.checkpoints.native import load, read_metadata, save_detector
from smalldet.models.checkpoints.tensor_file import read_tensors, write_tensors
from smalldet.models.seen import Seen
from smalldet.tile_models import TorchTileModel

FINGERPRINTS = {
    "speck-n-aerial": "d1b0264719e00fad788aedfd",
    "speck-n-thermal": "c4537f5134462f7e7ce00a3f",
}
MATCHED = (
    "a.png: 0.5 m a pixel as given: looked at 3.72 times its size for car, bus (trained at 0.055 "
    "to 0.13 m) and as it is for airplane"
)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(60, 120, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def run(words: Sequence[str | Path], status: int = 0) -> None:
    """A command as typed, and how it ends."""
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words)])
    assert (ended.value.code or 0) == status


def test_predict_says_what_it_matches(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.csv"
    run(["predict", str(picture), "--out", str(out), "--gsd", "0.5"])
    assert MATCHED in capsys.readouterr().err
    for words in (["--gsd", "0.1"], ["--gsd", "0.5", "--no-gsd-match"], []):
        run(["predict", str(picture), "--out", str(out), *words])
        assert "looked at" not in capsys.readouterr().err
    (tmp_path / "gsd.csv").write_text("picture,gsd_m\na.png,3\n")
    run(["predict", str(picture), "--out", str(out), "--classes", "car"])
    said = capsys.readouterr().err
    assert "warning: " in said and "a car has a side of about 1.2 px" in said


def test_predict_warns_of_classes_smaller_than_the_model_finds(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By what the embedded model's own file says; its graph beside it says the same."""
    words = ["predict", str(picture), "--out", str(tmp_path / "a.csv"), "--gsd", "0.15"]
    run([*words, "--no-gsd-match", "--backend", "onnxruntime"])
    assert (
        "a.png: at 0.15 m a pixel a car has a side of about 23 px; half of them are known "
        "to be found from 26 px on: pictures from closer, or leave out --no-gsd-match"
    ) in capsys.readouterr().err
    run([*words, "--no-gsd-match", "--scales", "2"])
    assert "a car has a side" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--gsd", "0"], "--gsd: Input should be greater than 0, not 0"),
        (["--min-size-m", "-1"], "--min-size-m: Input should be greater than 0"),
        (["--min-size-m", "2"], "nothing tells its ground sample distance"),
    ],
)
def test_what_cannot_be_is_one_error_line(
    picture: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["predict", str(picture), "--out", str(picture.with_suffix(".csv")), *words], status=1)
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said


def test_evaluate_matches_and_measures_sizes_in_metres(
    draw_set: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = draw_set("val", num_pictures=2)
    words = ["evaluate", "--data", str(labels), "--map", "car=square", "--out", str(tmp_path / "e")]
    run([*words, "--gsd", "0.5", "--max-size-m", "4"])
    assert "0.5 m a pixel as given: looked at 3.72 times" in capsys.readouterr().err
    content = json.loads(labels.read_text())
    small = sum(annotation["bbox"][2] * 0.5 < 4 for annotation in content["annotations"])
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert 0 < metrics["counts"]["all"] == small < len(content["annotations"])
    run([*words, "--max-size-m", "4"], status=1)
    assert "nothing tells its ground sample distance" in capsys.readouterr().err
    for image in content["images"]:
        image["gsd_m"] = 0.5
    labels.write_text(json.dumps(content))
    run(words)
    assert "0.5 m a pixel by its labels: looked at" in capsys.readouterr().err


def test_a_trained_model_keeps_its_distances_and_goes_on_with_them(
    draw_set: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_set("train")
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "data:\n  train:\n    - {annotations: data/train.json, gsd_m: 0.6}\n"
        "  tile_px: 64\n  match_gsd_m: 0.3\n"
        "model: {family: speck, backbone: mobilenetv3_small_050, width: 32}\n"
        "training: {start: scratch, batch_size: 4, epochs: 1, num_workers: 0}\n"
    )
    run(["train", str(recipe), "--out", str(tmp_path / "run"), "--device", "cpu"])
    model = tmp_path / "run" / "last.safetensors"
    assert read_metadata(model)["seen"].gsd_m == ((0.3, 0.3, 0.3),)
    run(["convert", str(model), "--to", str(tmp_path / "copy.safetensors")])
    run(["export", str(model), "--to", str(tmp_path / "copy.onnx"), "--tile", "64"])
    capsys.readouterr()
    source = next((tmp_path / "data" / "images").glob("*.png"))
    for name in ("copy.safetensors", "copy.onnx"):
        run(
            ["predict", str(source), "--out", str(tmp_path / "o.csv"), "--gsd", "0.9",
             "--model", str(tmp_path / name),
             "--backend", "onnxruntime" if name.endswith("onnx") else "torch"]
        )  # fmt: skip
        said = capsys.readouterr().err
        assert "looked at 3 times its size for square (trained at 0.3 m)" in said


def test_the_weights_of_embedded_models_are_what_they_were() -> None:
    """What their files say besides may grow; detections must not change by it."""
    for name, fingerprint in FINGERPRINTS.items():
        assert TorchTileModel(load_model(name), "cpu").fingerprint == fingerprint


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ("[]", "seen in its header must be a dict"),
        ('{"gsd_m": [[0.3, 0.2, 0.1]]}', "must be over 0 and rise"),
        ('{"gsd_m": [[0.1, 0.2, 0.3]]}', "is of 1 classes, and the model has 3"),
        ('{"gsd_m": [["x", 0.2, 0.3]]}', "seen in its header"),
        ('{"side_px": [[0, 0.2, 0.3], null, null]}', "must be over 0 and rise"),
        ('{"resolvable_px": [0, null, null]}', "must be over 0"),
        ('{"resolvable_px": [9]}', "resolvable_px of what it saw is of 1 classes"),
    ],
)
def test_damaged_facts_are_refused_by_name(tmp_path: Path, seen: str, said: str) -> None:
    detector, config = embedded()
    path = tmp_path / "m.safetensors"
    detector.seen = _Text(seen)
    save_detector(path, detector, config)
    with pytest.raises(ValueError, match=said) as error:
        load(path)
    assert str(path) in str(error.value)


def test_files_of_before_know_nothing_of_distances(tmp_path: Path) -> None:
    tensors, texts = read_tensors(embedded_path())
    del texts["seen"]
    write_tensors(tmp_path / "old.safetensors", tensors, texts)
    detector, _ = load(tmp_path / "old.safetensors")
    assert detector.seen == Seen()
    state = embedded()[0].state_dict()
    assert all(torch.equal(value, state[key]) for key, value in detector.state_dict().items())


class _Text:
    """Facts whose text is given, as in a damaged file."""

    def __init__(self, text: str) -> None:
        self.text = text

    def model_dump_json(self) -> str:
        return self.text


def embedded_path() -> Path:
    return model_path("speck-n-aerial")


def embedded() -> tuple[Any, Any]:
    return load(embedded_path())
