"""What makers do differently lies under one key, and stood among the model's keys before."""

from __future__ import annotations

import json

import torch
from safetensors.torch import save_file

from smalldet.models.checkpoints.native import load_detector, read_metadata, save_detector
from smalldet.models.rcnn.faster_rcnn import FasterRcnnConfig
from smalldet.models.rcnn.retinanet import RetinaNetConfig

TINY = {"backbone": "mobilenetv3_small_050", "strides": (4, 8, 16), "width": 32}
FLAT = {"pixel_mean": (0.1, 0.2, 0.3), "pixel_std": (1.0, 1.0, 1.0), "norm_eps": 0.0}


def test_keys_of_older_recipes_become_conventions() -> None:
    flat = RetinaNetConfig.model_validate({**TINY, **FLAT, "box_codes": "corners"})
    assert flat == RetinaNetConfig.model_validate(
        {**TINY, "conventions": {**FLAT, "box_codes": "corners"}}
    )
    assert FasterRcnnConfig.model_validate({"pool_aligned": True}).conventions.pool_aligned


def test_a_checkpoint_with_the_older_keys_loads_to_the_same_detector(tmp_path) -> None:
    config = RetinaNetConfig.model_validate({**TINY, "conventions": FLAT})
    torch.manual_seed(0)
    detector = config.build(("a", "b"), 64).eval()
    save_detector(tmp_path / "new.safetensors", detector, config)
    said = read_metadata(tmp_path / "new.safetensors")
    conventions = said["model"].pop("conventions")
    model = {**said["model"], **conventions}
    assert "pixel_mean" in model and "conventions" not in model
    header = {
        "format": "smalldet-1",
        "model": json.dumps(model),
        "class_names": json.dumps(said["class_names"]),
        "tile_px": "64",
        "conf": "0.25",
        "about": "{}",
    }
    save_file(detector.state_dict(), tmp_path / "old.safetensors", header)
    picture = torch.rand(1, 3, 64, 64)
    (wanted,), (same,) = (
        load_detector(tmp_path / name).predict(picture, 0.0)
        for name in ("new.safetensors", "old.safetensors")
    )
    assert torch.equal(wanted.boxes, same.boxes) and torch.equal(wanted.scores, same.scores)
