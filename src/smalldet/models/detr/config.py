"""Schemas of the DETR families in a recipe."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from smalldet.models.detector_config import DetectorConfig
from smalldet.models.detr.detector import Detr
from smalldet.models.detr.networks import build_network
from smalldet.models.losses import BoxLoss

SHORT_FLOAT = re.compile(r"[-+]?\d+[eE][-+]?\d+")


def _with_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_numbers(inner) for inner in value]
    return float(value) if isinstance(value, str) and SHORT_FLOAT.fullmatch(value) else value


class DetrConfig(DetectorConfig):
    """What the DETR families have in common."""

    layers: dict[str, Any] = Field(
        default_factory=dict,
        description="of the network, where not as in transformers' configuration of the family: "
        "its keys and values; a checkpoint brings its own",
    )
    num_queries: int = Field(default=300, ge=1, description="most objects of a tile")
    pixel_mean: tuple[float, ...] | None = Field(
        default=None, description="taken from pictures of 0..1, a value a band; with pixel_std"
    )
    pixel_std: tuple[float, ...] | None = Field(default=None, description="divided by, likewise")
    box_loss: BoxLoss = Field(default="nwd_ciou", description="beside L1; as published, giou")
    class_weight: float = Field(default=1.0, gt=0, description="of the class loss")
    l1_weight: float = Field(default=5.0, ge=0, description="of L1 in parts of the tile's sides")
    box_weight: float = Field(default=2.0, ge=0, description="of box_loss")

    @field_validator("layers", mode="after")
    @classmethod
    def _numbers_of_texts(cls, layers: dict[str, Any]) -> dict[str, Any]:
        """YAML takes 1e-05 for a text."""
        return _with_numbers(layers)

    @model_validator(mode="after")
    def _mean_with_std(self) -> Self:
        mean, std = self.pixel_mean, self.pixel_std
        if (mean is None) != (std is None) or len(mean or ()) != len(std or ()):
            raise ValueError("pixel_mean and pixel_std go together, a value a band")
        return self

    is_square: ClassVar[bool] = False

    @property
    def num_groups(self) -> int:
        """Groups of queries that each learn all objects."""
        return 1

    @property
    def max_stride(self) -> int:
        return 32

    @property
    def finest_stride(self) -> int:
        """Pixels between the places of the finest level."""
        return int(min(self.layers.get("feat_strides", [8])))

    def _least_px(self) -> int:
        """The library takes the best places as queries and fails where there are fewer."""
        side = math.ceil(math.sqrt(self.num_queries)) * self.finest_stride
        return math.ceil(side / self.max_stride) * self.max_stride

    def build(self, class_names: Sequence[str], tile_px: int) -> Detr:
        """An untrained detector.

        Raises:
            ImportError: transformers is not installed.
            ValueError: `layers` has a key that it does not know, or describes no network.
        """
        least_px = self._least_px()
        if tile_px < least_px:
            raise ValueError(
                f"tiles of {tile_px} px have fewer places than model.num_queries, "
                f"{self.num_queries}: take fewer, or tiles of {least_px} px"
            )
        network = build_network(self.family, self.layers, len(class_names), self.num_queries)
        return Detr(
            class_names,
            tile_px=tile_px,
            stride=self.max_stride,
            network=network,
            pixel_mean=self.pixel_mean,
            pixel_std=self.pixel_std,
            box_loss=self.box_loss,
            weights=(self.class_weight, self.l1_weight, self.box_weight),
            least_px=least_px,
            num_groups=self.num_groups,
            is_square=self.is_square,
        )


class DFineConfig(DetrConfig):
    """D-FINE: boxes as distributions that each layer refines.

    Source: Peng et al. 2024, arXiv 2410.13842.
    """

    family: Literal["d_fine"] = Field(default="d_fine", description="which kind of detector")


class RtDetrV2Config(DetrConfig):
    """RT-DETRv2.

    Source: Lv et al. 2024, arXiv 2407.17140.
    """

    family: Literal["rt_detr_v2"] = Field(
        default="rt_detr_v2", description="which kind of detector"
    )


class RfDetrConfig(DetrConfig):
    """RF-DETR: a vision transformer (DINOv2) that looks at windows, and queries of one level.

    Source: Robinson et al. 2025, arXiv 2511.09554.
    """

    family: Literal["rf_detr"] = Field(default="rf_detr", description="which kind of detector")
    is_square: ClassVar[bool] = True  # windows of other pictures would be mixed up

    @property
    def num_groups(self) -> int:
        return int(self.layers.get("group_detr", 13))

    @property
    def max_stride(self) -> int:
        """A picture is cut into windows, and those into patches."""
        return self.finest_stride * int(self._backbone.get("num_windows", 4))

    @property
    def finest_stride(self) -> int:
        return int(self._backbone.get("patch_size", 14))

    @property
    def _backbone(self) -> dict[str, Any]:
        return self.layers.get("backbone_config") or {}
