"""The recipe of a training run: data, model, training. One file says everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from smalldet.config.base import Frozen
from smalldet.config.load import checked, load_yaml, override
from smalldet.models.families import ModelConfig


class SourceConfig(Frozen):
    """One labelled data set and what its labels mean to this run.

    Every class of the run is `labelled` here (the file has it, by name or through `map`), `absent`
    (it truly does not occur: background) or `unknown` (it may occur without a label: nothing in
    these pictures counts against it). A class that the file lacks must be declared.
    """

    annotations: Path
    images: Path | None = None
    map: dict[str, str] = Field(default_factory=dict, description="{name in the file: of the run}")
    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class DataConfig(Frozen):
    """Pictures and how tiles are drawn from them."""

    train: tuple[SourceConfig, ...] = Field(min_length=1)
    val: tuple[SourceConfig, ...] = ()
    classes: tuple[str, ...] | None = Field(
        default=None, description="default: those of the first source"
    )
    tile_px: int = Field(default=640, ge=32, multiple_of=32)
    predict_tile_px: int | None = Field(
        default=None, ge=32, description="of prediction; default tile_px"
    )
    tiles_per_epoch: int | None = Field(default=None, ge=1)
    min_visible_frac: float = Field(default=0.3, ge=0, le=1)
    empty_frac: float = Field(default=0.2, ge=0, le=1)
    scale_jitter: tuple[float, float] = (0.5, 2.0)
    mosaic_prob: float = Field(default=0.5, ge=0, le=1)
    mosaic_off_frac: float = Field(
        default=0.25, ge=0, le=1, description="end of the run without it"
    )


class TrainingConfig(Frozen):
    """How long and how fast to learn. Ends after `epochs` or `minutes`, whichever is first."""

    seed: int = Field(default=0, ge=0)
    epochs: int = Field(default=60, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    batch_size: int = Field(default=16, ge=1)
    lr: float = Field(default=2e-3, gt=0)
    backbone_lr_factor: float = Field(default=0.5, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    warmup_steps: int = Field(default=100, ge=0)
    final_lr_frac: float = Field(default=0.02, ge=0, le=1)
    clip_norm: float = Field(default=10.0, gt=0)
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    start: str = Field(default="imagenet", description="imagenet, scratch, a model's name or file")
    imagenet_weights: Path | None = None
    num_workers: int = Field(default=2, ge=0)
    eval_every: int = Field(default=10, ge=1, description="epochs between evaluations on val")
    eval_pictures: int | None = Field(
        default=None, ge=1, description="of val, evenly spread; default all"
    )


class TrainRecipe(Frozen):
    """Everything that a training run is made from."""

    data: DataConfig
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _fits(self) -> TrainRecipe:
        if self.data.tile_px % max(self.model.strides):
            raise ValueError(
                f"data.tile_px {self.data.tile_px} is no multiple of "
                f"the model's stride {max(self.model.strides)}"
            )
        return self


def read_recipe(path: Path, assignments: tuple[str, ...] = ()) -> TrainRecipe:
    """A recipe file with overrides; its paths count from the file's own folder."""
    content = override(load_yaml(path), assignments)
    return checked(TrainRecipe, _anchored(content, path.parent), str(path))


def recipe_for_folder(folder: Path, assignments: tuple[str, ...] = ()) -> TrainRecipe:
    """The default recipe for a folder with `train.json`, `val.json` and `images/`.

    Raises:
        FileNotFoundError: no `train.json`.
    """
    if not (folder / "train.json").is_file():
        raise FileNotFoundError(
            f"{folder}: expected train.json (COCO json) and a folder images/ in it; "
            "for another layout write a recipe (see configs/)"
        )
    data: dict[str, Any] = {"train": [{"annotations": str(folder / "train.json")}]}
    if (folder / "val.json").is_file():
        data["val"] = [{"annotations": str(folder / "val.json")}]
    return checked(TrainRecipe, override({"data": data}, assignments), str(folder))


def _anchored(content: dict[str, Any], base: Path) -> dict[str, Any]:
    """Relative paths of sources and weights made relative to `base`."""
    data = content.get("data")
    if isinstance(data, dict):
        for part in ("train", "val"):
            for source in data.get(part) or ():
                if isinstance(source, dict):
                    for key in ("annotations", "images"):
                        if source.get(key):
                            source[key] = str(base / str(source[key]))
    training = content.get("training")
    if isinstance(training, dict) and training.get("imagenet_weights"):
        training["imagenet_weights"] = str(base / str(training["imagenet_weights"]))
    return content
