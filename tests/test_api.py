"""The Python API: options as keywords, and answers without a command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import smalldet


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


def test_evaluate_takes_a_map_and_a_folder(draw_set: Callable[..., Path], tmp_path: Path) -> None:
    folder = draw_set("val", num_pictures=1).parent
    report = smalldet.evaluate(folder, map={"car": "square"}, device="cpu", out=tmp_path / "out")
    assert report.counts["all"] == 4
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert written["AP"] == report.metrics["AP"]
    with pytest.raises(ValueError, match="no class in common"):
        smalldet.evaluate(folder / "val.json", device="cpu")
