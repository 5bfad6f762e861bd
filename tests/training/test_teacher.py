"""A wide Speck is trimmed to a narrow one and teaches it, through the command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import torch

from smalldet.models.checkpoints.native import load_detector, save_detector
from smalldet.models.speck.config import SpeckConfig

NETWORK = ("model.backbone=tf_efficientnet_lite0", "model.width=16", "model.num_context=1")


def test_a_training_starts_trimmed_and_is_taught(
    draw_set: Callable[..., Path],
    start_run: Callable[..., subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    folder = draw_set("train").parent
    wide = SpeckConfig(backbone="tf_efficientnet_lite0", width=16, num_context=1)
    torch.manual_seed(0)
    given = tmp_path / "wide.safetensors"
    save_detector(given, wide.build(("square",), 64), wide)
    out = tmp_path / "run"
    narrow = ("model.size=t", "model.backbone_hidden=0.25", "training.epochs=1")
    start = (f"training.start={given}", f"training.teacher={given}", "data.tiles_per_epoch=80")
    run = start_run(folder, out, *NETWORK, *narrow, *start)
    said, _ = run.communicate()
    assert run.returncode == 0, said.decode()
    detector = load_detector(out / "last.safetensors")
    hidden = [one.num_hidden for one in detector.bottlenecks()]
    assert hidden != [one.num_hidden for one in wide.build(("square",), 64).bottlenecks()]
    assert min(hidden) == 16
    line = json.loads((out / "log.jsonl").read_text().splitlines()[0])
    assert line["teacher_class"] >= 0
    assert line["teacher_features"] > 0
