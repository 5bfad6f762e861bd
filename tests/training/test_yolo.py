"""A YOLO trains from a recipe, on anchors of its data, from another detector's weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from smalldet.models import convert_model, load_model
from smalldet.models.checkpoints.native import read_metadata
from smalldet.training.loop import train
from smalldet.training.recipe import read_recipe

NETWORK = """
side_px: 64
activation: leaky
anchors: [[30, 30], [60, 60]]
output: {box_loss: ciou}
layers:
  - {conv: 8, size: 3, stride: 2}
  - {conv: 16, size: 3, stride: 2}
  - {conv: 16, size: 3, stride: 2}
  - {yolo: [0, 1]}
"""

RECIPE = """
data:
  train: [{annotations: data/train.json}]
  tile_px: 64
  tiles_per_epoch: 8
model: {family: yolo, network: mine.yaml, anchors: fitted}
training: {start: scratch, epochs: 1, batch_size: 4, num_workers: 0, warmup_steps: 1}
"""


def test_from_scratch_then_from_its_weights_with_other_classes(
    draw_set: Callable[..., Path], tmp_path: Path
) -> None:
    draw_set("train")
    (tmp_path / "mine.yaml").write_text(NETWORK, encoding="utf-8")
    (tmp_path / "r.yaml").write_text(RECIPE, encoding="utf-8")
    train(read_recipe(tmp_path / "r.yaml"), tmp_path / "first")
    model = read_metadata(tmp_path / "first" / "last.safetensors")["model"]
    # squares of 4 to 14 px, not the 30 and 60 px of the text
    assert all(4 <= side <= 14 for anchor in model["anchors"] for side in anchor)
    (tmp_path / "mine.yaml").unlink()
    first = load_model(tmp_path / "first" / "last.safetensors")
    convert_model(tmp_path / "first" / "last.safetensors", tmp_path / "first.weights")

    (tmp_path / "mine.yaml").write_text(NETWORK, encoding="utf-8")
    more = ("training.start=first.weights", "training.lr=1e-9", "data.classes=[ship, square]")
    text = RECIPE.replace("train.json}", "train.json, absent: [ship]}")
    (tmp_path / "r.yaml").write_text(text, encoding="utf-8")
    train(read_recipe(tmp_path / "r.yaml", more), tmp_path / "second")
    second = load_model(tmp_path / "second" / "last.safetensors")
    assert second.class_names == ("ship", "square")
    key = "net.layers.conv0.conv.weight"
    torch.testing.assert_close(second.state_dict()[key], first.state_dict()[key], atol=1e-5, rtol=0)
