"""The Python API: options as keywords, and answers without a command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import smalldet
from smalldet.data.formats.label_source import LabelSource


def test_options_are_keywords() -> None:
    predictor = smalldet.load("speck-n-aerial", conf=0.3, tile_px=512, device="cpu")
    assert (predictor.conf, predictor.tile_px) == (0.3, 512)
    assert predictor.options.overlap_frac == 0.2
    detections = predictor.predict(np.full((64, 80, 3), 90, np.uint8))
    assert detections.class_names == predictor.model.class_names


def test_a_wrong_option_is_named_before_the_model_is_opened() -> None:
    with pytest.raises(ValueError, match="conf"):
        smalldet.load("no such model", conf=2)
    with pytest.raises(ValueError, match="tile_pixels"):
        smalldet.predict(np.zeros((9, 9, 3), np.uint8), tile_pixels=3)  # type: ignore[call-arg]


def test_predict_takes_lists_and_says_how_pictures_are_read() -> None:
    grey = np.full((64, 80), 900, np.uint16)
    first, second = smalldet.predict(
        [grey, grey], device="cpu", bands=(1, 1, 1), stretch="0,1000", gsd_m=0.2, conf=0.3
    )
    assert first.picture is not None and first.picture.width == 80
    assert repr(first) == repr(second) == "Detections(0)"


def test_evaluate_takes_a_map_and_a_folder(draw_set: Callable[..., Path], tmp_path: Path) -> None:
    folder = draw_set("val", num_pictures=1).parent
    report = smalldet.evaluate(folder, map={"car": "square"}, device="cpu", out=tmp_path / "out")
    assert report.counts["all"] == 4
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert written["AP"] == report.metrics["AP"]
    with pytest.raises(ValueError, match="no class in common"):
        smalldet.evaluate(folder / "val.json", device="cpu")


def test_results_are_measured_and_compared(draw_set: Callable[..., Path], tmp_path: Path) -> None:
    """Of a file instead of a model, on the split that is named, and against what was kept."""
    labels = draw_set("test", num_pictures=2)
    exact, shifted = (results_beside(labels, shift) for shift in (0.0, 3.0))
    options = {"split": "test", "sizes": {"all_sizes": (0.0, 96.0)}}
    page = tmp_path / "report.html"
    first = smalldet.evaluate(
        labels.parent, results=exact, out=tmp_path / "exact", page=page, **options
    )
    assert first.metrics["AP"] == pytest.approx(1)
    assert "<html" in page.read_text()
    second = smalldet.evaluate(LabelSource(annotations=labels), results=shifted, split="test")
    compared = smalldet.compare(exact, shifted, data=labels.parent, split="test")
    assert [side.report.metrics["AP"] for side in compared.sides] == [
        pytest.approx(1), pytest.approx(second.metrics["AP"])
    ]  # fmt: skip
    assert compared.differences[0]["AP"].is_real
    with pytest.raises(ValueError, match="two or more"):
        smalldet.compare(tmp_path / "exact")
    with pytest.raises(ValueError, match="says images and class_names itself"):
        smalldet.evaluate(LabelSource(annotations=labels), tmp_path, results=exact)


def results_beside(labels: Path, shift: float) -> Path:
    content = json.loads(labels.read_text())
    rows = [
        {
            "image_id": one["image_id"],
            "category_id": one["category_id"],
            "bbox": [one["bbox"][0] + shift, *one["bbox"][1:]],
            "score": 0.9,
        }
        for one in content["annotations"]
    ]
    file = labels.with_name(f"moved_by_{shift:g}.json")
    file.write_text(json.dumps(rows))
    return file


def test_a_set_is_checked_planned_and_trained_on(
    draw_set: Callable[..., Path], tmp_path: Path
) -> None:
    folder = draw_set("train", num_pictures=3).parent
    report = smalldet.check(folder)
    assert report.may_train and report.labelled.splits["train"].counts() == {"square": 12}
    words = ("training.start=scratch", "model.width=16", "model.num_context=0")
    quick = ("training.epochs=1", "training.num_workers=0", "training.batch_size=2")
    plan = smalldet.plan(folder, *words, *quick, "data.tile_px=64", device="cpu")
    assert plan.chosen.recall == 1 and plan.cost.tile_s > 0
    smalldet.train(plan.recipe, tmp_path / "run", device="cpu")
    assert (tmp_path / "run/last.safetensors").is_file()
    with pytest.raises(ValueError, match="overrides go with a file"):
        smalldet.plan(plan.recipe, "training.epochs=2")
