"""Options of training tiles: how they are drawn, and how they are changed."""

from __future__ import annotations

from pydantic import Field, field_validator

from smalldet.config.base import Frozen

MOST_SCALE = 64.0
"""How many times a tile is magnified or made smaller, at most."""


class Sampling(Frozen):
    """Which windows of the pictures become tiles, and which labels count in them."""

    tiles_per_epoch: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="tiles of an epoch; default: as many as cover the pictures",
    )
    min_visible_frac: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="part of an object's area that must be in the tile; with less it is a mute "
        "region, neither object nor background",
    )
    empty_frac: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of tiles drawn anywhere, the emptiest of a few, not around an object",
    )
    scale_jitter: tuple[float, float] = Field(
        default=(0.5, 2.0),
        description="smallest and largest magnification, drawn evenly in its logarithm",
    )
    match_gsd_m: float | None = Field(
        default=None,
        gt=0,
        description="metres a pixel that pictures are brought to, before scale_jitter; one whose "
        "ground sample distance is not known stays as it is; default: all stay",
    )
    repeat_threshold: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="classes that a smaller share of the pictures hold are drawn oftener; 0: none",
    )
    mute_difficult: bool = Field(
        default=False, description="objects marked difficult are mute regions"
    )
    cache_mb: float = Field(
        default=512,
        ge=0,
        le=2**31 - 1,
        description="memory of each worker for decoded pictures, in MiB",
    )

    @field_validator("scale_jitter")
    @classmethod
    def _in_order(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 1 / MOST_SCALE <= value[0] <= value[1] <= MOST_SCALE:
            raise ValueError(
                f"must be 1/{MOST_SCALE:g} <= low <= high <= {MOST_SCALE:g}, not {list(value)}"
            )
        return value


class Augmentation(Frozen):
    """Random changes of a tile that leave its labels true."""

    flips: bool = Field(default=True, description="mirror left-right and top-bottom")
    rot90: bool = Field(default=True, description="turn by right angles")
    rotate_prob: float = Field(
        default=0.0, ge=0, le=1, description="share of windows turned by any angle"
    )
    photometric: bool = Field(default=True, description="change colours, blur, add noise")
    mosaic_prob: float = Field(
        default=0.5, ge=0, le=1, description="share of tiles made of four windows"
    )
    mosaic_off_frac: float = Field(
        default=0.25, ge=0, le=1, description="last part of the run, without mosaic and mixup"
    )
    mixup_prob: float = Field(
        default=0.0, ge=0, le=1, description="share of tiles blended with another"
    )
    copy_paste_prob: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of tiles in which small objects are set down again",
    )
