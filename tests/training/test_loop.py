"""A run learns, says what it did, and goes on after it was stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from smalldet.config.load import checked, load_yaml
from smalldet.data.mosaic import joined_tiles
from smalldet.models import load_model
from smalldet.models.checkpoints.native import read_metadata, read_state
from smalldet.training.batch_pictures import LossNotFiniteError
from smalldet.training.loop import train
from smalldet.training.recipe import TrainRecipe, recipe_for_labels
from smalldet.training.run import Run

TINY = (
    "model.backbone=mobilenetv3_small_050",
    "model.width=32",
    "data.tile_px=64",
    "training.start=scratch",
    "training.batch_size=4",
    "training.num_workers=0",
    "training.warmup_steps=2",
)


def tiny(folder: Path, *more: str) -> TrainRecipe:
    return recipe_for_labels(folder, (*TINY, *more))


def test_a_run_leaves_models_recipe_and_log(draw_set: Callable[..., Path], tmp_path: Path) -> None:
    folder = draw_set("train").parent
    draw_set("val", num_pictures=2, seed=1)
    recipe = tiny(folder, "training.epochs=2", "training.eval_every=1", "data.tiles_per_epoch=8")
    seen: list[float] = []
    out = tmp_path / "run"
    report = train(recipe, out, on_progress=lambda share, text: seen.append(share))
    assert report is not None
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert json.loads((out / "metrics.json").read_text())["counts"]["all"] == 8
    assert checked(TrainRecipe, load_yaml(out / "recipe.yaml"), "run") == recipe
    assert json.loads((out / "versions.json").read_text())["torch"] == version("torch")
    groups = [json.loads(line)["group"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert groups.count("val") == 2
    for name in ("last", "best"):
        assert load_model(out / f"{name}.safetensors").class_names == ("square",)
    assert read_metadata(out / "last.safetensors")["about"]["steps"] == 4
    assert (out / "batch0.jpg").exists()
    with pytest.raises(FileExistsError, match="--resume"):
        train(recipe, out)


def test_it_learns_to_find_bright_squares(draw_set: Callable[..., Path], tmp_path: Path) -> None:
    """The whole of training, in small: 64 steps from scratch bring the loss well down."""
    folder = draw_set("train").parent
    recipe = tiny(folder, "training.epochs=8", "data.tiles_per_epoch=32", "training.lr=0.004")
    losses: list[float] = []
    run = Run(recipe, tmp_path / "run", resume=False, device="cpu", on_progress=None)
    step = run.train_step
    run.train_step = lambda batch: _kept(losses, step(batch))  # type: ignore[method-assign]
    while run.share_done() < 1:
        run.train_epoch()
        run.close_epoch()
    assert len(losses) == 64
    assert np.median(losses[-10:]) < 0.6 * np.median(losses[:10])


def _kept(losses: list[float], terms: dict[str, float]) -> dict[str, float]:
    losses.append(terms["loss"])
    return terms


def test_a_stopped_run_ends_where_the_unbroken_one_does(
    draw_set: Callable[..., Path], tmp_path: Path
) -> None:
    folder = draw_set("train").parent
    recipe = tiny(folder, "training.epochs=3", "data.tiles_per_epoch=8")
    train(recipe, tmp_path / "whole")

    def stop_in_second_epoch(share: float, text: str) -> None:
        if share > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "broken", on_progress=stop_in_second_epoch)
    train(recipe, tmp_path / "broken", resume=True)
    whole, broken = (read_state(tmp_path / n / "last.safetensors") for n in ("whole", "broken"))
    assert all(torch.equal(whole[key], broken[key]) for key in whole)


def test_a_loss_that_is_not_finite_stops_the_run_and_shows_the_batch(
    draw_set: Callable[..., Path], tmp_path: Path
) -> None:
    folder = draw_set("train").parent
    recipe = tiny(folder, "data.tiles_per_epoch=8")
    run = Run(recipe, tmp_path / "run", resume=False, device="cpu", on_progress=None)
    head: Any = run.detector.head
    with torch.no_grad():
        head.class_outputs[0].weight.fill_(float("nan"))
    with pytest.raises(LossNotFiniteError, match=r"epoch 0, batch 0, drawn in .*bad_batch\.jpg"):
        run.train_epoch()
    assert (tmp_path / "run" / "bad_batch.jpg").exists()


def test_minutes_end_a_run_early(draw_set: Callable[..., Path], tmp_path: Path) -> None:
    folder = draw_set("train").parent
    recipe = tiny(folder, "training.epochs=100000", "training.minutes=0.0001")
    train(recipe, tmp_path / "run")
    assert read_metadata(tmp_path / "run" / "last.safetensors")["about"]["steps"] == 1


@pytest.mark.parametrize(
    ("off_frac", "minutes_done", "num_mosaics"), [(0.5, 0, 8), (0, 0, 16), (1, 0, 0), (0.5, 600, 0)]
)
def test_mosaic_ends_amid_an_epoch(
    draw_set: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    off_frac: float,
    minutes_done: int,
    num_mosaics: int,
) -> None:
    """Short runs have few epochs: their last part is without mosaics all the same."""
    recipe = tiny(
        draw_set("train").parent,
        "data.tiles_per_epoch=16",
        "data.mosaic_prob=1",
        f"data.mosaic_off_frac={off_frac}",
        "training.epochs=1",
        "training.minutes=1000",
    )
    joined: list[int] = []

    def counted(*args: Any) -> Any:
        joined.append(1)
        return joined_tiles(*args)

    monkeypatch.setattr("smalldet.data.mosaic.joined_tiles", counted)
    run = Run(recipe, tmp_path / "run", resume=False, device="cpu", on_progress=None)
    run.progress.elapsed_s = 60 * minutes_done
    run.train_epoch()
    assert run.progress.step == 4
    assert len(joined) == num_mosaics


def test_parts_learn_and_all_else_stays_to_the_bit(
    draw_set: Callable[..., Path], tmp_path: Path
) -> None:
    """A second look is added to a trained detector without a change of what it finds."""
    folder = draw_set("train").parent
    train(tiny(folder, "training.epochs=1", "data.tiles_per_epoch=8"), tmp_path / "first")
    start = tmp_path / "first" / "last.safetensors"
    more = (f"training.start={start}", "model.refine=true", "data.tiles_per_epoch=8")
    recipe = tiny(folder, *more, "training.only=[refiner]", "training.epochs=1")
    run = Run(recipe, tmp_path / "second", resume=False, device="cpu", on_progress=None)
    before = {key: value.clone() for key, value in run.detector.state_dict().items()}
    run.train_epoch()
    run.save()
    after = read_state(tmp_path / "second" / "last.safetensors")
    for key, value in before.items():
        assert torch.equal(value, after[key]) == (not key.startswith("refiner.")), key
    with pytest.raises(ValueError, match="no part tail, but backbone, neck, head"):
        train(tiny(folder, "training.only=[head, tail]"), tmp_path / "third")
