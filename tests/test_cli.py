"""The real command line on real files, from labelled pictures to detections on a map."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import smalldet
from smalldet.cli import app, main
from smalldet.cli.parameters import parameter_name
from smalldet.cli.train_recipe import choose_recipe
from smalldet.config.load import load_yaml
from smalldet.data.formats.label_source import LabelOptions
from smalldet.inference.options import PredictOptions, TilingOptions
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
    assert "value by step" in (out / "report.html").read_text(encoding="utf-8")
    assert (out / "about.json").exists()
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


VOC = """<annotation><object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin>
<xmax>{}</xmax><ymax>{}</ymax></bndbox></object></annotation>"""


def draw_voc(folder: Path) -> Path:
    """Two pictures of 120 x 90 px with one car each, labelled in Pascal VOC."""
    (folder / "Annotations").mkdir(parents=True)
    (folder / "JPEGImages").mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(60, 90, (90, 120, 3), dtype=np.uint8)
        pixels[20:32, 30:56] = 220
        Image.fromarray(pixels).save(folder / "JPEGImages" / f"{number}.png")
        text = VOC.format("Vehicle", 31, 21, 56, 32)
        (folder / "Annotations" / f"{number}.xml").write_text(text, encoding="utf-8")
    return folder / "Annotations"


def test_evaluate_takes_folders_as_train_does(tmp_path: Path) -> None:
    """A folder of Pascal VOC becomes numbers, and the options are saved beside them."""
    labels = draw_voc(tmp_path / "voc")
    done = run(
        *("evaluate", "--data", labels, "--map", "car=Vehicle", "--whole", "--merge-iou", "0.4"),
        *("--device", "cpu", "--out", tmp_path / "eval"),
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert metrics["counts"]["all"] == 2 and list(metrics["per_class"]) == ["Vehicle"]
    saved = load_yaml(tmp_path / "eval" / "options.yaml")
    assert saved["whole"] is True and saved["merge_iou"] == 0.4
    assert saved["map"] == {"car": "Vehicle"} and saved["conf"] == metrics["conf"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tile", "0"), "--tile: Input should be greater than or equal to 1, not 0"),
        (("--overlap", "1"), "--overlap: Input should be less than 1, not 1"),
        (("--scales", "0", "1"), "--scales: scales must lie above 0 and up to 8.0, not [0.0, 1.0]"),
        (("--merge", "glue"), "--merge: there is no merge 'glue'; there are tiles, nms"),
    ],
)
def test_a_wrong_option_is_named_as_it_was_typed(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["predict", "a.png", "--out", "x.json", *words])
    assert stop.value.code == 1
    assert f"error: {message}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["recipe.json", "recipe.yaml"])
def test_a_recipe_in_json_is_a_recipe_and_not_labels(
    draw_set: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    """JSON is YAML, and COCO json is JSON: the first word may be either."""
    labels = draw_set("set")
    path = tmp_path / name
    path.write_text(json.dumps({"data": {"train": [{"annotations": str(labels)}]}}))
    for first, epochs in ((path, 7), (labels, 8)):
        chosen = choose_recipe(first, (f"training.epochs={epochs}",), None)
        assert chosen.data.train[0].annotations == labels
        assert chosen.training.epochs == epochs


def test_every_option_is_a_flag() -> None:
    """Schema and command line are one; those of today keep their spelling."""
    flags = {
        verb: {
            name
            for argument in app[verb].assemble_argument_collection()
            if argument.parse
            for name in argument.names
        }
        for verb in ("predict", "evaluate", "convert", "export")
    }
    both = {"--model", "--class-names", "--model-classes", "--network", "--model-network"}
    tiling = {parameter_name(field) for field in TilingOptions.model_fields}
    predicting = {parameter_name(field) for field in PredictOptions.model_fields}
    assert {f"--{name}" for name in predicting} <= flags["predict"]
    assert {f"--{name}" for name in tiling} | {"--map", "--images", "--data"} <= flags["evaluate"]
    assert {"--tile", "--overlap", "--scales", "--conf", "--classes", "--merge"} <= flags["predict"]
    assert {"--whole-pass", "--scout", "--bands", "--crs", "--resume"} <= flags["predict"]
    assert all(both <= flags[verb] for verb in flags)
    labels = {parameter_name(field) for field in LabelOptions.model_fields} - {"class-names"}
    for verb in ("evaluate", "export"):
        assert {f"--{name}" for name in labels} | {"--data", "--data-classes"} <= flags[verb]


def test_options_that_do_not_fit_together_are_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["export", "speck-n-aerial", "--to", "a.onnx", "--int8"])
    assert stop.value.code and "int8 is written for OpenVINO only" in capsys.readouterr().err


def test_export_reads_labels_as_evaluate_does(
    draw_set: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What labels do not say of themselves reaches the reader, and is refused by it alike."""
    data = ["--data", str(draw_set("val")), "--class-field", "kind"]
    for words in (
        ["evaluate", *data],
        [
            "export",
            "speck-n-aerial",
            "--to",
            str(tmp_path),
            "--format",
            "openvino",
            "--int8",
            *data,
        ],
    ):
        with pytest.raises(SystemExit) as stop:
            main(words)
        said = " ".join(capsys.readouterr().err.split())
        assert stop.value.code == 1 and "which has no class_field" in said


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
        *("--model-classes", "car,ship"),  # as it was called before --class-names
    )
    assert done.returncode == 0, done.stderr
    assert load_model(tmp_path / "n.safetensors").class_names == ("car", "ship")


def test_the_public_names_are_sorted_and_there() -> None:
    assert smalldet.__all__ == sorted(smalldet.__all__)
    for name in smalldet.__all__:
        assert getattr(smalldet, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = smalldet.nothing  # type: ignore[attr-defined]
