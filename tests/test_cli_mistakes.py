"""What the command line tells of mistakes, limits, scenes and the smallest size."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from smalldet.cli import main
from smalldet.evaluation.tide import MENDED


def test_evaluate_tells_mistakes_and_what_tiling_does(
    draw_set: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pictures of 192 px in tiles of 96 px: all that is counted adds up."""
    labels = draw_set("val", num_pictures=2, side=192)
    out = tmp_path / "e"
    words = ["evaluate", "--data", labels, "--map", "car=square", "--tile", "96", "--out", out]
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words), "--conf", "0.05", "--device", "cpu"])
    assert not ended.value.code
    assert "2 pictures of several tiles: AP merged" in capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text())
    assert {f"dAP_{name}" for name in MENDED} | {"ECE", "resolvable_px"} <= metrics.keys()
    errors = metrics["scene_errors"]
    mistakes = sum(num for name, num in errors.items() if name.startswith("errors_"))
    missed = round((1 - metrics["recall"]) * metrics["counts"]["all"])
    assert metrics["false_alarms"] <= mistakes <= metrics["false_alarms"] + missed
    counts = metrics["confusion"]["counts"]
    assert (
        sum(counts[0]) == metrics["counts"]["all"] == sum(metrics["recall_by_size"]["num_objects"])
    )
    assert metrics["caps"]["tile"] == {"reached": 0, "recall_lost": 0}
    assert sum(metrics["calibration"]["all"]["num_detections"]) >= metrics["false_alarms"]
