"""Schema of what the families on torchvision's modules have in common."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from smalldet.config.base import Frozen
from smalldet.models.attention import AttentionName, AttentionPlace
from smalldet.models.detector_config import DetectorConfig

NETWORK_STRIDE = 32
"""What sides are multiples of for torchvision's own networks, whatever levels they add."""


class Conventions(Frozen):
    """How the maker of a checkpoint does what others do differently.

    Importers set these keys. A network that is trained anew leaves them alone.
    """

    norm_eps: float = Field(
        default=1e-5, ge=0, description="added to variances in a named network's backbone"
    )
    pixel_mean: tuple[float, float, float] | None = Field(
        default=None, description="RGB, 0..1, taken off pictures; default: the backbone's own"
    )
    pixel_std: tuple[float, float, float] | None = Field(
        default=None, description="RGB, 0..1, that pictures are divided by; default likewise"
    )
    stride_in_1x1: bool = Field(
        default=False,
        description="ResNet bottlenecks shrink in the first convolution, not the second",
    )
    tensorflow_padding: bool = Field(
        default=False, description="the stem's pooling and the added levels pad as its `same`"
    )
    tensorflow_stem: bool = Field(default=False, description="the first convolution likewise")
    top_from_backbone: bool = Field(
        default=False,
        description="the two levels that RetinaNet's `..._fpn` adds begin at the backbone's last",
    )
    pool_aligned: bool | None = Field(
        default=None,
        description="regions are pooled with pixel centres at halves; default: unless a network "
        "is named",
    )
    box_codes: Literal["centre", "corners"] = Field(
        default="centre", description="what RetinaNet's four numbers of a box are relative to"
    )


class PyramidConfig(DetectorConfig):
    """What the families on torchvision's modules have in common."""

    # up to version 0.1 conventions stood among the model's keys
    old_keys: ClassVar[Mapping[str, str]] = {
        key: f"conventions.{key}" for key in Conventions.model_fields
    }

    network: str | None = Field(default=None, description="of torchvision, by name")
    backbone: str = Field(default="resnet18", description="any backbone, where no network is named")
    strides: tuple[int, ...] = Field(
        default=(4, 8, 16, 32), description="levels of that backbone in pixels, doubling"
    )
    width: int = Field(default=128, ge=8, description="channels of its pyramid")
    num_frozen_stages: int = Field(default=0, ge=0, description="backbone stages that do not learn")
    freeze_norms: bool = Field(
        default=False, description="batch norms of the backbone keep their statistics"
    )
    attention: AttentionName = Field(default="none", description="gates at `attention_at`")
    attention_at: tuple[AttentionPlace, ...] = Field(
        default=("neck",),
        description="backbone: on what it gives the pyramid; neck: on what that gives the head",
    )
    conventions: Conventions = Field(
        default=Conventions(), description="how the maker of a checkpoint differs from torchvision"
    )

    @field_validator("strides")
    @classmethod
    def _doubling(cls, strides: tuple[int, ...]) -> tuple[int, ...]:
        if len(strides) < 2 or any(b != 2 * a for a, b in pairwise(strides)):
            raise ValueError("strides must double from level to level, e.g. [4, 8, 16]")
        return strides

    @property
    def max_stride(self) -> int:
        return max(self.strides) if self.network is None else NETWORK_STRIDE
