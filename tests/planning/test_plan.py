"""`smalldet plan`: the figures are those of the set, and the recipe that it writes trains."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from smalldet.cli import main
from smalldet.planning.cost import Cost
from smalldet.planning.plan import make_plan
from smalldet.training.recipe import read_recipe, recipe_for_labels

TINY = ("model.width=16", "model.num_context=0", "training.start=scratch", "training.epochs=1")


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as stop:
        main([*map(str, words)])
    return int(stop.value.code or 0)


def test_a_plan_is_printed_written_and_trained_with(
    draw_set: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_set("train")
    folder = draw_set("val", num_pictures=2).parent
    out, figures = tmp_path / "plan.yaml", tmp_path / "plan.json"
    words = ("plan", folder, *TINY, "--device", "cpu", "--out", out, "--json", figures)
    assert run(*words) == 0
    said = capsys.readouterr().out
    assert "Ceiling of recall of a perfect detector on 2 pictures" in said
    assert "Train on tiles of 256 px, batches of" in said and "tiles a second" in said
    told = json.loads(figures.read_text())
    assert told["recall_ceiling"] == 1.0 and told["most_objects"] == 4
    assert told["train_tile_px"] == 256 and told["predict_tile_px"] == 640
    assert told["tile_s"] > 0 and told["tile_bytes"] > 256 * 256 * 3
    recipe = read_recipe(out)
    assert recipe.data.tile_px == 256 and len(recipe.data.val) == 1
    quick = ("data.tile_px=64", "training.num_workers=0", "training.batch_size=2")
    assert run("train", out, *quick, "--out", tmp_path / "run", "--device", "cpu") == 0


def test_a_plan_of_a_relative_path_trains_from_any_folder(
    draw_set: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = draw_set().parent
    monkeypatch.chdir(folder.parent)
    (tmp_path / "plans").mkdir()
    out = tmp_path / "plans/plan.yaml"
    assert run("plan", folder.name, *TINY, "--device", "cpu", "--out", out) == 0
    (source,) = read_recipe(out).data.train
    assert source.annotations == folder / "train.json"


def test_memory_bounds_the_batch_and_too_little_is_refused(
    draw_set: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = draw_set().parent
    recipe = recipe_for_labels(folder, TINY)
    cost = Cost(1.0, 0.5, tile_bytes=2e8, fixed_bytes=1e8, tiles_per_epoch=60, device="cpu")
    assert cost.largest_batch(1e9) == 4 and cost.epoch_minutes == 1.0
    plan = make_plan(recipe, memory_gb=0.3, device="cpu")
    least = plan.cost.fixed_bytes + plan.cost.tile_bytes
    assert plan.cost.fixed_bytes + plan.recipe.training.batch_size * plan.cost.tile_bytes <= 3e8
    few = least / 2e9
    assert run("plan", folder, *TINY, "--device", "cpu", "--memory", f"{few:.6f}") == 1
    assert "a batch of one tile of 256 px takes" in capsys.readouterr().err


def test_anchors_far_from_the_objects_are_fitted(draw_set: Callable[..., Path]) -> None:
    """YOLOv4-tiny's anchors are for objects of 10 to 300 px; these have 4 to 14."""
    folder = draw_set(num_pictures=12).parent
    words = ("model.family=yolo", "model.network=yolov4-tiny", "training.start=scratch")
    plan = make_plan(recipe_for_labels(folder, words), device="cpu")
    assert plan.anchor_likeness is not None
    own, new = plan.anchor_likeness
    assert new > own + 0.05
    anchors = plan.recipe.model.model_dump()["anchors"]
    assert isinstance(anchors, tuple) and min(min(pair) for pair in anchors) < 14


def test_a_set_without_objects_is_named(
    draw_set: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = draw_set()
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "annotations": []}))
    assert run("plan", file, *TINY) == 1
    assert "no objects in the training pictures" in capsys.readouterr().err


def test_the_same_set_gives_the_same_figures(draw_set: Callable[..., Path]) -> None:
    folder = draw_set().parent
    one, other = (make_plan(recipe_for_labels(folder, TINY), device="cpu") for _ in range(2))
    for a, b in zip(one.positives, other.positives, strict=True):
        assert torch.equal(a.positives.counts, b.positives.counts)
    assert one.cost.tile_bytes == pytest.approx(other.cost.tile_bytes, rel=1e-3)
