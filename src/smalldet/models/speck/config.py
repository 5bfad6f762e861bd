"""Schema of Speck in a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from smalldet.models.attention import AttentionName, AttentionPlace
from smalldet.models.detector import Decoder
from smalldet.models.detector_config import DetectorConfig
from smalldet.models.speck.decoder import SpeckDecoder
from smalldet.models.speck.options import LossOptions, SuppressionOptions

if TYPE_CHECKING:
    from smalldet.models.speck.detector import Speck


class Size(NamedTuple):
    backbone: str
    width: int
    backbone_hidden: float = 1.0
    expansion: int = 4
    packed: bool = False


START = "speck-start"
"""The embedded model that trainings of its backbone, width and strides start from."""

USUAL_STRIDES = (4, 8, 16)

SIZES = {
    "t": Size("tf_efficientnet_lite0", 96, backbone_hidden=0.5, expansion=2, packed=True),
    "n": Size("tf_efficientnet_lite0", 96),
    "s": Size("tf_efficientnet_lite2", 160),
    "m": Size("resnet34", 224),
}


class SpeckConfig(LossOptions, SuppressionOptions, DetectorConfig):
    """Speck: smalldet's own detector, made for objects of 3 to 40 pixels."""

    family: Literal["speck"] = Field(default="speck", description="which kind of detector")
    size: Literal["t", "n", "s", "m"] = Field(
        default="n", description="its backbone and width, and how far both are narrowed"
    )
    backbone: str | None = Field(default=None, description="timm name instead of the size's own")
    width: int | None = Field(default=None, ge=16, description="channels of neck and head")
    backbone_hidden: float | None = Field(
        default=None,
        ge=0.25,
        le=1,
        description="share of the hidden channels of the backbone's inverted residuals",
    )
    expansion: int | None = Field(
        default=None, ge=1, description="how far blocks of the neck's coarsest level widen"
    )
    packed: bool | None = Field(
        default=None,
        description="the finest level is worked on at half its resolution, in more channels",
    )
    strides: tuple[int, ...] = Field(
        default=USUAL_STRIDES, description="of the levels in pixels, doubling, from 2 to 32"
    )
    num_context: int = Field(default=7, ge=0, description="blocks of the neck's coarsest level")
    num_frozen_stages: int = Field(default=0, ge=0, description="backbone stages that do not learn")
    freeze_norms: bool = Field(default=False, description="backbone norms stay as they start")
    attention: AttentionName = Field(default="none", description="gates at `attention_at`")
    attention_at: tuple[AttentionPlace, ...] = Field(
        default=("neck",),
        description="backbone: on what it gives the neck; neck: on what that gives the head",
    )
    refine: bool = Field(
        default=False, description="tiny boxes that are found are moved by a look at their pixels"
    )

    oriented: bool = Field(
        default=False, description="it learns and finds oriented boxes, from labels that have such"
    )

    @field_validator("strides")
    @classmethod
    def _doubling(cls, strides: tuple[int, ...]) -> tuple[int, ...]:
        if len(strides) < 2 or any(b != 2 * a for a, b in pairwise(strides)):
            raise ValueError("strides must double from level to level, e.g. [4, 8, 16]")
        if strides[0] < 2 or strides[-1] > 32:
            raise ValueError("strides lie between 2 and 32")
        return strides

    @model_validator(mode="after")
    def _refiner_is_upright(self) -> Self:
        if self.oriented and self.refine:
            raise ValueError(
                "refine moves the edges of upright boxes only: with oriented: true leave refine out"
            )
        return self

    @property
    def needs_rboxes(self) -> bool:
        return self.oriented

    @property
    def max_stride(self) -> int:
        return max(self.strides)

    @property
    def usual_start(self) -> str:
        own = self._size()
        fits = (own.backbone, own.width) == SIZES["n"][:2] and self.strides == USUAL_STRIDES
        return START if fits else "imagenet"

    def build(self, class_names: Sequence[str], tile_px: int) -> Speck:
        # What only decodes need not wait for the libraries of the network.
        from smalldet.models.attention import LevelAttention
        from smalldet.models.backbones import Backbone
        from smalldet.models.speck.detector import Speck, SpeckModules
        from smalldet.models.speck.head import DecoupledHead
        from smalldet.models.speck.neck import PathAggregation
        from smalldet.models.speck.refiner import PixelRefiner

        size = self._size()
        width, packed = size.width, size.packed
        backbone = Backbone(
            size.backbone,
            self.strides,
            self.num_frozen_stages,
            self.freeze_norms,
            size.backbone_hidden,
        )
        modules = SpeckModules(
            backbone,
            LevelAttention(self._attention("backbone"), backbone.channels),
            PathAggregation(backbone.channels, width, self.num_context, size.expansion, packed),
            LevelAttention(self._attention("neck"), [width] * len(self.strides)),
            DecoupledHead(
                width, len(class_names), self.strides, packed=packed, oriented=self.oriented
            ),
            PixelRefiner() if self.refine else None,
        )
        return Speck(class_names, modules, tile_px=tile_px, learning=self, suppression=self)

    def decoder(self, class_names: Sequence[str], tile_px: int) -> Decoder:
        if self.refine:
            return self.build(class_names, tile_px)
        return SpeckDecoder(class_names, tile_px, self.strides, self, self.oriented)

    def untrimmed(self) -> Self:
        return self.model_copy(update={"backbone_hidden": 1.0, "expansion": Size("", 0).expansion})

    def _size(self) -> Size:
        """What the size means, with what is said besides."""
        size = SIZES[self.size]
        said = {name: getattr(self, name) for name in Size._fields}
        own = {name: value for name, value in said.items() if value is not None}
        if self.backbone is not None:  # a size narrows its own backbone, not any
            own = {"backbone_hidden": 1.0} | own
        return size._replace(**own)

    def _attention(self, place: AttentionPlace) -> AttentionName:
        return self.attention if place in self.attention_at else "none"
