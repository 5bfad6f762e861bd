"""The recipe of a training run: data, model, training. One file says everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from smalldet.config.base import Frozen
from smalldet.config.load import checked, load_yaml, override
from smalldet.data.formats.read_labels import label_splits
from smalldet.models.families import ModelConfig
from smalldet.models.speck.config import SpeckConfig
from smalldet.training.sections import DataConfig, TrainingConfig


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
    return checked(TrainRecipe, _anchored(content, path.parent), str(path))


def recipe_for_folder(folder: Path, assignments: tuple[str, ...] = ()) -> TrainRecipe:
    """The default recipe for a folder of labels, in any format of the table.

    A set in several parts, as `train.json` and `val.json`, is measured on its `val`; a set in one
    piece is trained on whole.

    Raises:
        FileNotFoundError: no labels in the folder, or no part of the set to train on.
    """
    splits = label_splits(folder)
    if splits and "train" not in splits:
        there = ", ".join(str(path) for path in splits.values())
        raise FileNotFoundError(
            f"{folder}: has {there} but no part `train`, as train.json, to train on; for another "
            "layout write a recipe: `smalldet recipe your-data > mine.yaml`"
        )
    data = {"train": [{"annotations": str(splits.get("train", folder))}]}
    if "val" in splits:
        data["val"] = [{"annotations": str(splits["val"])}]
    return checked(TrainRecipe, override({"data": data}, assignments), str(folder))


def _anchored(content: dict[str, Any], base: Path) -> dict[str, Any]:
    """Relative paths of sources, weights and networks made relative to `base`."""
    data = content.get("data")
    if isinstance(data, dict):
        for part in ("train", "val"):
            sources = data.get(part)
            for source in sources if isinstance(sources, list) else ():
                if isinstance(source, dict):
                    for key in ("annotations", "images"):
                        if source.get(key):
                            source[key] = str(base / str(source[key]))
    training = content.get("training")
    if isinstance(training, dict) and training.get("imagenet_weights"):
        training["imagenet_weights"] = str(base / str(training["imagenet_weights"]))
    for key in ("start", "class_names", "start_classes", "start_network"):
        # a name stays a name: only what is a file beside the recipe is one
        if isinstance(training, dict) and (base / str(training.get(key, ""))).is_file():
            training[key] = str(base / str(training[key]))
    model = content.get("model")
    if isinstance(model, dict) and str(model.get("network", "")).endswith(
        (".cfg", ".yaml", ".yml")
    ):
        model["network"] = str(base / str(model["network"]))
    return content
