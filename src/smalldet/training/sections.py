"""The sections of a recipe: labelled pictures and their tiles, and how to learn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from smalldet.config.base import Frozen
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.options import Augmentation, Sampling
from smalldet.training.loggers import Logger

MOST = 2**31 - 1
"""What counts and seeds are bounded by; torch and numpy take no larger ones everywhere."""
MOST_TILE_PX = 16_384


class SourceConfig(LabelSource):
    """One labelled data set and what its labels mean to this run.

    Every class of the run is `labelled` here (the file has it, by name or through `map`), `absent`
    (it truly does not occur: background) or `unknown` (it may occur without a label: nothing in
    these pictures counts against it). A class that the file lacks must be declared.
    """

    map: dict[str, str] = Field(
        default_factory=dict, description="{class of the file: class of the run} where they differ"
    )
    absent: tuple[str, ...] = Field(
        default=(), description="classes of the run that truly do not occur in these pictures"
    )
    unknown: tuple[str, ...] = Field(
        default=(), description="classes of the run that may be in these pictures without a label"
    )
    gsd_m: float | None = Field(
        default=None,
        gt=0,
        description="ground sample distance of these pictures, metres a pixel; default: what "
        "labels or pictures say",
    )


class SourcesConfig(Frozen):
    """Labelled pictures of a run, and its classes."""

    train: tuple[SourceConfig, ...] = Field(min_length=1, description="data sets to train on")
    val: tuple[SourceConfig, ...] = Field(
        default=(), description="data sets to measure on; without any nothing is measured"
    )
    val_share: float | None = Field(
        default=None, gt=0, lt=1, description="instead of val: this share of train's pictures"
    )
    val_list: Path | None = Field(
        default=None,
        description="instead of val: those pictures of train that this text file names, one on "
        "each line",
    )
    split_by: Literal["auto", "ground", "pictures"] = Field(
        default="auto",
        description="how val_share divides: ground keeps pictures of the same place together; "
        "auto: by ground where pictures have a georeference",
    )
    classes: tuple[str, ...] | None = Field(
        default=None, description="of the run, in order; default: those of the first source"
    )

    @model_validator(mode="after")
    def _one_val(self) -> Self:
        given = [key for key in ("val", "val_share", "val_list") if getattr(self, key)]
        if len(given) > 1:
            raise ValueError(f"give one of val, val_share and val_list, not {' and '.join(given)}")
        return self


class DataConfig(Augmentation, Sampling, SourcesConfig):
    """Pictures, and how tiles are drawn from them and changed."""

    tile_px: int | None = Field(
        default=None,
        ge=32,
        le=MOST_TILE_PX,
        multiple_of=32,
        description="side of training tiles, a multiple of the model's stride; default: fitted to "
        "the objects, 256 to 640",
    )
    predict_tile_px: int | None = Field(
        default=None,
        ge=32,
        le=MOST_TILE_PX,
        description="side of tiles of prediction; default: tile_px, or 640 if that is fitted",
    )


class TrainingConfig(Frozen):
    """How long and how fast to learn. Ends by `epochs`, `minutes` or `patience`."""

    old_keys: ClassVar[Mapping[str, str]] = {"start_classes": "class_names"}

    seed: int = Field(default=0, ge=0, le=MOST, description="of all that is drawn at random")
    epochs: int = Field(
        default=60, ge=1, le=MOST, description="passes over the tiles of an epoch, at most"
    )
    minutes: float | None = Field(
        default=None,
        gt=0,
        le=MOST,
        description="of training, evaluation left out, at most; default: no end",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="evaluations on val without a better AP that end the run; default: no such end",
    )
    batch_size: int = Field(
        default=16, ge=1, le=65_536, description="tiles a step, over all processes"
    )
    lr: float = Field(default=2e-3, gt=0, le=100, description="highest learning rate, of AdamW")
    backbone_lr_factor: float = Field(
        default=0.5, gt=0, le=100, description="learning rate of the backbone, in parts of lr"
    )
    weight_decay: float = Field(
        default=0.05, ge=0, le=100, description="of AdamW; norms and biases have none"
    )
    warmup_steps: int = Field(
        default=100,
        ge=0,
        le=MOST,
        description="steps in which the learning rate rises to lr, a tenth of the run at most",
    )
    final_lr_frac: float = Field(
        default=0.02, ge=0, le=1, description="learning rate at the end, in parts of lr"
    )
    clip_norm: float = Field(
        default=10.0, gt=0, description="largest norm of all gradients together"
    )
    ema_decay: float = Field(
        default=0.999,
        ge=0,
        lt=1,
        description="of the moving average of weights, which is what gets saved and measured",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto",
        description="that layers compute in; auto: bf16 where the hardware is fast at it",
    )
    freeze_norms: bool = Field(
        default=False,
        description="batch norms keep their statistics: for small batches, and for short runs "
        "from a detector",
    )
    only: tuple[str, ...] = Field(
        default=(), description="parts of the detector that learn, e.g. [refiner]; default: all"
    )
    start: str | None = Field(
        default=None,
        description="first weights: imagenet, scratch, a model's name or file; default: "
        "speck-start for a Speck of size n or t, else imagenet",
    )
    class_names: str | None = Field(
        default=None, description="of a start whose file has none: a file of names, or a,b,c"
    )
    start_network: str | None = Field(
        default=None, description="of a start whose file does not tell it: a name or a text's file"
    )
    teacher: str | None = Field(
        default=None,
        description="a trained Speck, by name or file, that is learned from beside the labels; "
        "its classes meet by name",
    )
    imagenet_weights: Path | None = Field(
        default=None,
        description="file of the backbone's ImageNet weights; default: those of an installed "
        "package, or of timm's hub",
    )
    num_workers: int = Field(
        default=2, ge=0, le=1024, description="processes that cut tiles; 0: the training process"
    )
    eval_every: int = Field(
        default=10, ge=1, le=MOST, description="epochs between evaluations on val"
    )
    save_every_s: float = Field(
        default=300,
        ge=0,
        le=MOST,
        description="seconds between saved states to resume from; the end of an epoch saves too",
    )
    logger: Logger = Field(
        default="tensorboard",
        description="where curves go while it trains: none, tensorboard, mlflow or wandb",
    )
    eval_pictures: int | None = Field(
        default=None, ge=1, le=MOST, description="of val, evenly spread; default: all"
    )
