"""The recipe of a training run: data, model, training. One file says everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from smalldet.config.base import Frozen
from smalldet.config.load import checked, load_yaml, override
from smalldet.data.formats.label_source import LabelOptions
from smalldet.data.formats.picture_files import is_file
from smalldet.data.formats.read_labels import label_splits
from smalldet.data.formats.recognising import recognise
from smalldet.models.families import ModelConfig
from smalldet.models.speck.config import SpeckConfig
from smalldet.training.sections import DataConfig, TrainingConfig

MAX_RECIPE_BYTES = 100_000  # labels in JSON are mostly larger, and slow to read as YAML


class TrainRecipe(Frozen):
    """Everything that a training run is made from."""

    data: DataConfig = Field(description="labelled pictures and the tiles drawn from them")
    model: ModelConfig = Field(default=SpeckConfig(), description="the detector, by its `family`")
    training: TrainingConfig = Field(
        default=TrainingConfig(), description="how long and how fast to learn"
    )

    @model_validator(mode="after")
    def _fits(self) -> TrainRecipe:
        stride = self.model.max_stride
        if self.data.tile_px is not None and self.data.tile_px % stride:
            raise ValueError(
                f"data.tile_px {self.data.tile_px} is no multiple of the model's stride {stride}"
            )
        return self


def read_recipe(path: Path, assignments: tuple[str, ...] = ()) -> TrainRecipe:
    """A recipe file with overrides; its paths count from the file's own folder."""
    content = override(load_yaml(path), assignments)
    return checked(TrainRecipe, anchored(content, path.parent), str(path))


def recipe_for_labels(
    path: Path,
    assignments: tuple[str, ...] = (),
    *,
    options: LabelOptions | None = None,
    val: str | None = None,
) -> TrainRecipe:
    """The default recipe for a file or folder of labels, in any format of the table.

    A set in several parts, as `train.json` and `val.json`, is measured on its `val`; a set in one
    piece is trained on whole unless `val` says otherwise.

    Args:
        path: the labels.
        assignments: `section.key=value` of the recipe.
        options: what the labels do not say of themselves.
        val: what to measure on: a share of the pictures such as `0.2`, a text file (`.txt`) with
            the names of some of them, or other labels.

    Raises:
        FileNotFoundError: no labels at the path, or no part of the set to train on.
    """
    splits = label_splits(path)
    if splits and "train" not in splits:
        there = ", ".join(str(path) for path in splits.values())
        raise FileNotFoundError(
            f"{path}: has {there} but no part `train`, as train.json, to train on; for another "
            "layout write a recipe: `smalldet recipe your-data > mine.yaml`"
        )
    said = {} if options is None else options.model_dump(mode="json", exclude_defaults=True)
    data: dict[str, Any] = {"train": [said | {"annotations": str(splits.get("train", path))}]}
    if val is not None:
        data |= _validation(val, said)
    elif "val" in splits:
        data["val"] = [said | {"annotations": str(splits["val"])}]
    return checked(TrainRecipe, override({"data": data}, assignments), str(path))


def _validation(val: str, said: dict[str, Any]) -> dict[str, Any]:
    """The keys of `data` that `--val` stands for."""
    try:
        return {"val_share": float(val)}
    except ValueError:
        pass
    if val.endswith(".txt"):
        return {"val_list": val}
    return {"val": [said | {"annotations": val}]}


def is_labels(path: Path) -> bool:
    """Whether a path names labelled pictures, such as a folder or a data.yaml, and no recipe."""
    if path.is_dir():
        return True
    if _is_recipe(path):
        return False
    try:
        recognise(path)
    except (FileNotFoundError, ValueError):
        return False
    return True


def _is_recipe(path: Path) -> bool:
    """Whether a file has a recipe's `data`; one that is JSON would pass for labels too."""
    if not path.is_file() or path.stat().st_size > MAX_RECIPE_BYTES:
        return False
    try:
        return isinstance(load_yaml(path).get("data"), dict)
    except ValueError:
        return False


def anchored(content: dict[str, Any], base: Path) -> dict[str, Any]:
    """Relative paths of sources, weights and networks made relative to `base`."""
    data = content.get("data")
    if isinstance(data, dict):
        for part in ("train", "val"):
            sources = data.get(part)
            for source in sources if isinstance(sources, list) else ():
                if isinstance(source, dict):
                    for key in ("annotations", "images", "pictures", "area"):
                        if source.get(key):
                            source[key] = str(base / str(source[key]))
        if data.get("val_list"):
            data["val_list"] = str(base / str(data["val_list"]))
    training = content.get("training")
    if isinstance(training, dict) and training.get("imagenet_weights"):
        training["imagenet_weights"] = str(base / str(training["imagenet_weights"]))
    for key in ("start", "class_names", "start_classes", "start_network"):
        # a name stays a name: only what is a file beside the recipe is one
        if isinstance(training, dict) and is_file(base / str(training.get(key, ""))):
            training[key] = str(base / str(training[key]))
    model = content.get("model")
    if isinstance(model, dict) and str(model.get("network", "")).endswith(
        (".cfg", ".yaml", ".yml")
    ):
        model["network"] = str(base / str(model["network"]))
    return content
