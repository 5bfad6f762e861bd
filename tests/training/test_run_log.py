"""What a run writes down stays true when it is stopped and goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from torch import nn

from smalldet.training.recipe import recipe_for_labels
from smalldet.training.run_log import RunLog
from smalldet.training.setup import set_training_mode, start_detector


def test_lines_after_the_saved_step_are_taken_back(
    draw_set: Callable[..., Path], tmp_path: Path
) -> None:
    """A killed run has logged steps that it will do again, and perhaps half a line."""
    recipe = recipe_for_labels(draw_set().parent)
    first = RunLog(tmp_path / "run", recipe, "cpu")
    for step in (20, 40, 60):
        first.write("train", step, {"loss": 1.0, "AP": None})
    first.close()
    log = tmp_path / "run" / "log.jsonl"
    log.write_text(log.read_text() + '{"group": "tr')
    second = RunLog(tmp_path / "run", recipe, "cpu", step=40)
    second.write("train", 60, {"loss": 2.0})
    second.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(20, 1.0), (40, 1.0), (60, 2.0)]


def test_frozen_norms_and_no_others_rest(
    draw_set: Callable[..., Path], small: tuple[str, ...]
) -> None:
    recipe = recipe_for_labels(draw_set().parent, small)
    detector = start_detector(recipe, ["square"])
    norms = [m for m in detector.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    for frozen in (True, False):
        set_training_mode(detector, frozen)
        assert detector.training
        assert all(norm.training != frozen for norm in norms)
