"""Recipes: every key is described, those of older recipes are read, tiles obey them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from PIL import Image

from smalldet.config.base import Frozen
from smalldet.config.load import checked, dump, load_yaml
from smalldet.data.options import Augmentation, Sampling
from smalldet.training.recipe import TrainRecipe, read_recipe, recipe_for_labels
from smalldet.training.setup import build_dataset, read_indexes

# A recipe as version 0.1 dumped it, less what is at its default.
OLD = """
data:
  train:
  - {annotations: labels, images: null, names: [a, b], first_pixel: 0, map: {}, unknown: []}
  val: []
  classes: null
  tile_px: 64
  predict_tile_px: null
  tiles_per_epoch: 8
  min_visible_frac: 0.4
  scale_jitter: [0.5, 1.0]
  mosaic_prob: 0.25
  mosaic_off_frac: 0.5
  copy_paste_prob: 0.125
  cache_mb: 100.0
model: {family: speck}
training: {start: a.weights, start_classes: 'a,b', start_network: yolov3}
"""


def schemas_in(kind: Any) -> Iterator[type[Frozen]]:
    """Schemas that an annotation leads to, at any depth."""
    if isinstance(kind, type) and issubclass(kind, Frozen):
        yield kind
    for part in get_args(kind):
        yield from schemas_in(part)


def undescribed(schema: type[Frozen]) -> Iterator[str]:
    """Fields without a description, by their path from the schema."""
    for name, field in schema.model_fields.items():
        if not (field.description or "").strip():
            yield f"{schema.__name__}.{name}"
        if not (schema is TrainRecipe and name == "model"):
            for inner in schemas_in(field.annotation):
                yield from undescribed(inner)


def test_every_key_is_described() -> None:
    """The reference and the command line print what stands here."""
    assert not list(undescribed(TrainRecipe))


def test_the_search_for_keys_goes_into_every_section() -> None:
    """A search that visited nothing would find nothing wrong."""

    class Inner(Frozen):
        bare: int = 0

    class Outer(Frozen):
        many: tuple[Inner, ...] | None = None

    assert list(undescribed(Outer)) == ["Outer.many", "Inner.bare"]


def test_keys_of_older_recipes_are_read_and_written_under_todays_names() -> None:
    recipe = checked(TrainRecipe, yaml.safe_load(OLD), "old")
    assert recipe.data.train[0].class_names == ("a", "b")
    assert recipe.training.class_names == "a,b"
    assert recipe.data.copy_paste_prob == 0.125
    text = dump(recipe)
    assert "start_classes" not in text and "\n    names:" not in text
    assert checked(TrainRecipe, yaml.safe_load(text), "new") == recipe


def test_an_old_key_may_be_an_override(draw_set: Callable[..., Path]) -> None:
    folder = draw_set().parent
    assert recipe_for_labels(folder, ("training.start_classes=a,b",)).training.class_names == "a,b"


@pytest.mark.parametrize(
    ("section", "keys"),
    [("training", ("class_names", "start_classes")), ("data.train.0", ("class_names", "names"))],
)
def test_one_key_by_two_names_is_refused(section: str, keys: tuple[str, str]) -> None:
    content: dict[str, Any] = {"data": {"train": [{"annotations": "a"}]}, "training": {}}
    twice = dict.fromkeys(keys, "a" if section == "training" else ["a"])
    place = content["training"] if section == "training" else content["data"]["train"][0]
    place.update(twice)
    with pytest.raises(ValueError, match=f"{section}: .*{keys[0]} and {keys[1]} are one key"):
        checked(TrainRecipe, content, "here")


def test_files_beside_a_recipe_count_from_it(draw_set: Callable[..., Path]) -> None:
    path = draw_set().parent / "recipe.yaml"
    (path.parent / "coco.names").write_text("a\n", encoding="utf-8")
    for key in ("class_names", "start_classes"):
        content = {
            "data": {"train": [{"annotations": "train.json"}]},
            "training": {key: "coco.names"},
        }
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        assert read_recipe(path).training.class_names == str(path.parent / "coco.names")


def test_options_of_tiles_reach_the_tiles(draw_set: Callable[..., Path]) -> None:
    """Each key of `data` that speaks of tiles is one of the dataset's, with the recipe's value."""
    said = {
        "tiles_per_epoch": 6, "min_visible_frac": 0.5, "empty_frac": 0.1,
        "scale_jitter": [0.8, 1.2], "repeat_threshold": 0.01, "mute_difficult": True,
        "cache_mb": 64, "flips": False, "rot90": False, "photometric": False,
        "mosaic_prob": 0.1, "mosaic_off_frac": 0.4, "mixup_prob": 0.2, "copy_paste_prob": 0.3,
        "match_gsd_m": 0.2, "rotate_prob": 0.6,
    }  # fmt: skip
    assert said.keys() == Sampling.model_fields.keys() | Augmentation.model_fields.keys()
    overrides = [f"data.{key}={json.dumps(value)}" for key, value in said.items()]
    recipe = recipe_for_labels(draw_set().parent, ("data.tile_px=64", *overrides))
    index, _ = read_indexes(recipe)
    tiles = build_dataset(index, recipe)
    for key, value in said.items():
        options = tiles.sampling if key in Sampling.model_fields else tiles.augmentation
        assert getattr(options, key) == (tuple(value) if isinstance(value, list) else value)


def test_a_folder_of_any_format_makes_a_recipe(tmp_path: Path) -> None:
    for folder in ("labels", "images"):
        (tmp_path / folder).mkdir()
    (tmp_path / "labels" / "a.txt").write_text("1 0.5 0.5 0.2 0.5\n", encoding="utf-8")
    (tmp_path / "labels" / "classes.txt").write_text("car\nship\n", encoding="utf-8")
    Image.new("RGB", (100, 60)).save(tmp_path / "images" / "a.png")
    recipe = recipe_for_labels(tmp_path / "labels")
    assert recipe.data.train[0].annotations == tmp_path / "labels"
    assert recipe.data.val == ()
    index, val = read_indexes(recipe)
    assert index.counts() == {"car": 0, "ship": 1}
    assert val is None


def test_sources_may_be_folders_with_both_splits(draw_set: Callable[..., Path]) -> None:
    folder = draw_set("train", num_pictures=3).parent
    draw_set("val", num_pictures=2, seed=1)
    source = {"annotations": str(folder)}
    recipe = checked(TrainRecipe, {"data": {"train": [source], "val": [source]}}, "here")
    index, val = read_indexes(recipe)
    assert val is not None
    assert (len(index), len(val)) == (3, 2)


def test_a_folder_without_a_part_to_train_on_is_named(draw_set: Callable[..., Path]) -> None:
    folder = draw_set("val").parent
    with pytest.raises(FileNotFoundError, match=r"val\.json but no part `train`, as train\.json"):
        recipe_for_labels(folder)


def test_the_command_line_says_how_tiles_are_changed(
    draw_set: Callable[..., Path], small: tuple[str, ...], tmp_path: Path
) -> None:
    """`data.flips=false` reaches the run, and the run's own recipe says so when it is read."""
    command = [
        sys.executable, "-W", "ignore", "-m", "smalldet.cli", "train", *small,
        "data.flips=false", "data.photometric=false", "data.tiles_per_epoch=4",
        "training.epochs=1", "--data", str(draw_set().parent), "--out", str(tmp_path / "run"),
        "--device", "cpu",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    recipe = checked(TrainRecipe, load_yaml(tmp_path / "run" / "recipe.yaml"), "run")
    assert (recipe.data.flips, recipe.data.photometric, recipe.data.rot90) == (False, False, True)
    command[command.index("data.flips=false")] = "data.flips=perhaps"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "data.flips" in done.stderr


def test_a_single_small_picture_fills_a_batch(draw_set: Callable[..., Path]) -> None:
    """What was drawn over one GeoTIFF trains at once; a number that is said is kept."""
    recipe = recipe_for_labels(draw_set(num_pictures=1), ("data.tile_px=96",))
    index, _ = read_indexes(recipe)
    assert len(build_dataset(index, recipe)) == recipe.training.batch_size
    said = recipe.data.model_copy(update={"tiles_per_epoch": 3})
    assert len(build_dataset(index, recipe.model_copy(update={"data": said}))) == 3
