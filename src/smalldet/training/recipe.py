"""The recipe of a training run: data, model, training. One file says everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from smalldet.config.base import Frozen
from smalldet.config.load import checked, load_yaml, override
from smalldet.models.families import ModelConfig
from smalldet.models.speck.config import SpeckConfig


class SourceConfig(Frozen):
    """One labelled data set and what its labels mean to this run.

    Every class of the run is `labelled` here (the file has it, by name or through `map`), `absent`
    (it truly does not occur: background) or `unknown` (it may occur without a label: nothing in
    these pictures counts against it). A class that the file lacks must be declared.
    """

    annotations: Path = Field(
        description="COCO json, or a folder of Pascal VOC XML, DOTA text or YOLO text"
    )
    images: Path | None = None
    names: tuple[str, ...] | None = Field(
        default=None, description="of a folder's classes, in order; YOLO text only numbers them"
    )
    first_pixel: Literal[0, 1] = Field(default=1, description="how Pascal VOC's XML counts")
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
    tile_px: int | None = Field(
        default=None,
        ge=32,
        multiple_of=32,
        description="default: fitted to the objects, 256 to 640",
    )
    predict_tile_px: int | None = Field(
        default=None, ge=32, description="of prediction; default tile_px, or 640 if that is fitted"
    )
    tiles_per_epoch: int | None = Field(default=None, ge=1)
    min_visible_frac: float = Field(default=0.3, ge=0, le=1)
    empty_frac: float = Field(default=0.2, ge=0, le=1)
    scale_jitter: tuple[float, float] = (0.5, 2.0)
    mosaic_prob: float = Field(default=0.5, ge=0, le=1)
    mosaic_off_frac: float = Field(
        default=0.25, ge=0, le=1, description="end of the run without it"
    )
    mixup_prob: float = Field(default=0.0, ge=0, le=1, description="ends with mosaic")
    copy_paste_prob: float = Field(
        default=0.0, ge=0, le=1, description="tiles in which small objects are set down again"
    )
    repeat_threshold: float = Field(
        default=0.0, ge=0, le=1, description="classes in a smaller share of pictures come oftener"
    )
    cache_mb: float = Field(default=512, ge=0, description="of each worker, for decoded pictures")


class TrainingConfig(Frozen):
    """How long and how fast to learn. Ends after `epochs` or `minutes`, whichever is first."""

    seed: int = Field(default=0, ge=0)
    epochs: int = Field(default=60, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    batch_size: int = Field(default=16, ge=1, description="over all processes")
    lr: float = Field(default=2e-3, gt=0)
    backbone_lr_factor: float = Field(default=0.5, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    warmup_steps: int = Field(default=100, ge=0)
    final_lr_frac: float = Field(default=0.02, ge=0, le=1)
    clip_norm: float = Field(default=10.0, gt=0)
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    freeze_norms: bool = Field(
        default=False, description="batch norms keep their statistics: for small batches"
    )
    only: tuple[str, ...] = Field(
        default=(), description="parts of the detector that learn, e.g. [refiner]; default all"
    )
    start: str = Field(default="imagenet", description="imagenet, scratch, a model's name or file")
    start_classes: str | None = Field(
        default=None, description="of a start whose file has none: a file of names, or a,b,c"
    )
    start_network: str | None = Field(
        default=None, description="of a start whose file does not tell it: a name or a text's file"
    )
    imagenet_weights: Path | None = None
    num_workers: int = Field(default=2, ge=0)
    eval_every: int = Field(default=10, ge=1, description="epochs between evaluations on val")
    save_every_s: float = Field(default=300, ge=0, description="also at the end of every epoch")
    eval_pictures: int | None = Field(
        default=None, ge=1, description="of val, evenly spread; default all"
    )


class TrainRecipe(Frozen):
    """Everything that a training run is made from."""

    data: DataConfig
    model: ModelConfig = SpeckConfig()
    training: TrainingConfig = TrainingConfig()

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
    """Relative paths of sources, weights and networks made relative to `base`."""
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
    for key in ("start", "start_classes", "start_network"):
        # a name stays a name: only what is a file beside the recipe is one
        if isinstance(training, dict) and (base / str(training.get(key, ""))).is_file():
            training[key] = str(base / str(training[key]))
    model = content.get("model")
    if isinstance(model, dict) and str(model.get("network", "")).endswith(
        (".cfg", ".yaml", ".yml")
    ):
        model["network"] = str(base / str(model["network"]))
    return content
