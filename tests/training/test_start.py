"""What a training starts from where nobody says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from smalldet.data.index import Index
from smalldet.models import load_model
from smalldet.training.recipe import TrainRecipe, recipe_for_labels
from smalldet.training.sections import SourceConfig
from smalldet.training.setup import build_dataset, fitted, start_detector
from smalldet.training.sources import read_sources


@pytest.fixture
def index(draw_set: Callable[..., Path]) -> Index:
    return read_sources([SourceConfig(annotations=draw_set())], None)


@pytest.fixture
def recipe(index: Index, tmp_path: Path) -> Callable[..., TrainRecipe]:
    def made(*assignments: str) -> TrainRecipe:
        return fitted(recipe_for_labels(tmp_path / "data", assignments), index)

    return made


@pytest.mark.parametrize(
    ("assignments", "start"),
    [
        ((), "speck-start"),
        (("model.size=t",), "speck-start"),
        (("model.oriented=true",), "speck-start"),
        (("model.size=s",), "imagenet"),
        (("model.strides=[2,4,8,16]",), "imagenet"),
        (("model.backbone=mobilenetv3_small_050",), "imagenet"),
        (("training.imagenet_weights=mine.pth",), "imagenet"),
        (("model.family=retinanet",), "imagenet"),
        (("training.start=scratch",), "scratch"),
    ],
)
def test_what_fits_starts_from_the_embedded_start(
    recipe: Callable[..., TrainRecipe], assignments: tuple[str, ...], start: str
) -> None:
    assert recipe(*assignments).training.start == start


def test_a_silent_recipe_takes_the_weights_of_the_start(
    recipe: Callable[..., TrainRecipe], index: Index
) -> None:
    """All but the classes that it does not know, and without a network."""
    given = load_model("speck-start").state_dict()
    own = start_detector(recipe(), index.class_names).state_dict()
    fresh = [key for key, value in own.items() if not torch.equal(value, given[key])]
    assert fresh and all(key.startswith("head.class_outputs.") for key in fresh)


def test_size_t_is_trimmed_from_the_start(recipe: Callable[..., TrainRecipe], index: Index) -> None:
    small = recipe("model.size=t", "data.tile_px=64", "training.batch_size=2")
    learner = start_detector(small, index.class_names, build_dataset(index, small))
    untrained = small.model.build(index.class_names, 64)
    assert [one.num_hidden for one in learner.bottlenecks()] == [
        one.num_hidden for one in untrained.bottlenecks()
    ]
