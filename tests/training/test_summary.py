"""The summary tells what was measured and what to try, and nothing that does not hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from smalldet.data.index import Index
from smalldet.evaluation.report import Report
from smalldet.evaluation.scoring import score
from smalldet.training.recipe import recipe_for_labels
from smalldet.training.sections import SourceConfig
from smalldet.training.sources import read_sources
from smalldet.training.summary import summary

from smalldet.detections import Detections  # isort: skip


def val_line(step: int, ap: float) -> dict[str, Any]:
    return {"group": "val", "step": step, "AP": ap, "AP50": ap, "best_F1": ap, "best_conf": 0.3,
            "seconds": 60.0}  # fmt: skip


def train_line(step: int, loss: float, wait_frac: float = 0.0) -> dict[str, Any]:
    return {"group": "train", "step": step, "loss": loss, "wait_frac": wait_frac}


def told(path: Path, log: list[dict[str, Any]], report: Report | None, index: Index) -> str:
    return "\n".join(summary(log, index, report, recipe_for_labels(path.parent), Path("run")))


def measured(index: Index) -> Report:
    none = Detections.empty(index.class_names)
    return score(index, [none] * len(index))


def test_a_run_that_still_rose_is_told_to_go_on(draw_set: Callable[..., Path]) -> None:
    path = draw_set()
    index = read_sources([SourceConfig(annotations=path)], None)
    text = told(path, [val_line(10, 0.2), val_line(20, 0.3)], measured(index), index)
    assert "Best AP 0.300 (AP50 0.300) after 20 steps" in text
    assert "conf 0.30" in text and "2.0 min" in text
    assert "still rose by 0.100" in text
    assert "best.safetensors" in text


def test_a_run_past_its_best_is_told_so(draw_set: Callable[..., Path]) -> None:
    path = draw_set()
    index = read_sources([SourceConfig(annotations=path)], None)
    text = told(path, [val_line(10, 0.4), val_line(20, 0.3)], measured(index), index)
    assert "after 10 steps" in text and "fell by 0.100" in text and "still rose" not in text


def test_sizes_and_classes_and_waiting(draw_set: Callable[..., Path]) -> None:
    path = draw_set(num_pictures=10)
    index = read_sources([SourceConfig(annotations=path)], None)
    log = [train_line(20, 1.0, 0.5), val_line(20, 0.3)]
    text = told(path, log, measured(index), index)
    assert "square 40" in text, "fewer than fifty objects"
    assert "50% of the time went by waiting" in text
    sides = np.concatenate([r.boxes[:, 2] - r.boxes[:, 0] for r in index.records])
    assert f"{(sides < 8).mean():.0%} of the training objects are under 8 px" in text
    assert "model.strides [2, ...]" in text
    assert "Missed most: objects of" in text
    large = replace(index.records[0], boxes=np.array([[0, 0, 60, 60]] * 4, np.float32))
    quiet = Index(index.class_names, (large,) * 20)
    text = told(path, [val_line(20, 0.3)], measured(quiet), quiet)
    for advice in ("under 8 px", "waiting", "Few training objects", "Missed most"):
        assert advice not in text


def test_smaller_tiles_are_advised_where_they_hold_the_objects(
    draw_set: Callable[..., Path],
) -> None:
    path = draw_set()
    index = read_sources([SourceConfig(annotations=path)], None)
    recipe = recipe_for_labels(path.parent, ("data.tile_px=640",))
    large = replace(index.records[0], boxes=np.array([[0, 0, 150, 150]] * 4, np.float32))
    for objects, advised in ((index, True), (Index(index.class_names, (large,)), False)):
        text = "\n".join(summary([], objects, None, recipe, Path("run")))
        assert ("Tiles of 256 px" in text) == advised


def test_without_validation_the_loss_speaks(draw_set: Callable[..., Path]) -> None:
    path = draw_set()
    index = read_sources([SourceConfig(annotations=path)], None)
    falling = [train_line(20 * i, 10 * math.exp(-i / 4)) for i in range(8)]
    text = told(path, falling, None, index)
    assert "Nothing was measured" in text and "loss still fell" in text
    assert "last.safetensors" in text
    assert "loss still fell" not in told(path, [train_line(i, 1.0) for i in range(8)], None, index)
