"""The last layers of a detector learn first, alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from smalldet.data.tiled import TiledDataset
from smalldet.models.detector import Detector
from smalldet.models.families import FAMILIES
from smalldet.targets import Target
from smalldet.training.last_layers import fit_last_layers
from smalldet.training.recipe import TrainRecipe, recipe_for_labels
from smalldet.training.run import Run
from smalldet.training.setup import build_dataset, read_indexes

TINY = (
    "model.backbone=mobilenetv3_small_050",
    "model.width=32",
    "data.tile_px=64",
    "data.tiles_per_epoch=16",
    "training.start=scratch",
    "training.epochs=1",
    "training.batch_size=4",
    "training.num_workers=0",
)


@pytest.fixture
def recipe(draw_set: Callable[..., Path]) -> Callable[..., TrainRecipe]:
    folder = draw_set("train").parent
    return lambda *more: recipe_for_labels(folder, (*TINY, *more))


@pytest.fixture
def tiles(recipe: Callable[..., TrainRecipe]) -> TiledDataset:
    index, _ = read_indexes(recipe())
    return build_dataset(index, recipe())


def speck(*class_names: str, **more: object) -> Detector:
    torch.manual_seed(0)
    config = FAMILIES["speck"](backbone="mobilenetv3_small_050", width=32, **more)
    return config.build(class_names, 64)


def loss_on(detector: Detector, tiles: TiledDataset) -> float:
    images, targets = zip(*(tiles[i] for i in range(4)), strict=True)
    with torch.no_grad():
        terms = detector.eval().loss(torch.stack(images), list(targets))
    return float(torch.stack(list(terms.values())).sum())


@pytest.mark.parametrize("more", [{}, {"oriented": True}, {"refine": True}, {"size": "t"}], ids=str)
def test_the_two_halves_are_the_network(more: dict[str, object]) -> None:
    detector = speck("square", **more).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        whole = detector.network(images)
        halves = detector.outputs(detector.features(images))
    assert len(whole) == len(halves)
    assert all(torch.equal(one, other) for one, other in zip(whole, halves, strict=True))


def test_they_learn_and_all_else_stays_to_the_bit(tiles: TiledDataset) -> None:
    detector = speck("square").train()
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    at_first = loss_on(detector, tiles)
    assert fit_last_layers(detector, tiles, 4)
    assert loss_on(detector, tiles) < 0.95 * at_first
    changed = {key for key, value in detector.state_dict().items() if (value != before[key]).any()}
    assert changed == {key for key in before if key.startswith(("head.class_out", "head.box_out"))}
    assert all(parameter.grad is None for parameter in detector.parameters())


def test_a_class_without_objects_keeps_its_outputs(tiles: TiledDataset) -> None:
    """They would say of it only where it is not, and the class would learn never to be found."""
    detector = speck("plane", "square")
    before = detector.state_dict()["head.class_outputs.0.weight"].clone()
    shifted = _Shifted(tiles)
    assert fit_last_layers(detector, shifted, 4)  # pyright: ignore[reportArgumentType]
    after = detector.state_dict()["head.class_outputs.0.weight"]
    assert torch.equal(after[0], before[0])
    assert not torch.equal(after[1], before[1])


def test_a_family_without_named_last_layers_is_left_alone(tiles: TiledDataset) -> None:
    detector = FAMILIES["yolo"](network="yolov5n").build(("square",), 64)
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    assert not fit_last_layers(detector, tiles, 4)
    assert all(torch.equal(value, before[key]) for key, value in detector.state_dict().items())


def test_frozen_last_layers_are_left_alone(tiles: TiledDataset) -> None:
    assert not fit_last_layers(speck("square").requires_grad_(False), tiles, 4)


def test_a_run_counts_its_seconds(recipe: Callable[..., TrainRecipe], tmp_path: Path) -> None:
    run = Run(recipe("training.last_layers_first=true"), tmp_path, resume=False, device="cpu")
    assert run.progress.elapsed_s > 0
    named = run.detector.last_layers[0]
    start = recipe().model.build(("square",), 64).get_submodule(f"{named}.0")
    fitted = run.detector.get_submodule(f"{named}.0")
    assert (fitted.bias - start.bias).abs().min() > 0.01  # pyright: ignore[reportArgumentType, reportOperatorIssue]


class _Shifted:
    """Tiles whose only class is the second of two."""

    def __init__(self, tiles: TiledDataset) -> None:
        self.tiles = tiles

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, i: int) -> object:
        image, target = self.tiles[i]
        return image, Target.of(target.boxes, target.labels + 1, 2)
